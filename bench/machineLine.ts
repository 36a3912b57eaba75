import { availableParallelism, cpus, loadavg } from "node:os";
import { BUSY_ABOVE } from "./busy";

interface Watched {
  /** The most of the machine that others took while this was measured. */
  others: number;
  /** Rounds that were measured again. */
  disturbed: number;
}

const othersOf = (runs: readonly Watched[]): number => Math.max(...runs.map((run) => run.others));

/** Whether figures count although others used the machine: only where that was asked for. */
export const wasBusy = (runs: readonly Watched[]): boolean => othersOf(runs) > BUSY_ABOVE;

/** The line under a bench's table: the machine, and whether it was quiet. */
export function machineLine(runs: readonly Watched[]): string {
  const disturbed = runs.reduce((sum, run) => sum + run.disturbed, 0);
  const verdict = wasBusy(runs) ? "measured anyway, so these figures are no more than a hint." : `not busy${disturbed > 0 ? ` (${disturbed} disturbed rounds were measured again)` : ""}.`;
  return `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each; load average ${loadavg()[0]!.toFixed(1)}, other processes took at most ${(othersOf(runs) * 100).toFixed(1)} % of the machine: ${verdict} ± is half the distance between the quartiles.`;
}
