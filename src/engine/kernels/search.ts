import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { kernel } from "./kernel";

export const searchSorted = kernel<{ sortedSequence: Tensor; values: Tensor }, { side: "left" | "right" }>("SearchSorted", ({ inputs: { sortedSequence, values }, attributes: { side }, run }) =>
  run(side === "left" ? "LowerBound" : "UpperBound", [sortedSequence, values], { T: type(values.dtype), out_type: type("int32") }));
