import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { kernel } from "./kernel";

/** TensorFlow makes an axis of size 1 of a label that no input has. */
function refuseUnknownLabels(equation: string): void {
  const [inputs, output = ""] = equation.split("->");
  const unknown = [...output].find((label) => label.trim() !== "" && !inputs!.includes(label));
  if (unknown !== undefined) throw new Error(`Output subscripts contain the label ${unknown} not present in the input subscripts.`);
}

/** TensorFlow says the same when it computes; in a trace it would have other words for it. */
function refuseMismatch(equation: string, tensors: readonly Tensor[]): void {
  const sides = equation.split("->");
  if (sides.length !== 2 || equation.includes(".")) return;
  const subscripts = sides[0]!.split(",").map((labels) => labels.trim());
  if (subscripts.length !== tensors.length) throw new Error(`Expected ${subscripts.length} inputs but got: ${tensors.length}`);
  const sizes = new Map<string, number>();
  tensors.forEach(({ shape }, i) => shape.forEach((size, axis) => {
    const label = subscripts[i]![axis];
    if (label === undefined) return;
    const known = sizes.get(label) ?? size;
    if (known !== size) throw new Error(`Expected dimension ${known} at axis ${axis} of the input shaped [${shape}] but got dimension ${size}`);
    sizes.set(label, size);
  }));
}

export const einsum = kernel<Tensor[], { equation: string }>("Einsum", ({ inputs, attributes: { equation }, run }) => {
  refuseUnknownLabels(equation);
  const tensors = Object.values(inputs);
  refuseMismatch(equation, tensors);
  return run("Einsum", tensors, { equation, N: tensors.length, T: type(tensors[0]!.dtype) });
});
