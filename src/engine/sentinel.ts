import type { Tensor } from "@tensorflow/tfjs";
import { hasHandle, nativeHandles, tf } from "./backend";

/** Thrown when a step left a tensor or a native handle behind. */
export class LeakError extends Error {
  override name = "LeakError";
}

interface Counts {
  tensors: number;
  handles: number;
  variables: number;
}

export interface CheckOptions {
  /** Tensors that are alive on purpose, such as the next batch. They may differ from check to check. */
  held?: readonly Tensor[];
  /** Whether variables may have been made: the state of an optimiser, a key-value cache. */
  newVariables?: boolean;
}

/** Sentinels at work. Counts are those of the whole process: what one piece of work holds must not count as another's leak. */
const atWork = new Set<LeakSentinel>();

/**
 * Counts tensors and native handles after each step: more than after the step before is a leak, found in the step in
 * which it happens. Variables are state and counted apart. A step beside which other watched work ran is not compared.
 */
export class LeakSentinel {
  private before: Counts;
  private disturbed: boolean;

  private constructor(private readonly work: string, held: readonly Tensor[]) {
    this.before = countsWithout(held);
    this.disturbed = atWork.size > 0;
    for (const other of atWork) other.disturbed = true;
    atWork.add(this);
  }

  /**
   * A sentinel where the environment asks for one with ALIGNLAB_SENTINEL=1, else null. What is alive now must be alive
   * after every step; call `end` when the work is over.
   * @param work what takes the steps, for the error @param held see CheckOptions
   */
  static begin(work: string, held: readonly Tensor[] = []): LeakSentinel | null {
    return process.env.ALIGNLAB_SENTINEL === "1" ? new LeakSentinel(work, held) : null;
  }

  /**
   * Compares with the last check.
   * @param step names the step in the error
   * @throws LeakError with the counts before and after
   */
  check(step: string, { held = [], newVariables = false }: CheckOptions = {}): void {
    const { before } = this;
    const now = countsWithout(held);
    this.before = now;
    const isDisturbed = this.disturbed;
    this.disturbed = atWork.size > 1;
    if (isDisturbed || this.disturbed) return;
    const grown = (["tensors", "handles", ...(newVariables ? [] : ["variables" as const])] as const).filter((what) => now[what] > before[what]);
    if (grown.length === 0) return;
    const counts = grown.map((what) => `${before[what]} ${what} before it and ${now[what]} after`).join(", ");
    throw new LeakError(`${this.work}, ${step}: ${counts}. Dispose what a step makes (tf.tidy, tf.dispose); a tensor that tf.keep holds must be disposed in the same step.`);
  }

  end(): void {
    atWork.delete(this);
  }
}

function countsWithout(held: readonly Tensor[]): Counts {
  const variables = Object.values(tf.engine().state.registeredVariables);
  const alive = held.filter((tensor) => !tensor.isDisposed);
  const onDevice = (tensors: readonly Tensor[]): number => new Set(tensors.filter(hasHandle).map(({ dataId }) => dataId)).size;
  return {
    tensors: tf.memory().numTensors - variables.length - alive.length,
    handles: nativeHandles() - onDevice(variables) - onDevice(alive),
    variables: variables.length,
  };
}
