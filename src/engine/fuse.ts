import type { Tensor } from "@tensorflow/tfjs";
import { binding, idOf, tensorFrom } from "./backend";
import { releaseCaptures } from "./compiled";
import { isNarrow, TF } from "./dtypes";
import { toFunction } from "./graphFunction";
import { partFor } from "./parts";
import { Recorder, type GraphOutput, type Part } from "./recorder";
import { inTrace } from "./traceScope";

/** Below so many values the call of a function costs more than what it saves. */
const FEWEST_VALUES = 1 << 16;

export interface FuseOptions {
  /** Only matrix products make use of the results: in a trace of narrow products they are narrowed in the same pass. */
  operands?: boolean;
  /** Which results are rounded to bfloat16: those that only products with matrices in bfloat16 make use of. */
  rounded?: readonly boolean[];
  /** Parts whose inputs are all smaller, in values, are left as they are. Default 65,536. */
  fewest?: number;
}

/**
 * Computes a part made of element-wise ops in one pass over memory: while a function is traced for the CPU, `fn` becomes
 * a function of its own that XLA compiles into one loop. Values of which a narrow copy exists are read from the copy.
 * tfjs's tape does not see inside: use it within `tf.customGrad`.
 * @param name stands for `fn`: what has the same name must compute the same @param fn of tensors only, no variables
 */
export function fuse(name: string, inputs: readonly Tensor[], fn: (...inputs: Tensor[]) => Tensor[], { operands = false, rounded = [], fewest = FEWEST_VALUES }: FuseOptions = {}): Tensor[] {
  const { recorder } = binding;
  if (!recorder?.fusesParts || Math.max(...inputs.map((input) => input.size)) < fewest) return fn(...inputs);
  const symbols = inputs.map((input) => recorder.smallest(binding.symbolOf(idOf(input))));
  const narrow = operands ? recorder.narrowDtype : null;
  const typeOf = (result: number): number | null => (rounded[result] ? TF.BFLOAT16 : narrow);
  const key = `${name} ${symbols.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(" ")} ${narrow} ${rounded}`;
  const part = partFor(key, name, symbols, (functionName) => record(name, functionName, symbols, fn, typeOf));
  return recorder.callPart(part, symbols).map((output) => tensorFrom(binding.adoptSymbol(recorder.widened(output))));
}

function record(label: string, name: string, inputs: readonly GraphOutput[], fn: (...inputs: Tensor[]) => Tensor[], typeOf: (result: number) => number | null): Pick<Part, "fn" | "outputs"> {
  const recorder = new Recorder(binding.context, "float32");
  try {
    const outputs = inTrace(recorder, () => {
      const parameters = inputs.map(({ dtype, shape }) => recorder.parameter(dtype, shape!));
      const results = fn(...parameters.map((parameter) => tensorFrom(binding.adoptSymbol(isNarrow(parameter.dtype) ? recorder.cast(parameter, TF.FLOAT) : parameter))));
      return results.map((result, index) => {
        const symbol = binding.symbolOf(idOf(result));
        const type = typeOf(index);
        return type === null ? symbol : recorder.cast(symbol, type);
      });
    });
    if (recorder.captures.length > 0) throw new Error(`fuse: ${label} uses a tensor that is not among its inputs.`);
    return { fn: toFunction(recorder, name, outputs), outputs: outputs.map(({ shape, dtype }) => ({ shape: shape!, dtype })) };
  } finally {
    releaseCaptures(recorder.captures);
    recorder.dispose();
  }
}
