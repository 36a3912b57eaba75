import { tf } from "./backend";
import { countFunctionBytes } from "./nativeCounts";
import type { Recorder } from "./recorder";

/** Bytes that TensorFlow keeps for a compiled function on a CPU, as measured: for itself, for each node, and its constants in four copies. */
const FUNCTION_BYTES = 60_000;
const NODE_BYTES = 4_900;
const CONSTANT_COPIES = 4;

/** What a compiled function of so many nodes takes beside its tensors. */
export function functionBytes(nodes: number, constantBytes = 0): number {
  return FUNCTION_BYTES + NODE_BYTES * nodes + CONSTANT_COPIES * constantBytes;
}

/** `functionBytes` of what was recorded. */
export const recordedBytes = ({ nodes, constantBytes }: Recorder): number => functionBytes(nodes.length, constantBytes);

/** How much of a `jit` function stays compiled, see JitOptions. The newest signature does whatever it takes. */
export interface TraceBound {
  maxTraces: number;
  /** See `functionBytes`. */
  maxBytes: number;
}

/** The number bounds small functions, the bytes large ones. */
export const TRACE_BOUND: TraceBound = { maxTraces: 256, maxBytes: 2e9 };

/** @throws RangeError for a bound that leaves room for nothing */
export function traceBound(given: Partial<TraceBound>, name: string): TraceBound {
  const { maxTraces = TRACE_BOUND.maxTraces, maxBytes = TRACE_BOUND.maxBytes } = given;
  for (const [option, value] of Object.entries({ maxTraces, maxBytes })) {
    if (!(value >= 1)) throw new RangeError(`jit: ${option} of ${name} is ${value}; a number from 1 on, or Infinity for no bound, is needed.`);
  }
  return { maxTraces, maxBytes };
}

/** Signatures traced again up to which it may be chance. */
const FEWEST_RETRACES = 8;

interface Held {
  bytes: number;
  free(): void;
}

interface Entry<T> {
  value: T;
  /** The gradient tape under which it was called last, and which will call it again for the gradient. */
  tape: WeakRef<object> | null;
}

/** Compiled functions by their signature. Beyond the bound those that were not called for longest are freed. */
export class TraceCache<T extends Held> {
  /** Called longest ago first. */
  private readonly entries = new Map<string, Entry<T>>();
  private readonly freed = new Set<string>();
  private bytes = 0;
  /** Signatures that were traced, freed and traced again, each time counted. */
  retraced = 0;

  constructor(private readonly bound: TraceBound) {}

  get values(): T[] {
    return [...this.entries.values()].map(({ value }) => value);
  }

  get size(): number {
    return this.entries.size;
  }

  /** Whether so much was traced again that the bound is too narrow for what is called. */
  get isThrashing(): boolean {
    return this.retraced >= Math.max(FEWEST_RETRACES, this.size);
  }

  /**
   * The function of this signature for a call now, made if need be.
   * @param onTape whether the gradient tape in progress records the call
   */
  take(signature: string, onTape: boolean, make: () => T): T {
    const known = this.entries.get(signature);
    const value = known?.value ?? make();
    this.entries.delete(signature);
    this.entries.set(signature, { value, tape: onTape ? new WeakRef(tf.engine().state.activeTape) : null });
    if (!known) this.account(value.bytes);
    if (!known && this.freed.delete(signature)) this.retraced++;
    this.trim(signature);
    return value;
  }

  /** Frees what is beyond the bound, but for the newest and for what the tape in progress will call for its gradient. */
  private trim(newest: string): void {
    const { maxTraces, maxBytes } = this.bound;
    // tfjs keeps the tape until the backward pass is done.
    const { activeTape } = tf.engine().state;
    for (const [signature, { value, tape }] of this.entries) {
      if (this.entries.size <= maxTraces && this.bytes <= maxBytes) return;
      if (signature === newest || (tape && tape.deref() === activeTape)) continue;
      this.entries.delete(signature);
      this.freed.add(signature);
      this.account(-value.bytes);
      value.free();
    }
  }

  clear(): void {
    for (const value of this.values) value.free();
    this.entries.clear();
    this.freed.clear();
    this.account(-this.bytes);
  }

  private account(bytes: number): void {
    this.bytes += bytes;
    countFunctionBytes(bytes);
  }
}
