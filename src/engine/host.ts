import { inspect } from "node:util";

/** One output as Jupyter knows it: the same content under several mime types, richest chosen by the reader's screen. */
export type MimeBundle = Record<string, unknown>;

export interface DisplayOptions {
  /** Names the output, so that a later call with `update: true` replaces it in place. */
  displayId?: string;
  /** Replaces the output shown earlier under `displayId`. */
  update?: boolean;
  metadata?: Record<string, unknown>;
}

/** What our kernel offers to the code that runs in it. Only the kernel's launcher sets it. */
export interface KernelBridge {
  /** Sends one whole mime bundle; with displayId it can be updated later (update: true). */
  display(data: MimeBundle, options?: DisplayOptions): void;
  clearOutput(wait?: boolean): void;
  /** The bundle with which the kernel would show a value at a cell's end (rich tables for data frames). */
  bundleOf(value: unknown): MimeBundle;
  /** Aborted by the first SIGINT (Stop) while a cell runs; a fresh signal for each cell. */
  readonly signal: AbortSignal;
  /** The running cell ends only once this is done, and fails with it. */
  holdCell?(work: Promise<unknown>): void;
}

/** A value with this method returns its own mime bundle. */
export const displayMethod: unique symbol = Symbol.for("Jupyter.display") as never;

export const kernelKey: unique symbol = Symbol.for("alignlab.kernel") as never;

/** Thrown by `tick()` into a loop that went on after Stop. */
export class StopError extends Error {
  override name = "StopError";
  constructor(message = "stopped: the loop went on after Stop was pressed") {
    super(message);
  }
}

function kernel(): KernelBridge | undefined {
  return (globalThis as { [kernelKey]?: KernelBridge })[kernelKey];
}

/** Whether this code runs in a notebook of ours. */
export function inNotebook(): boolean {
  return kernel() !== undefined;
}

function isMimeBundle(value: unknown): value is MimeBundle {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const keys = Object.keys(value);
  return keys.length > 0 && keys.every((key) => /^[\w.+-]+\/[\w.+-]+$/.test(key));
}

function toBundle(value: unknown): MimeBundle {
  if (isMimeBundle(value)) return value;
  const method = (value as { [displayMethod]?: () => MimeBundle } | null | undefined)?.[displayMethod];
  if (typeof method === "function") return method.call(value);
  return kernel()?.bundleOf(value) ?? { "text/plain": typeof value === "string" ? value : inspect(value) };
}

/**
 * Shows a value in the notebook: a mime bundle as it is, a value with a `Symbol.for("Jupyter.display")` method
 * with that, a data frame as a table, anything else as text. Outside a notebook the text is printed once;
 * updates are not printed.
 */
export function display(value: unknown, options: DisplayOptions = {}): void {
  if (options.update && !options.displayId) {
    throw new Error("display: `update: true` needs the displayId of the output to replace");
  }
  const bundle = toBundle(value);
  const bridge = kernel();
  if (bridge) bridge.display(bundle, options);
  else if (!options.update && bundle["text/plain"] !== undefined) process.stdout.write(`${String(bundle["text/plain"])}\n`);
}

/** Removes the running cell's output; with `wait`, only when the next output arrives (no flicker). */
export function clearOutput(wait = false): void {
  kernel()?.clearOutput(wait);
}

/** Has the running cell wait for work that later cells need done. Elsewhere whoever needs it waits. */
export function holdCell(work: Promise<unknown>): void {
  kernel()?.holdCell?.(work);
}

const neverAborted = new AbortController().signal;

/** The running cell's signal, aborted by Stop. Ask for it when work begins: each cell has its own. */
export function stopSignal(): AbortSignal {
  return kernel()?.signal ?? neverAborted;
}

const ticksSinceStop = new WeakMap<AbortSignal, number>();

/**
 * Lets output, charts and Stop through: awaits one turn of the event loop. The first call after Stop returns, so that
 * the loop can look at `stopSignal()` and end by itself; the second throws.
 * @throws StopError when the loop went on after Stop.
 */
export async function tick(): Promise<void> {
  const signal = stopSignal();
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (!signal.aborted) return;
  const ticks = (ticksSinceStop.get(signal) ?? 0) + 1;
  ticksSinceStop.set(signal, ticks);
  if (ticks > 1) throw new StopError();
}

/**
 * The numbers 0 … n − 1, one turn of the event loop apart, ending early on Stop:
 * `for await (const i of steps(1000)) { … }` is a loop that can be stopped and keeps what it has.
 */
export async function* steps(n: number): AsyncGenerator<number, void, undefined> {
  if (!(n >= 0)) throw new RangeError(`steps(n) counts up from 0, so n must be 0 or more, got ${n}`);
  const signal = stopSignal();
  for (let i = 0; i < n; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal.aborted) return;
    yield i;
  }
}
