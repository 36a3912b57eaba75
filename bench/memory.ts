import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { table } from "../src/log/table";
import { tokenizeRows } from "../src/tokens/preference";
import { Tokenizer } from "../src/tokens/tokenizer";
import { peerCheckpoint } from "./checkpoint";
import { ourSide, peerPython, peerSide } from "./running";
import type { DpoJob } from "./job";
import type { Bench } from "./main";
import { rowsOfLength } from "./memoryRows";
import { spreadOf, tableRow, type TableSide } from "./table";
import { median } from "./figures";
import { oneOf, parseOptionsOf, PRECISIONS, wholeNumber, type BenchPrecision } from "./options";
import { readRows } from "./rows";
import type { Side } from "./side";
import { PEER_SETTINGS } from "./trainers";

/** Steps of each process: the second is the first with the optimiser's moments in use, the third is as every later one. */
const STEPS = 3;

const ROUNDS = 2;

/** What the planner is tried on: pairs in a batch, tokens of prompt and answer, precision, whether a copy of the policy is kept. */
const PLANNED: readonly Work[] = [
  { batch: 1, tokens: 64, precision: "float32", copy: false },
  { batch: 1, tokens: 1024, precision: "float32", copy: false },
  { batch: 4, tokens: 256, precision: "float32", copy: true },
  { batch: 4, tokens: 512, precision: "float32", copy: false },
  { batch: 4, tokens: 512, precision: "bfloat16", copy: false },
  { batch: 8, tokens: 128, precision: "bfloat16", copy: true },
  { batch: 16, tokens: 64, precision: "float32", copy: false },
  { batch: 2, tokens: 1024, precision: "bfloat16", copy: false },
];

interface Work {
  batch: number;
  tokens: number;
  precision: BenchPrecision;
  copy: boolean;
}

const usage = `npm run bench -- memory [options]
Peak resident memory of DPO training steps of the packaged model, each side in fresh processes of its own (VmHWM after ${STEPS} steps): ours beside the plain
PyTorch loop and TRL's DPOTrainer, with the same weights and pairs, whose prompts and answers take exactly the same number of tokens; reference
log-probabilities are computed beforehand. Our planner's prediction, made before the first step, stands beside what was measured.

  --batch N               pairs in a batch; default: 4
  --tokens N              tokens of prompt and answer together; default: 512
  --precision P           float32 or bfloat16; default: both
  --peer PEER             torch, trl or none; default: torch and trl
  --rounds N              processes of each side, in turn; default: ${ROUNDS}. The table has the median of their peaks and its spread: half the
                          distance between the quartiles, as a part of the median
  --plan                  ours alone at ${PLANNED.length} settings of its own, predicted and measured: batches of 1 to 16, 64 to 1,024 tokens, with and without a copy of the policy

The peer's own environment, .venv-peer, is made on first use. Memory is not a matter of time: the machine may be busy meanwhile.
The last line is JSON: memory_ratio is our median peak by the lowest of the peers' in that precision; with --plan, worst is the prediction furthest from what was measured.`;

export const memory: Bench = {
  summary: "peak memory of a DPO step beside PyTorch and TRL, and what the planner predicts",
  parts: () => PRECISIONS.map((precision) => ({ args: ["--precision", precision, "--peer", "torch"], minutes: 5 })),
  usage,
  run: async (args) => runMemory(readOptions(args)),
};

interface Options {
  batch: number;
  tokens: number;
  precisions: readonly BenchPrecision[];
  peers: readonly ("torch" | "trl")[];
  rounds: number;
  plan: boolean;
}

export function readOptions(args: string[]): Options {
  const names = { batch: { type: "string" }, tokens: { type: "string" }, precision: { type: "string" }, peer: { type: "string" }, rounds: { type: "string" }, plan: { type: "boolean" } } as const;
  const { batch, tokens, precision, peer, rounds, plan = false } = parseOptionsOf("memory", args, names);
  const chosen = peer === undefined ? null : oneOf("--peer", peer, ["torch", "trl", "none"] as const);
  return {
    batch: wholeNumber("--batch", batch, 4, [1, 64]), tokens: wholeNumber("--tokens", tokens, 512, [64, 8192]), rounds: wholeNumber("--rounds", rounds, ROUNDS, [1, 100]), plan,
    precisions: precision === undefined ? PRECISIONS : [oneOf("--precision", precision, PRECISIONS)],
    peers: chosen === null ? ["torch", "trl"] : chosen === "none" ? [] : [chosen],
  };
}

interface Peak {
  side: string;
  setting: string;
  peakBytes: number;
  plannedBytes?: number;
}

async function runMemory(options: Options): Promise<void> {
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const rows = await readRows(undefined);
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const jobFile = ({ batch, tokens, copy }: Work, setting: string, model: string): string => {
    const texts = [rowsOfLength(rows, tokenizer, batch, tokens)];
    const batches = texts.map((part) => tokenizeRows(part, tokenizer, { maxPromptLength: null }).map((row) => ({ prompt: row.prompt_input_ids, chosen: row.chosen_input_ids, rejected: row.rejected_input_ids })));
    const job: DpoJob = { setting, threads: availableParallelism(), learningRate: 1e-6, beta: 0.1, precompute: !copy, texts, model, batches };
    const file = path.join(folder, `${batch}x${tokens}-${setting.replace(" ", "-")}.json`);
    writeFileSync(file, JSON.stringify(job));
    return file;
  };
  try {
    if (options.plan) {
      const peaks: (Work & Peak)[] = [];
      for (const work of PLANNED) peaks.push({ ...work, ...(await peakOf(ourSide("dpo", work.precision, jobFile(work, work.precision, "")))) });
      return reportPlans(peaks);
    }
    const peer = options.peers.length > 0 ? { python: await peerPython(), model: await peerCheckpoint(files) } : null;
    const cells = new Map<BenchPrecision, Peaks[]>();
    for (const precision of options.precisions) {
      const work: Work = { batch: options.batch, tokens: options.tokens, precision, copy: false };
      const starts = [() => ourSide("dpo", precision, jobFile(work, precision, ""))];
      for (const name of options.peers) {
        for (const setting of PEER_SETTINGS[precision]) starts.push(() => peerSide(name, `dpo_${name}`, setting, peer!.python, jobFile(work, setting, peer!.model), folder));
      }
      const rounds: Peak[][] = [];
      for (let round = 0; round < options.rounds; round++) {
        const peaks: Peak[] = [];
        for (const start of starts) peaks.push(await peakOf(start()));
        rounds.push(peaks);
      }
      cells.set(precision, starts.map((_, s) => summarise(rounds.map((peaks) => peaks[s]!))));
    }
    reportPeaks(options, cells);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A side's median peak over its processes, and how far they lie apart. */
interface Peaks extends Peak {
  spread: number;
}

export function summarise(peaks: readonly Peak[]): Peaks {
  const bytes = peaks.map(({ peakBytes }) => peakBytes);
  return { ...peaks[0]!, peakBytes: Math.round(median(bytes)), spread: spreadOf(bytes) };
}

/** Lets a side take its steps and ends it. */
async function peakOf(side: Side): Promise<Peak> {
  try {
    console.error(`${side.name} (${side.setting}): loading`);
    const { plannedBytes } = await side.ready();
    for (let step = 1; step <= STEPS; step++) {
      console.error(`${side.name} (${side.setting}): step ${step} of ${STEPS}`);
      await side.step();
    }
    const { peakBytes } = side;
    await side.end();
    return { side: side.name, setting: side.setting, peakBytes, ...(plannedBytes === undefined ? {} : { plannedBytes }) };
  } finally {
    side.kill();
  }
}

const rounded = (value: number): number => Number(value.toPrecision(4));

const side = ({ side, setting, peakBytes, spread }: Peaks): TableSide => ({ side, setting, median_seconds: null, spread: rounded(spread), peak_bytes: peakBytes });

function reportPeaks({ batch, tokens, rounds }: Options, cells: ReadonlyMap<BenchPrecision, Peaks[]>): void {
  const lines = [...cells].flatMap(([precision, peaks]) => peaks.map((peak) => ({
    precision, side: peak.side, setting: peak.setting, "peak GB": peak.peakBytes / 1e9, "± %": 100 * peak.spread, "ours by it": peaks[0]!.peakBytes / peak.peakBytes,
    "predicted GB": peak.plannedBytes === undefined ? "" : (peak.plannedBytes / 1e9).toFixed(2),
  })));
  console.log(table(lines, { decimals: 2, maxRows: 100 }).text);
  console.log(JSON.stringify({
    bench: "memory", batch, tokens, rounds, threads: availableParallelism(),
    cells: [...cells].map(([precision, [ours, ...peers]]) => ({
      precision, memory_ratio: peers.length > 0 ? rounded(ours!.peakBytes / Math.min(...peers.map(({ peakBytes }) => peakBytes))) : null,
      ours: { peak_bytes: ours!.peakBytes, spread: rounded(ours!.spread), predicted_bytes: Math.round(ours!.plannedBytes!) },
      peers: peers.map(({ side, setting, peakBytes, spread }) => ({ side, setting, peak_bytes: peakBytes, spread: rounded(spread), memory_ratio: rounded(ours!.peakBytes / peakBytes) })),
    })),
    table: [...cells].flatMap(([precision, [ours, ...peers]]) => (peers.length > 0 ? peers : [null]).map((peer) => tableRow(`DPO step, ${batch} pairs × ${tokens} tokens, ${precision}`, side(ours!), peer && side(peer)))),
  }));
}

function reportPlans(peaks: readonly (Work & Peak)[]): void {
  const ratio = ({ plannedBytes, peakBytes }: Peak): number => plannedBytes! / peakBytes;
  console.log(table(peaks.map((peak) => ({
    batch: peak.batch, tokens: peak.tokens, precision: peak.precision, "copy of the policy": peak.copy ? "yes" : "no",
    "predicted GB": peak.plannedBytes! / 1e9, "measured GB": peak.peakBytes / 1e9, "predicted by measured": ratio(peak),
  })), { decimals: { "predicted GB": 2, "measured GB": 2, "predicted by measured": 3 }, maxRows: 100 }).text);
  const worst = peaks.reduce((one, other) => (Math.abs(ratio(other) - 1) > Math.abs(ratio(one) - 1) ? other : one));
  console.log(JSON.stringify({
    bench: "memory", plan: true, worst: rounded(ratio(worst)),
    settings: peaks.map((peak) => ({ batch: peak.batch, tokens: peak.tokens, precision: peak.precision, copy: peak.copy, predicted_bytes: Math.round(peak.plannedBytes!), peak_bytes: peak.peakBytes, ratio: rounded(ratio(peak)) })),
  }));
}
