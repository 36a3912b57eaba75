import { availableParallelism, cpus, loadavg } from "node:os";

/** The line under a bench's table: the machine, and whether it was quiet. @param runs what was measured @param anyway whether disturbed rounds count too */
export function machineLine(runs: readonly { others: number; disturbed: number }[], anyway: boolean): string {
  const others = Math.max(...runs.map((run) => run.others));
  const disturbed = runs.reduce((sum, run) => sum + run.disturbed, 0);
  const verdict = anyway ? "measured anyway, so these figures are no more than a hint." : `not busy${disturbed > 0 ? ` (${disturbed} disturbed rounds were measured again)` : ""}.`;
  return `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each; load average ${loadavg()[0]!.toFixed(1)}, other processes took at most ${(others * 100).toFixed(1)} % of the machine: ${verdict} ± is half the distance between the quartiles.`;
}
