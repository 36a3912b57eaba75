import { availableParallelism } from "node:os";
import { BUSY_ABOVE, moment, othersShare } from "./busy";
import type { Measured, Step } from "./figures";
import type { Ready, Side } from "./side";

export interface Alternation {
  measured: Measured[];
  ready: Ready[];
  /** The most of the machine that other processes took in a round that counts. */
  others: number;
  /** Rounds that were measured again, because other processes took too much of the machine. */
  disturbed: number;
}

/** Thrown when the machine was seldom quiet. */
export class DisturbedError extends Error {
  constructor(
    /** The part of the machine that other processes took in the rounds that did not count, on average. */
    readonly others: number,
    readonly disturbed: number,
  ) {
    super(`${disturbed} rounds were disturbed`);
  }
}

/**
 * Measures several sides in turn: each is loaded and warmed up by itself, then they step one after the other, A B A B,
 * while the others idle. A round in which other processes took too much of the machine is measured again.
 * @param warmUp steps of each side that are not timed, side by side @param timed rounds that count
 * @throws DisturbedError when more rounds than should count were disturbed
 */
export async function alternate(sides: readonly Side[], warmUp: readonly number[], timed: number, onProgress: (text: string) => void, watch: Watch = watchOthers): Promise<Alternation> {
  try {
    const ready: Ready[] = [];
    for (const [s, side] of sides.entries()) {
      onProgress(`${side.name} (${side.setting}): loading`);
      ready.push(await side.ready());
      for (let i = 0; i < warmUp[s]!; i++) {
        onProgress(`${side.name} (${side.setting}): warm-up ${i + 1} of ${warmUp[s]}`);
        await side.step();
      }
    }
    const measured: Measured[] = sides.map(({ name, setting }) => ({ side: name, setting, steps: [], peakBytes: 0 }));
    const quiet: number[] = [];
    const loud: number[] = [];
    for (let round = 0; quiet.length < timed; round++) {
      onProgress(`timed step ${quiet.length + 1} of ${timed}`);
      const othersSince = watch(sides);
      const steps: Step[] = [];
      for (const side of sides) steps.push({ ...(await side.step()), round });
      const others = othersSince();
      if (others > BUSY_ABOVE) {
        loud.push(others);
        if (loud.length > timed) throw new DisturbedError(loud.reduce((a, b) => a + b) / loud.length, loud.length);
        continue;
      }
      quiet.push(others);
      steps.forEach((step, s) => measured[s]!.steps.push(step));
    }
    sides.forEach((side, s) => (measured[s]!.peakBytes = side.peakBytes));
    for (const side of sides) await side.end();
    return { measured, ready, others: Math.max(...quiet), disturbed: loud.length };
  } finally {
    for (const side of sides) side.kill();
  }
}

/** Begins to watch the machine; what it returns tells the part that processes other than the sides have taken since. */
export type Watch = (sides: readonly Side[]) => () => number;

export const watchOthers: Watch = (sides) => {
  const ownSeconds = (): number => sides.reduce((sum, side) => sum + side.cpuSeconds, (process.cpuUsage().user + process.cpuUsage().system) / 1e6);
  const from = moment();
  const own = ownSeconds();
  return () => othersShare(from, moment(), ownSeconds() - own, availableParallelism());
};
