import { availableParallelism } from "node:os";
import { moment, othersShare } from "./busy";
import type { Measured } from "./figures";
import type { Ready, Side } from "./side";

export interface Alternation {
  measured: Measured[];
  ready: Ready[];
  /** The part of the machine that other processes took while steps were timed. */
  others: number;
  timedSeconds: number;
}

/**
 * Measures several sides in turn: each is loaded and warmed up by itself, then they step one after the other, A B A B,
 * while the others idle.
 * @param warmUp steps of each side that are not timed @param timed steps that are
 */
export async function alternate(sides: readonly Side[], warmUp: number, timed: number, onProgress: (text: string) => void): Promise<Alternation> {
  try {
    const ready: Ready[] = [];
    for (const side of sides) {
      onProgress(`${side.name} (${side.setting}): loading`);
      ready.push(await side.ready());
      for (let i = 0; i < warmUp; i++) {
        onProgress(`${side.name} (${side.setting}): warm-up ${i + 1} of ${warmUp}`);
        await side.step();
      }
    }
    const ownSeconds = (): number => sides.reduce((sum, side) => sum + side.cpuSeconds, process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6);
    const from = moment();
    const own = ownSeconds();
    const measured: Measured[] = sides.map(({ name, setting }) => ({ side: name, setting, steps: [], peakBytes: 0 }));
    for (let i = 0; i < timed; i++) {
      onProgress(`timed step ${i + 1} of ${timed}`);
      for (const [s, side] of sides.entries()) measured[s]!.steps.push(await side.step());
    }
    const to = moment();
    const others = othersShare(from, to, ownSeconds() - own, availableParallelism());
    sides.forEach((side, s) => (measured[s]!.peakBytes = side.peakBytes));
    for (const side of sides) await side.end();
    return { measured, ready, others, timedSeconds: to.at - from.at };
  } finally {
    for (const side of sides) side.kill();
  }
}
