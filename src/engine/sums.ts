import type { Tensor } from "@tensorflow/tfjs";
import { binding, idOf, rawOp, replaceKernel, type } from "./backend";
import { fuse } from "./fuse";
import { TF } from "./dtypes";

/** The sum of two values of one shape, where at least one is a narrow product that nothing has widened: read as it is, in one pass. */
export function replaceSums(): void {
  replaceKernel("Add", (call, stock) => {
    const { a, b } = call.inputs as { a: Tensor; b: Tensor };
    if (!binding.recorder?.fusesParts || a.shape.length !== b.shape.length || a.shape.some((size, axis) => size !== b.shape[axis])) return stock(call);
    const terms = [a, b].map((x) => binding.symbolOf(idOf(x)));
    if (terms.some(({ dtype }) => dtype !== TF.FLOAT) || terms.every(({ narrow }) => narrow === undefined)) return stock(call);
    return fuse("sum", [a, b], (a, b) => [rawOp("AddV2", [a!, b!], { T: type("float32") })])[0]!;
  });
}
