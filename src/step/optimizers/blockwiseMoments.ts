import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, type, updateVariables } from "../../engine/backend";
import { TF } from "../../engine/dtypes";
import { fuse } from "../../engine/fuse";
import type { AdamMoments, AdamRates } from "./adamMoments";
import { BLOCK_SIZE, bytes, dequantize, quantize, type Codebook } from "./blockwise";
import { stateVariable } from "./optimizer";

const float = type("float32");
const byte = { type: TF.UINT8 };

/** Smaller parameters are not worth a function that XLA compiles for their shape. */
const FEWEST_FUSED = 1 << 16;

/** The code of 0 in each map: half of the signed codes lie below it. */
const ZERO = { signed: 127, unsigned: 0 };

/** m and v in 8 bits by blocks of 256 values: 2 bytes for each value and 8 for each block. */
export class BlockwiseMoments implements AdamMoments {
  /** Codes and scales of m, then of v. */
  readonly variables: readonly [Variable, Variable, Variable, Variable];
  private readonly blocks: number;

  constructor(parameter: Variable, private readonly signed: Codebook, private readonly unsigned: Codebook) {
    this.blocks = Math.ceil(parameter.size / BLOCK_SIZE);
    const codes = (zero: number): Variable => stateVariable(() => bytes(tf.fill([this.blocks, BLOCK_SIZE], zero), float));
    const scales = (): Variable => stateVariable(() => tf.zeros([this.blocks, 1]));
    this.variables = [codes(ZERO.signed), scales(), codes(ZERO.unsigned), scales()];
  }

  update(parameter: Variable, gradient: Tensor, { rate, epsilon, beta1, beta2, counts }: AdamRates, after: Tensor): void {
    const inputs = [this.inBlocks(gradient), ...this.variables, rate, epsilon, beta1, beta2, ...this.signed.tensors, ...this.unsigned.tensors, ...(counts ? [counts] : [])];
    const [step, ...state] = parameter.size < FEWEST_FUSED ? blockwiseStep(...inputs) : fuse("adamw_8bit", inputs, blockwiseStep);
    this.variables.forEach((variable, i) => {
      const dtype = i % 2 === 0 ? byte : float;
      updateVariables("AssignVariableOp", { dtype }, [variable], [state[i]!], [after]);
    });
    updateVariables("AssignSubVariableOp", { dtype: float }, [parameter], [this.fromBlocks(step!, parameter)], [after]);
  }

  /** The last block is filled up with zeros. */
  private inBlocks(gradient: Tensor): Tensor2D {
    const missing = this.blocks * BLOCK_SIZE - gradient.size;
    const flat = tf.reshape(gradient, [-1]);
    return tf.reshape(missing > 0 ? tf.pad(flat, [[0, missing]]) : flat, [this.blocks, BLOCK_SIZE]) as Tensor2D;
  }

  private fromBlocks(step: Tensor, { shape, size }: Variable): Tensor {
    const flat = tf.reshape(step, [-1]);
    return tf.reshape(size < flat.size ? tf.slice(flat, [0], [size]) : flat, shape);
  }
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
