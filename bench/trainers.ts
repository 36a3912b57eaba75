import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { alternate, DisturbedError, type Alternation } from "./alternate";
import type { BenchPrecision, PairOptions, PeerName } from "./options";
import { busyMessage, ourSide, peerSide, progress } from "./running";

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

export function stepsOfEachCell({ batches, precisions }: PairOptions): number {
  return Math.max(TIMED_STEPS.cell, Math.ceil(TIMED_STEPS.all / (batches.length * precisions.length)));
}

/** What belongs to each batch, from the one on at which both sides enter the first timed round. */
export function inTurn<T>(batches: readonly T[]): T[] {
  return batches.map((_, i) => batches[(i + PEER_WARM_UP) % batches.length]!);
}

export interface TrainerPlan {
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

/** Ours beside each of the peer's settings, one pair of processes at a time, so that memory is never short. */
export async function measureTrainers({ bench, peer, python, precision, batch, batches, timed, job }: TrainerPlan): Promise<Alternation[]> {
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
