import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { packedLength } from "../src/tokens/packing";
import { tokenizeRows, type TokenizedRow } from "../src/tokens/preference";
import { Tokenizer } from "../src/tokens/tokenizer";
import type { PreferenceRow } from "../src/data/preference";
import { alternate, DisturbedError, type Alternation } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import type { DpoJob } from "./job";
import type { Bench } from "./main";
import { parseDpoOptions, type BenchPrecision, type DpoOptions, type PeerName } from "./options";
import { report, type Cell } from "./report";
import { readRows, wholeBatches } from "./rows";
import { busyMessage, ourSide, peerPython, peerSide, progress } from "./running";

/** Timed steps of each side: so many in all, and at least so many in each cell of the table. */
const TIMED_STEPS = { all: 20, cell: 6 };

/** Untimed steps of a peer: it compiles nothing, but fills its caches and reaches its peak. */
const PEER_WARM_UP = 2;

/** The ways in which a peer reaches a precision on a CPU; the fastest one counts. */
export const PEER_SETTINGS: Record<BenchPrecision, string[]> = {
  float32: ["float32"],
  bfloat16: ["bfloat16 autocast", "bfloat16 weights"],
};

const usage = `npm run bench -- dpo [options]
DPO training steps of the packaged model: padding or packing, forward, backward, clipping, AdamW. Every side is a process of
its own with the same weights, rows, order, batches and threads; reference log-probabilities are computed beforehand.
After a warm-up (ours: one pass over all batches, which compiles their shapes; a peer's: ${PEER_WARM_UP} steps) ${TIMED_STEPS.cell} steps of each side are timed in turn,
${TIMED_STEPS.all} when one batch size and precision is asked for.
A round in which other processes take more than ${BUSY_ABOVE * 100} % of the machine is measured again; when more are than count, nothing is reported.

  --rows FILE             [{"prompt": …, "chosen": …, "rejected": …}, …]; default: the first 64 rows of data/human-like
  --batch N               pairs in a batch; default: 4, then 8
  --precision P           float32 or bfloat16; default: both
  --peer PEER             trl (default: TRL's DPOTrainer), torch (a plain PyTorch loop) or none

The peer's own environment, .venv-peer, is made on first use (Python 3.11 to 3.13, 4.6 GB on disk).
The last line is JSON: ratio is our pairs per second by the peer's best, memory_ratio our peak memory by the peer's at that setting.`;

export const dpo: Bench = {
  summary: "preference training: pairs per second and peak memory beside TRL's DPOTrainer or a plain PyTorch loop",
  parts: () => [{ args: ["--batch", "8", "--precision", "float32"], minutes: 8 }, { args: ["--batch", "8", "--precision", "bfloat16"], minutes: 10 }],
  usage,
  run: async (args) => runDpo(parseDpoOptions(args)),
};

async function runDpo(options: DpoOptions): Promise<void> {
  const rows = await readRows(options.rows);
  const timed = Math.max(TIMED_STEPS.cell, Math.ceil(TIMED_STEPS.all / (options.batches.length * options.precisions.length)));
  const plans = options.batches.map((batch) => ({ batch, texts: wholeBatches(rows, batch, timed) }));
  const before = await othersNow();
  if (before > BUSY_ABOVE) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const cells: Cell[] = [];
  for (const { batch, texts } of plans) {
    const tokenized = texts.map((part) => tokenizeRows(part, tokenizer, { maxPromptLength: null }));
    for (const precision of options.precisions) {
      const runs = await measure({ precision, timed, texts, tokenized }, options.peer, peer);
      // Both sides enter the first timed round at the same batch.
      const tokens = tokenized.map((_, i) => tokensOf(tokenized[(i + PEER_WARM_UP) % tokenized.length]!));
      cells.push({ batch, precision, timed, tokens, runs });
    }
  }
  report({ peer: options.peer, rows: rows.length, cells });
}

const tokensOf = (rows: readonly TokenizedRow[]): number => rows.reduce((sum, row) => sum + packedLength(row), 0);

interface CellPlan {
  precision: BenchPrecision;
  timed: number;
  texts: PreferenceRow[][];
  tokenized: TokenizedRow[][];
}

/** Ours beside each of the peer's settings, one pair of processes at a time, so that memory is never short. */
async function measure({ precision, timed, texts, tokenized }: CellPlan, peerName: PeerName, peer: { python: string; model: string } | null): Promise<Alternation[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const batches = tokenized.map((rows) => rows.map((row) => ({ prompt: row.prompt_input_ids, chosen: row.chosen_input_ids, rejected: row.rejected_input_ids })));
  const jobFile = (setting: string): string => {
    const job: DpoJob = { setting, threads: availableParallelism(), learningRate: 1e-6, beta: 0.1, texts, model: peer?.model ?? "", batches };
    const file = path.join(folder, `${setting.replace(" ", "-")}.json`);
    writeFileSync(file, JSON.stringify(job));
    return file;
  };
  const runs: Alternation[] = [];
  try {
    for (const setting of peer ? PEER_SETTINGS[precision] : [null]) {
      const sides = [ourSide("dpo", precision, jobFile(precision))];
      if (peer && setting) sides.push(peerSide(peerName, `dpo_${peerName}`, setting, peer.python, jobFile(setting), folder));
      runs.push(await alternate(sides, [texts.length + PEER_WARM_UP, PEER_WARM_UP], timed, progress(`batch ${texts[0]!.length}, ${precision}`)));
    }
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return runs;
}
