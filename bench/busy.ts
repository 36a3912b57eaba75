import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** The part of the machine that other processes may take before a run is not worth reporting. */
export const BUSY_ABOVE = 0.08;

/** CPU seconds that the whole machine has spent on anything, stolen time included, at a moment. */
export interface Moment {
  at: number;
  busySeconds: number;
}

const TICKS_PER_SECOND = 100;

/** CPU seconds in use, from the text of /proc/stat. */
export function busySecondsOf(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] = stat.split("\n", 1)[0]!.trim().split(/\s+/).slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq! + (steal ?? 0)) / TICKS_PER_SECOND;
}

/** CPU seconds of a process and of the children it has waited for, from the text of /proc/PID/stat. */
export function processSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).map(Number).reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** The highest resident memory so far in bytes, from the text of /proc/PID/status. */
export function peakBytesOf(status: string): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  if (!found) throw new Error("/proc/PID/status names no VmHWM.");
  return Number(found[1]) * 1024;
}

export const processSeconds = (pid: number): number => processSecondsOf(readFileSync(`/proc/${pid}/stat`, "utf8"));
export const peakBytes = (pid: number): number => peakBytesOf(readFileSync(`/proc/${pid}/status`, "utf8"));
export const moment = (): Moment => ({ at: performance.now() / 1000, busySeconds: busySecondsOf(readFileSync("/proc/stat", "utf8")) });

/**
 * The part of all cores that other processes used between two moments, 0 to 1.
 * @param ownSeconds CPU seconds of the bench's own processes in between
 */
export function othersShare(from: Moment, to: Moment, ownSeconds: number, cores: number): number {
  const capacity = (to.at - from.at) * cores;
  if (!(capacity > 0)) throw new RangeError("othersShare needs two moments apart");
  return Math.min(1, Math.max(0, (to.busySeconds - from.busySeconds - ownSeconds) / capacity));
}

/** What others do now, measured for some seconds before a run. */
export async function othersNow(seconds = 3): Promise<number> {
  const own = processSeconds(process.pid);
  const from = moment();
  await sleep(seconds * 1000);
  return othersShare(from, moment(), processSeconds(process.pid) - own, availableParallelism());
}

/** "load average 0.3, other processes 2 % of 2 cores" */
export function describeLoad(others: number): string {
  const cores = availableParallelism();
  return `load average ${loadavg()[0]!.toFixed(1)}, other processes took ${(others * 100).toFixed(0)} % of ${cores} core${cores === 1 ? "" : "s"}`;
}
