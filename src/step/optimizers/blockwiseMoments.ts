import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { delayed, rawOp, tf, type, updateVariables } from "../../engine/backend";
import { TF } from "../../engine/dtypes";
import { fuse } from "../../engine/fuse";
import type { AdamMoments, AdamRates } from "./adamMoments";
import { BLOCK_SIZE, bytes, dequantize, quantize, type Codebook } from "./blockwise";
import { stateVariable } from "./optimizer";

const float = type("float32");
const int = type("int32");
const byte = { type: TF.UINT8 };

/** Smaller parameters are not worth a function that XLA compiles for their shape. */
const FEWEST_FUSED = 1 << 16;
/** Values that are widened at once: what an update holds in float32 besides the gradient. */
const MOST_AT_ONCE = 1 << 22;

/** The code of 0 in each map: half of the signed codes lie below it. */
const ZERO = { signed: 127, unsigned: 0 };

/** bitsandbytes' names of codes and scales, of m and then of v. */
const STATE_NAMES = ["state1", "absmax1", "state2", "absmax2"] as const;

/** Rows of a parameter that are updated at once, with their state. */
interface Part {
  start: number;
  rows: number;
  /** Codes and scales of m, then of v. */
  state: readonly [Variable, Variable, Variable, Variable];
}

/** m and v in 8 bits by blocks of 256 values: 2 bytes for each value and 8 for each block. */
export class BlockwiseMoments implements AdamMoments {
  readonly state: ReadonlyMap<string, Variable>;
  private readonly parts: readonly Part[];
  private readonly width: number;

  constructor(parameter: Variable, private readonly signed: Codebook, private readonly unsigned: Codebook, mostAtOnce = MOST_AT_ONCE) {
    const rows = parameter.shape[0] ?? 1;
    this.width = parameter.size / rows;
    // A power of two from the block size on: parts are of one shape, but for the last, and end where a block ends.
    const most = Math.max(BLOCK_SIZE, 2 ** Math.floor(Math.log2(mostAtOnce / this.width)));
    this.parts = Array.from({ length: Math.ceil(rows / most) }, (_, i) => this.newPart(i * most, Math.min(most, rows - i * most)));
    const numberOf = (part: number): string => (this.parts.length > 1 ? `.${part}` : "");
    this.state = new Map(this.parts.flatMap(({ state }, part) => STATE_NAMES.map((name, i) => [`${name}${numberOf(part)}`, state[i]!] as const)));
  }

  private newPart(start: number, rows: number): Part {
    const blocks = Math.ceil((rows * this.width) / BLOCK_SIZE);
    const codes = (zero: number): Variable => stateVariable(() => bytes(tf.fill([blocks, BLOCK_SIZE], zero), float));
    const scales = (): Variable => stateVariable(() => tf.zeros([blocks, 1]));
    return { start, rows, state: [codes(ZERO.signed), scales(), codes(ZERO.unsigned), scales()] };
  }

  update(parameter: Variable, gradient: Tensor, rates: AdamRates, after: Tensor): void {
    if (this.parts.length === 1) {
      const step = this.updatePart(this.parts[0]!, gradient, rates, after);
      updateVariables("AssignSubVariableOp", { dtype: float }, [parameter], [step], [after]);
      return;
    }
    let last = after;
    for (const part of this.parts) {
      const [from, size] = [gradient.shape.map((_, axis) => (axis === 0 ? part.start : 0)), gradient.shape.map((length, axis) => (axis === 0 ? part.rows : length))];
      const step = this.updatePart(part, tf.slice(delayed(gradient, last), from, size), rates, after);
      updateVariables("ResourceScatterSub", { dtype: float, Tindices: int }, [parameter], [tf.range(part.start, part.start + part.rows, 1, "int32"), step], [after]);
      last = step;
    }
  }

  /** @returns what is subtracted from these rows of the parameter, in the shape of their gradient */
  private updatePart({ state }: Part, gradient: Tensor, { rate, epsilon, beta1, beta2, counts }: AdamRates, after: Tensor): Tensor {
    const inputs = [inBlocks(gradient), ...state, rate, epsilon, beta1, beta2, ...this.signed.tensors, ...this.unsigned.tensors, ...(counts ? [counts] : [])];
    const [step, ...moved] = gradient.size < FEWEST_FUSED ? blockwiseStep(...inputs) : fuse("adamw_8bit", inputs, blockwiseStep);
    state.forEach((variable, i) => {
      const dtype = i % 2 === 0 ? byte : float;
      updateVariables("AssignVariableOp", { dtype }, [variable], [moved[i]!], [after]);
    });
    const flat = tf.reshape(step!, [-1]);
    return tf.reshape(gradient.size < flat.size ? tf.slice(flat, [0], [gradient.size]) : flat, gradient.shape);
  }
}

/** The last block is filled up with zeros. @returns [blocks, 256] */
function inBlocks(gradient: Tensor): Tensor2D {
  const flat = tf.reshape(gradient, [-1]);
  const missing = (BLOCK_SIZE - (gradient.size % BLOCK_SIZE)) % BLOCK_SIZE;
  return tf.reshape(missing > 0 ? tf.pad(flat, [[0, missing]]) : flat, [-1, BLOCK_SIZE]) as Tensor2D;
}

/** One AdamW step on quantised moments: what is subtracted from the parameter, then codes and scales of m and of v. */
function blockwiseStep(...inputs: Tensor[]): Tensor[] {
  const [gradient, mCodes, mScales, vCodes, vScales, rate, epsilon, beta1, beta2] = inputs as [Tensor2D, ...Tensor[]];
  const [signed, unsigned, counts] = [inputs.slice(9, 12), inputs.slice(12, 15), inputs[15]];
  const moved = (old: Tensor2D, to: Tensor, beta: Tensor): Tensor2D => tf.add(tf.mul(old, beta), tf.mul(to, tf.sub(1, beta))) as Tensor2D;
  const m = moved(dequantize({ codes: mCodes!, scales: mScales! }, signed), gradient!, beta1!);
  const v = moved(dequantize({ codes: vCodes!, scales: vScales! }, unsigned), tf.mul(gradient!, gradient!), beta2!);
  const step = tf.div(tf.mul(m, rate!), tf.add(tf.sqrt(v), epsilon!));
  const kept = (now: Tensor, old: Tensor, T: { type: number }): Tensor => (counts ? rawOp("SelectV2", [counts, now, old], { T }) : now);
  const [newM, newV] = [quantize(m, signed), quantize(v, unsigned)];
  return [step, kept(newM.codes, mCodes!, byte), kept(newM.scales, mScales!, float), kept(newV.codes, vCodes!, byte), kept(newV.scales, vScales!, float)];
}
