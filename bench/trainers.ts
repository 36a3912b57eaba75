import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import type { PreferenceRow } from "../src/data/preference";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel, type ModelFiles } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";
import { alternate, DisturbedError, type Alternation } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import type { TrainerJob } from "./job";
import type { BenchPrecision, PairOptions, PeerName } from "./options";
import { report, type Cell, type Outcome } from "./report";
import { readRows, wholeBatches } from "./rows";
import { busyMessage, ourSide, peerPython, peerSide, progress } from "./running";

// What benches of trainers share: their steps are timed in turn with each of the peer's settings.

/** Timed steps of each side: so many in all, and at least so many in each cell of the table. */
export const TIMED_STEPS = { all: 20, cell: 6 };

/** Untimed steps of a peer: it compiles nothing, but fills its caches and reaches its peak. */
export const PEER_WARM_UP = 2;

/** The ways in which a peer reaches a precision on a CPU; the fastest one counts. */
export const PEER_SETTINGS: Record<BenchPrecision, string[]> = {
  float32: ["float32"],
  bfloat16: ["bfloat16 autocast", "bfloat16 weights"],
};

function stepsOfEachCell({ batches, precisions }: PairOptions): number {
  return Math.max(TIMED_STEPS.cell, Math.ceil(TIMED_STEPS.all / (batches.length * precisions.length)));
}

/** What belongs to each batch, from the one on at which both sides enter the first timed round. */
function inTurn<T>(batches: readonly T[]): T[] {
  return batches.map((_, i) => batches[(i + PEER_WARM_UP) % batches.length]!);
}

interface TrainerPlan {
  /** The name of our script, and with the peer's behind it of the peer's. */
  bench: string;
  peer: PeerName;
  /** The peer's Python; null for none. */
  python: string | null;
  precision: BenchPrecision;
  /** Pairs in a batch, and how many batches there are. */
  batch: number;
  batches: number;
  timed: number;
  /** What a side is told at a setting. */
  job(setting: string): object;
}

/** What one bench of a trainer has beside the others. */
export interface TrainerBench<R, T, J extends TrainerJob> {
  /** What the bench is called, and its scripts where they differ. */
  bench: string;
  scripts?: string;
  /** What a row is called in the report. Default: pairs. */
  unit?: Outcome["unit"];
  /** A row of the file as the sides train on it. */
  asRow(row: PreferenceRow): R;
  /** A batch as token ids, and how many tokens count. */
  tokenize(rows: readonly R[], tokenizer: Tokenizer): T;
  tokens(batch: T): number;
  /** What both sides are told, but for what they are all told. */
  job(texts: R[][], batches: readonly T[], files: ModelFiles): Omit<J, keyof TrainerJob> | Promise<Omit<J, keyof TrainerJob>>;
}

/** Runs a bench of a trainer: every batch size in every precision, each beside the peer's settings. */
export async function runTrainerBench<R, T, J extends TrainerJob>({ bench, scripts = bench, unit, asRow, tokenize, tokens, job }: TrainerBench<R, T, J>, options: PairOptions): Promise<void> {
  const rows = await readRows(options.rows);
  const timed = stepsOfEachCell(options);
  const plans = options.batches.map((batch) => ({ batch, texts: wholeBatches(rows.map(asRow), batch, timed) }));
  const before = await othersNow();
  if (before > BUSY_ABOVE) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const cells: Cell[] = [];
  for (const { batch, texts } of plans) {
    const batches = texts.map((part) => tokenize(part, tokenizer));
    const own = await job(texts, batches, files);
    const jobAt = (setting: string): object => ({ setting, threads: availableParallelism(), learningRate: 1e-6, model: peer?.model ?? "", ...own });
    for (const precision of options.precisions) {
      const runs = await measureTrainers({ bench: scripts, peer: options.peer, python: peer?.python ?? null, precision, batch, batches: texts.length, timed, job: jobAt });
      cells.push({ batch, precision, timed, tokens: inTurn(batches.map(tokens)), runs });
    }
  }
  report({ bench, peer: options.peer, rows: rows.length, ...(unit && { unit }), cells });
}

/** Ours beside each of the peer's settings, one pair of processes at a time, so that memory is never short. */
async function measureTrainers({ bench, peer, python, precision, batch, batches, timed, job }: TrainerPlan): Promise<Alternation[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const jobFile = (setting: string): string => {
    const file = path.join(folder, `${setting.replace(" ", "-")}.json`);
    writeFileSync(file, JSON.stringify(job(setting)));
    return file;
  };
  const runs: Alternation[] = [];
  try {
    for (const setting of python ? PEER_SETTINGS[precision] : [null]) {
      const sides = [ourSide(bench, precision, jobFile(precision))];
      if (python && setting) sides.push(peerSide(peer, `${bench}_${peer}`, setting, python, jobFile(setting), folder));
      runs.push(await alternate(sides, [batches + PEER_WARM_UP, PEER_WARM_UP], timed, progress(`batch ${batch}, ${precision}`)));
    }
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return runs;
}
