import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { BenchFailure } from "./failure";
import { peakBytes, processSeconds } from "./busy";
import type { Step } from "./figures";

const KEPT_CHARACTERS = 4_000;

/** What a side says of itself once it is loaded. */
export interface Ready {
  threads: number;
  versions: Record<string, string>;
  /** What it computed to be compared with another side, where the bench asks for that. */
  check?: Record<string, number>;
  /** The peak memory that it predicts for itself, where it does. */
  plannedBytes?: number;
}

interface Event extends Partial<Ready> {
  event: "ready" | "step";
  loss?: number;
  decodeSeconds?: number;
}

/**
 * One side of a bench: a process of its own that loads, says it is ready, and then takes one step for each line "step",
 * idling in between. Time, CPU seconds and memory are read from outside, the same way for every side.
 */
export class Side {
  private readonly child: ChildProcess;
  private readonly events: AsyncIterator<string>;
  private readonly ended: Promise<string>;
  private errors = "";

  constructor(readonly name: string, readonly setting: string, command: string, args: string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
    this.child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (this.errors = (this.errors + chunk).slice(-KEPT_CHARACTERS)));
    this.child.stdin!.on("error", () => undefined);
    this.events = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => resolve(error.message));
      this.child.once("close", (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
    });
  }

  /** Waits until the side has loaded its model and its data. */
  async ready(): Promise<Ready> {
    const { threads, versions, check, plannedBytes } = await this.next("ready");
    return { threads: threads!, versions: versions!, ...(check && { check }), ...(plannedBytes === undefined ? {} : { plannedBytes }) };
  }

  /** Lets the side take its next step. */
  async step(): Promise<Omit<Step, "round">> {
    const pid = this.child.pid!;
    const cpu = processSeconds(pid);
    const from = performance.now();
    this.child.stdin!.write("step\n");
    const { loss, decodeSeconds } = await this.next("step");
    const seconds = (performance.now() - from) / 1000;
    return { seconds, cpuSeconds: processSeconds(pid) - cpu, loss: loss ?? NaN, ...(decodeSeconds === undefined ? {} : { decodeSeconds }) };
  }

  /** CPU seconds since the process began. */
  get cpuSeconds(): number {
    return processSeconds(this.child.pid!);
  }

  /** Highest resident memory since the process began. */
  get peakBytes(): number {
    return peakBytes(this.child.pid!);
  }

  /** Ends the process: it may finish by itself, and is killed when it does not. */
  async end(): Promise<void> {
    this.child.stdin!.end("end\n");
    const killer = setTimeout(() => this.child.kill("SIGKILL"), 20_000);
    await this.ended;
    clearTimeout(killer);
  }

  /** Ends the process at once. */
  kill(): void {
    this.child.kill("SIGKILL");
  }

  private async next(wanted: Event["event"]): Promise<Event> {
    const { value, done } = await this.events.next();
    if (done) throw new BenchFailure(1, `${this.name} (${this.setting}) ended early: ${await this.ended}.\n${this.errors.trim()}`);
    const event = JSON.parse(value as string) as Event;
    if (event.event !== wanted) throw new BenchFailure(1, `${this.name} (${this.setting}) said ${value} where a ${wanted} was due.`);
    return event;
  }
}
