import type { Precision } from "../engine/recorder";
import { functionBytes, TRACE_BOUND } from "../engine/traceCache";
import { CHUNK_ROWS } from "../loss/logps";
import type { LlamaConfig } from "../model/config";
import { parameterShapes } from "../model/llama";
import { PROJECTIONS, type LayerAdapters, type Projection } from "../model/lowRank";
import { MOST_KEPT_KEYS } from "../model/ops";
import { compiledStreams } from "../model/streams";

/** Sizes of a batch on the device, as `PackedPairs` has them; a method that packs nothing has a row of attention for each sequence. */
export interface StepShapes {
  /** Places for tokens, padding included. */
  length: number;
  /** Rows of attention, and places in each for queries and for keys. */
  rows: number;
  queryWidth: number;
  keyWidth: number;
  /** Positions that the head is applied to. */
  predictions: number;
}

const FLOAT = 4;
const BFLOAT16 = 2;

/** Bytes of a value that only matrix products and fused parts read: those of its narrow copy, where there is one. */
export const operandBytes = (precision: Precision): number => (precision === "float32" ? FLOAT : BFLOAT16);

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Parameters of a model, the tied head counted once, and those of them that matrix products use. */
export function parameterCounts(config: LlamaConfig): { all: number; table: number; layer: number } {
  const shapes = [...parameterShapes(config)];
  const sum = (list: readonly (readonly [string, number[]])[]): number => list.reduce((total, [, shape]) => total + product(shape), 0);
  return {
    all: sum(shapes),
    table: config.vocabSize * config.hiddenSize,
    layer: sum(shapes.filter(([name]) => name.startsWith("model.layers.0."))),
  };
}

/** What the forward pass of one layer leaves for its backward pass, in bytes. */
export interface LayerBytes {
  /** Residual stream, normed and gated values, queries, keys, values. */
  activations: number;
  /** The probabilities of attention. */
  scores: number;
  /** The layer's input alone: what gradient checkpointing keeps. */
  input: number;
}

/**
 * Counts the tensors that the gradients in model/ops.ts and model/lowRank.ts save.
 * @param adapters a layer's low-rank updates, where those alone are trained: its matrices need no inputs for gradients then
 */
export function layerBytes(config: LlamaConfig, shapes: StepShapes, precision: Precision, adapters: LayerAdapters | null = null): LayerBytes {
  const { hiddenSize: hidden, intermediateSize: wide, numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const { length, rows, queryWidth, keyWidth } = shapes;
  const operand = operandBytes(precision);
  const learns = (...projections: Projection[]): number => (projections.some((name) => !adapters || adapters[name]) ? 1 : 0);
  // rmsNorm saves both stages of the residual stream as they are, and 1/rms of each.
  const stream = FLOAT * length * 2 * (hidden + 1);
  // The matrix products save what they multiply: two normed values and the attention's result.
  const operands = operand * length * (hidden * (learns("q", "k", "v") + learns("gate", "up")) + heads * headDim * learns("o"));
  // swiGlu saves gate and up; where an update was added to them the sum is no product's result any more, and float32.
  const gates = length * wide * (["gate", "up"] as const).reduce((bytes, name) => bytes + (adapters?.[name] ? FLOAT : operand), 0);
  // An update saves its input times A.
  const updates = operand * length * PROJECTIONS.reduce((ranks, name) => ranks + (adapters?.[name]?.a.shape[0] ?? 0), 0);
  // attend saves q, k, v and its result in rows.
  const attended = operand * rows * headDim * (2 * queryWidth * heads + 2 * keyWidth * keyHeads);
  return {
    activations: stream + operands + gates + updates + attended,
    scores: keyWidth <= MOST_KEPT_KEYS ? operand * rows * heads * queryWidth * keyWidth : 0,
    input: FLOAT * length * hidden,
  };
}

/** Bytes that one layer's backward pass takes beside what its forward pass left. @param adapters as for `layerBytes` */
export function backwardBytes(config: LlamaConfig, shapes: StepShapes, precision: Precision, adapters: LayerAdapters | null = null): number {
  const { hiddenSize: hidden, intermediateSize: wide, numAttentionHeads: heads } = config;
  const { length, rows, queryWidth, keyWidth } = shapes;
  const operand = operandBytes(precision);
  // The gated value anew, the gradients of it (a float32 sum under an update), of gate and of up, and those of the stream before and after the products.
  const feedForward = length * wide * (3 * operand + (adapters?.down ? FLOAT : operand)) + FLOAT * length * 3 * hidden;
  // Gradients of the probabilities and of the scores; before them the probabilities, where they were not kept.
  const scores = rows * heads * queryWidth * keyWidth;
  const attention = (keyWidth <= MOST_KEPT_KEYS ? 2 : 3) * operand * scores + FLOAT * length * 3 * hidden;
  return Math.max(feedForward, attention);
}

/** What the head takes, see `tokenLogps`. */
export interface HeadBytes {
  /** The softmax of every prediction, kept from the forward pass. */
  softmax: number;
  /** Beside it while a chunk's logits are computed. */
  forward: number;
  /** Beside what is left of it while the gradient of the table is summed up. */
  backward: number;
}

/** @param isFrozen whether the head gets no gradient: then no softmax is kept beyond its chunk */
export function headBytes(config: LlamaConfig, { predictions }: StepShapes, precision: Precision, isFrozen = false): HeadBytes {
  const { vocabSize: vocabulary, hiddenSize: hidden } = config;
  const operand = operandBytes(precision);
  const chunk = Math.ceil(predictions / Math.max(1, Math.ceil(predictions / CHUNK_ROWS)));
  const table = FLOAT * vocabulary * hidden;
  return {
    softmax: operand * (isFrozen ? chunk : predictions) * vocabulary,
    forward: FLOAT * chunk * vocabulary + (precision !== "float32" ? (FLOAT + BFLOAT16) * chunk * vocabulary : 0),
    backward: isFrozen ? 0 : predictions > CHUNK_ROWS ? 2 * table : table,
  };
}

/** Nodes of a layer in a training step (its forward pass, backward pass and update), and in a forward pass alone, as traces make them. */
const STEP_NODES = 240;
const STEP_NODES_8BIT = 420;
const FORWARD_NODES = 80;
/** What each part beyond the first adds, where a batch is computed in parts. */
const STREAM_NODES = { step: 150, forward: 75 };
/** What stays for a shape when its functions are freed, as measured: oneDNN's primitives, XLA's code for parts. */
const SHAPE_BYTES = 10e6;

/** What a training step compiled for one shape takes beside its tensors. @param values of its hidden states @param added nodes of adapters' updates */
export function stepFunctionBytes(layers: number, optim: string, values: number, added = 0): number {
  const each = (optim.includes("8bit") ? STEP_NODES_8BIT : STEP_NODES) + (compiledStreams(values) - 1) * STREAM_NODES.step;
  return functionBytes(layers * each + added);
}

/** What a run's compiled functions take: for each shape a training step and a forward pass for the reference, as many as `jit` keeps of each. */
export function functionsBytes(layers: number, shapes: number, optim: string, values: number, added = 0): number {
  const kept = (each: number): number => Math.min(shapes * each, Math.max(each, TRACE_BOUND.maxBytes));
  return kept(stepFunctionBytes(layers, optim, values, added)) + kept(functionBytes(layers * (FORWARD_NODES + (compiledStreams(values) - 1) * STREAM_NODES.forward))) + shapes * SHAPE_BYTES;
}
