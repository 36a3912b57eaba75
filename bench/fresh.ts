import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { BUSY_ABOVE, moment, othersShare, processSeconds } from "./busy";
import { DisturbedError } from "./alternate";
import { BenchFailure } from "./failure";

/** What one process did from its start to its end. */
export interface Sample {
  /** From the start to what the bench waits for. */
  seconds: number;
  /** What that time went into, in the order of the clock; they add up to it. */
  parts: Record<string, number>;
  /** Seconds of what came after that time. */
  further?: Record<string, number>;
  /** Highest resident memory. */
  peakBytes: number;
  versions: Record<string, string>;
  /** What it computed, to be compared with another side. */
  check?: Record<string, number>;
}

/** One side of a bench that starts a process anew each time. */
export interface FreshSide {
  name: string;
  setting: string;
  /** What has to be so before the start, and is not timed. */
  prepare?(): void;
  sample(): Promise<Sample>;
}

export interface FreshRun {
  /** Of each side, in the order of the sides. */
  samples: Sample[][];
  /** The most of the machine that other processes took in a round that counts. */
  others: number;
  /** Rounds that were measured again. */
  disturbed: number;
}

/** Begins to watch; what it returns tells the part of the machine that others have taken since. */
export type FreshWatch = () => () => number;

/** A process's own CPU time holds that of its children once they have ended: here all sides of a round. */
export const watchEnded: FreshWatch = () => {
  const from = moment();
  const own = processSeconds(process.pid);
  return () => othersShare(from, moment(), processSeconds(process.pid) - own, availableParallelism());
};

/**
 * Starts each side in turn, A B A B, after rounds that do not count and fill the caches of files. A round in which others
 * took too much of the machine is measured again, unless `anyway`.
 * @throws DisturbedError when more rounds than should count were disturbed
 */
export async function freshRounds(sides: readonly FreshSide[], rounds: { warmUp: number; timed: number; anyway: boolean }, onProgress: (text: string) => void, watch: FreshWatch = watchEnded): Promise<FreshRun> {
  const samples: Sample[][] = sides.map(() => []);
  const quiet: number[] = [];
  const loud: number[] = [];
  for (let warm = rounds.warmUp; quiet.length < rounds.timed; warm--) {
    const since = watch();
    const round: Sample[] = [];
    for (const side of sides) {
      onProgress(`${side.name} (${side.setting}): ${warm > 0 ? `warm-up ${rounds.warmUp - warm + 1} of ${rounds.warmUp}` : `start ${quiet.length + 1} of ${rounds.timed}`}`);
      side.prepare?.();
      round.push(await side.sample());
    }
    if (warm > 0) continue;
    const others = since();
    if (others > BUSY_ABOVE && !rounds.anyway) {
      loud.push(others);
      if (loud.length > rounds.timed) throw new DisturbedError(loud.reduce((a, b) => a + b) / loud.length, loud.length);
      continue;
    }
    quiet.push(others);
    round.forEach((sample, s) => samples[s]!.push(sample));
  }
  return { samples, others: Math.max(...quiet), disturbed: loud.length };
}

const KEPT_CHARACTERS = 4_000;

/** Now, in seconds since 1970, finer than a millisecond: comparable between processes of one machine. */
export const clock = (): number => (performance.timeOrigin + performance.now()) / 1000;

/**
 * Runs a program to its end and reads what it says on file 3: one JSON object.
 * @returns that object, and the time on `clock` at which the program was started
 * @throws BenchFailure with what it printed, when it fails or says nothing
 */
export async function runToEnd<T>(what: string, command: string, args: string[], environment: NodeJS.ProcessEnv = {}): Promise<{ said: T; startedAt: number }> {
  const startedAt = clock();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
  let [said, printed] = ["", ""];
  const keep = (chunk: Buffer): void => void (printed = (printed + chunk.toString()).slice(-KEPT_CHARACTERS));
  child.stdout!.on("data", keep);
  child.stderr!.on("data", keep);
  child.stdio[3]!.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ? `ended by ${signal}` : code === 0 ? "" : `exit code ${code}`));
  });
  if (ended || !said) throw new BenchFailure(1, `${what} failed: ${ended || "it said nothing"}.\n${printed.trim()}`);
  return { said: JSON.parse(said) as T, startedAt };
}
