import type { MemoryParts, MemoryPlan } from "../step/memoryPlan";
import { table, type Table } from "./table";

const NAMES: Record<keyof MemoryParts, string> = {
  weights: "weights", narrowWeights: "bfloat16 copies of the weights", referenceCopy: "copy of the policy as the reference", optimizerMoments: "optimiser's moments",
  gradients: "gradients", activations: "activations", attentionScores: "attention scores", headChunk: "logits and the head's gradient",
  otherVariables: "other models", overhead: "Node, TensorFlow, compiled functions",
  retained: "kept from earlier work",
};

/** What a training step is predicted to hold at its peak, in GB, part by part; see `planMemory`. */
export function memoryTable(plan: MemoryPlan): Table {
  const parts = (Object.keys(NAMES) as (keyof MemoryParts)[]).filter((name) => plan.parts[name] > 0);
  const rows = [
    ...parts.map((name) => ({ part: NAMES[name], GB: plan.parts[name] / 1e9 })),
    { part: "peak", GB: plan.bytes / 1e9 },
    ...(plan.available === null ? [] : [{ part: "available", GB: plan.available / 1e9 }]),
  ];
  const { length, rows: lines, queryWidth, keyWidth, predictions } = plan.shapes;
  return table(rows, { decimals: 3, caption: `Memory at the peak of a step (${plan.moment}): ${length} tokens, attention ${lines} × ${queryWidth} × ${keyWidth}, ${predictions} predictions` });
}
