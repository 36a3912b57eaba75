import type { Variable } from "@tensorflow/tfjs";
import { requireTensorflow } from "../../engine/capacity";
import { FloatMoments } from "./adamMoments";
import { AdamW, type AdamWOptions } from "./adamw";
import { Codebook } from "./blockwise";
import { BlockwiseMoments } from "./blockwiseMoments";

export interface AdamW8bitOptions extends AdamWOptions {
  /** Parameters of fewer values keep float32 moments. Default 4096, as in bitsandbytes. */
  min8bitSize?: number;
}

/**
 * AdamW whose moments are held in 8 bits (Dettmers et al. 2022): each block of 256 values is scaled by its largest
 * magnitude and rounded to the nearest of 256 values of a dynamic tree map, signed for m, unsigned for v. Each step
 * widens them, updates parameter and moments in float32, and rounds the moments again. A quarter of AdamW's memory.
 */
export class AdamW8bit extends AdamW {
  private readonly codebooks: readonly Codebook[];

  constructor(parameters: ReadonlyMap<string, Variable>, { min8bitSize = 4096, ...options }: AdamW8bitOptions = {}) {
    if (!(Number.isFinite(min8bitSize) && min8bitSize >= 0)) throw new RangeError(`AdamW8bit: min8bitSize is ${min8bitSize}; it must be a number, 0 or above.`);
    requireTensorflow('optim "adamw_8bit"', 'optim: "adamw_torch"');
    let codebooks: [signed: Codebook, unsigned: Codebook] | null = null;
    super(parameters, options, (parameter, { optimBits }) => {
      if (parameter.size < min8bitSize || optimBits === 32) return new FloatMoments(parameter);
      codebooks ??= [new Codebook(true), new Codebook(false)];
      return new BlockwiseMoments(parameter, ...codebooks);
    });
    this.codebooks = codebooks ?? [];
  }

  override dispose(): void {
    super.dispose();
    for (const codebook of this.codebooks) codebook.dispose();
  }
}
