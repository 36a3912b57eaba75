import { availableParallelism } from "node:os";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { packedLength } from "../src/tokens/packing";
import { tokenizeRows, type TokenizedRow } from "../src/tokens/preference";
import { Tokenizer } from "../src/tokens/tokenizer";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import type { DpoJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions, type PairOptions } from "./options";
import { report, type Cell } from "./report";
import { readRows, wholeBatches } from "./rows";
import { busyMessage, peerPython } from "./running";
import { inTurn, measureTrainers, PEER_WARM_UP, stepsOfEachCell, TIMED_STEPS } from "./trainers";

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
  run: async (args) => runDpo(parsePairOptions("dpo", args)),
};

async function runDpo(options: PairOptions): Promise<void> {
  const rows = await readRows(options.rows);
  const timed = stepsOfEachCell(options);
  const plans = options.batches.map((batch) => ({ batch, texts: wholeBatches(rows, batch, timed) }));
  const before = await othersNow();
  if (before > BUSY_ABOVE) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const cells: Cell[] = [];
  for (const { batch, texts } of plans) {
    const tokenized = texts.map((part) => tokenizeRows(part, tokenizer, { maxPromptLength: null }));
    const batches = tokenized.map((rows) => rows.map((row) => ({ prompt: row.prompt_input_ids, chosen: row.chosen_input_ids, rejected: row.rejected_input_ids })));
    for (const precision of options.precisions) {
      const job = (setting: string): DpoJob => ({ setting, threads: availableParallelism(), learningRate: 1e-6, beta: 0.1, texts, model: peer?.model ?? "", batches });
      const runs = await measureTrainers({ bench: "dpo", peer: options.peer, python: peer?.python ?? null, precision, batch, batches: texts.length, timed, job });
      cells.push({ batch, precision, timed, tokens: inTurn(tokenized.map(tokensOf)), runs });
    }
  }
  report({ bench: "dpo", peer: options.peer, rows: rows.length, cells });
}

const tokensOf = (rows: readonly TokenizedRow[]): number => rows.reduce((sum, row) => sum + packedLength(row), 0);
