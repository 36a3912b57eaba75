import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { kernel } from "./kernel";

/** TensorFlow makes an axis of size 1 of a label that no input has. */
function refuseUnknownLabels(equation: string): void {
  const [inputs, output = ""] = equation.split("->");
  const unknown = [...output].find((label) => label.trim() !== "" && !inputs!.includes(label));
  if (unknown !== undefined) throw new Error(`Output subscripts contain the label ${unknown} not present in the input subscripts.`);
}

export const einsum = kernel<Tensor[], { equation: string }>("Einsum", ({ inputs, attributes: { equation }, run }) => {
  refuseUnknownLabels(equation);
  const tensors = Object.values(inputs);
  return run("Einsum", tensors, { equation, N: tensors.length, T: type(tensors[0]!.dtype) });
});
