import { isOnGpu, tf } from "../engine/backend";
import { compilesByDefault } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import type { LlamaModel } from "../model/llama";
import { TRAINING_DEFAULTS, type TrainingArguments } from "./arguments";
import { memoryLimit } from "./memoryAvailable";
import { backwardBytes, functionsBytes, headBytes, layerBytes, operandBytes, parameterCounts, type StepShapes } from "./memoryCounts";

/** The training arguments that memory depends on. Those that a method does not have are left out. */
export type MemoryArguments = Partial<Pick<TrainingArguments, "precision" | "gradientAccumulationSteps" | "maxGradNorm">> & {
  gradientCheckpointing?: boolean;
  optim?: string;
};

/** What the process holds at the peak of a step, in bytes. */
export interface MemoryParts {
  /** The policy's parameters. */
  weights: number;
  /** The copies of the weights that bfloat16 products use. */
  narrowWeights: number;
  /** A copy of the policy, or of its adapter, that still has to give reference log-probabilities. */
  referenceCopy: number;
  optimizerMoments: number;
  gradients: number;
  /** What the layers keep for their backward pass, and what the layer being computed takes. */
  activations: number;
  attentionScores: number;
  /** Logits, softmax and the gradient of the head. */
  headChunk: number;
  /** Other variables alive in the process, such as a refModel's. */
  otherVariables: number;
  /** Node, TensorFlow's libraries and the compiled functions. */
  overhead: number;
  /** What earlier work has taken beyond all of this: TensorFlow gives nothing back to the system. */
  retained: number;
}

export interface MemoryPlan {
  /** The highest resident memory of the process, predicted. */
  bytes: number;
  /** What it is made of at that moment; the parts add up to `bytes`. */
  parts: MemoryParts;
  /** When it is reached: as the head is computed, in the backward pass, or as the optimiser moves the weights. */
  moment: "head" | "backward" | "update";
  /** What one layer keeps from its forward pass for its backward pass, scores aside. */
  activationsPerLayer: number;
  /** What the process may hold in all, now; null on a GPU, whose memory is not counted. */
  available: number | null;
  shapes: StepShapes;
}

export interface MemoryPlanOptions {
  model: LlamaModel;
  args?: MemoryArguments;
  /** Of the largest batch. */
  shapes: StepShapes;
  /** Whether a copy of the policy serves as the reference while training. Default false. */
  copiesReference?: boolean;
  /** Bytes of the optimiser's state that are alive already. Default 0: it is still to be made. */
  optimizerAlive?: number;
  /** Number of different shapes that the run compiles, each of them with a forward pass for the reference. Default 1. */
  compiledShapes?: number;
  /** Bytes that the process may hold in all. Default: what it holds and what the machine has left. */
  available?: number | null;
}

const FLOAT = 4;

/** Nodes that an adapter's update of one matrix adds to those of a step. */
const UPDATE_NODES = 25;
/** Pages of the binaries of Node and TensorFlow that a run touches. */
const BINARY_BYTES = 370e6;
/** What both hold beside tensors, compiled functions and JavaScript's heap of now: registries of ops and kernels, XLA's compiler, the garbage of a trace. */
const RUNTIME_BYTES = 150e6;
/** TensorFlow's allocator hands out a free piece of memory whole unless it is twice as large as needed, so that part of it lies idle. */
const ALLOCATOR_SLACK = 1.1;

/** Bytes of an optimiser's state for so many parameters. 8-bit moments carry a float32 scale for each block of 256. */
function momentBytes(parameters: number, optim: string): number {
  if (optim.includes("8bit")) return parameters * 2 * (1 + FLOAT / 256);
  return parameters * FLOAT * (optim.startsWith("sgd") ? 1 : 2);
}

/**
 * Predicts the peak memory of a training step from its shapes, by counting what the step keeps: within 15 % of what is
 * measured on a CPU.
 */
export function planMemory(options: MemoryPlanOptions): MemoryPlan {
  const { model, shapes, copiesReference = false, optimizerAlive = 0, compiledShapes = 1 } = options;
  const { precision = TRAINING_DEFAULTS.precision, gradientAccumulationSteps = 1, gradientCheckpointing = false, optim = "adamw" } = options.args ?? {};
  const { config } = model;
  const counts = parameterCounts(config);
  const resident = process.memoryUsage().rss;
  const variables = variableBytes();
  const trained = trainedCount(model);
  const weights = FLOAT * (counts.all + (model.adapter ? trained : 0));
  const layers = config.numHiddenLayers;
  const steady: MemoryParts = {
    weights,
    narrowWeights: 0,
    referenceCopy: copiesReference ? FLOAT * (model.adapter ? trained : counts.all) : 0,
    optimizerMoments: momentBytes(trained, optim),
    gradients: gradientAccumulationSteps > 1 ? FLOAT * trained : 0,
    activations: 0, attentionScores: 0, headChunk: 0,
    otherVariables: Math.max(0, variables - weights - optimizerAlive),
    overhead: runtimeBytes() + functionsBytes(layers, compiledShapes, optim, options.shapes.length * config.hiddenSize, UPDATE_NODES * updateCount(model)),
    retained: 0,
  };
  const moments = momentsOf(options, { precision, accumulates: gradientAccumulationSteps > 1, checkpoints: gradientCheckpointing && !joinsCheckpoints() });
  const peaks = moments.map(({ moment, parts }) => {
    const sum = { ...steady };
    for (const [name, bytes] of Object.entries(parts)) sum[name as keyof MemoryParts] += ALLOCATOR_SLACK * bytes;
    return { moment, parts: sum, bytes: Object.values(sum).reduce((a, b) => a + b) };
  });
  const highest = peaks.reduce((one, other) => (other.bytes > one.bytes ? other : one));
  const available = options.available === undefined ? memoryLimit(resident) : options.available;
  // TensorFlow's allocator keeps what earlier work took, and uses it again.
  highest.parts.retained = Math.max(0, resident - highest.bytes);
  highest.bytes += highest.parts.retained;
  const { length, rows, queryWidth, keyWidth, predictions } = shapes;
  return { ...highest, activationsPerLayer: layerBytes(config, shapes, precision, model.adapter?.layers[0]).activations, available, shapes: { length, rows, queryWidth, keyWidth, predictions } };
}

/** Whether XLA compiles the whole step for a CPU: it joins what checkpointing computes twice, and nothing is saved. */
const joinsCheckpoints = (): boolean => compilesByDefault() && !isOnGpu();

/** Parameters that training moves. */
const trainedCount = (model: LlamaModel): number => [...model.trainableParameters.values()].reduce((sum, { size }) => sum + size, 0);

/** Values of the largest parameter that training moves. */
const largestTrained = (model: LlamaModel): number => Math.max(...[...model.trainableParameters.values()].map(({ size }) => size));

/** Matrices that an adapter updates. */
const updateCount = ({ adapter }: LlamaModel): number => (adapter?.layers ?? []).reduce((sum, layer) => sum + Object.keys(layer).length, 0);

/** What the process holds beside tensors. */
function runtimeBytes(): number {
  const { heapTotal, external } = process.memoryUsage();
  return BINARY_BYTES + RUNTIME_BYTES + heapTotal + external;
}

/** Bytes of all variables alive. */
export function variableBytes(): number {
  return Object.values(tf.engine().state.registeredVariables).reduce((sum, { size, dtype }) => sum + tf.util.bytesPerElement(dtype) * size, 0);
}

interface Moment {
  moment: MemoryPlan["moment"];
  /** What is alive beside what is always alive. */
  parts: Partial<MemoryParts>;
}

interface Ways {
  precision: Precision;
  accumulates: boolean;
  checkpoints: boolean;
}

/** The moments at which a step's memory can be highest. Between the two ends of the backward pass it changes linearly. */
function momentsOf({ model, shapes }: MemoryPlanOptions, { precision, accumulates, checkpoints }: Ways): Moment[] {
  const { config } = model;
  const counts = parameterCounts(config);
  const layers = config.numHiddenLayers;
  const adapters = model.adapter?.layers[0];
  const layer = layerBytes(config, shapes, precision, adapters);
  const head = headBytes(config, shapes, precision, model.adapter !== null);
  const backward = backwardBytes(config, shapes, precision, adapters);
  // The gradient of the embedding, which a frozen one does not have.
  const table = model.adapter ? 0 : FLOAT * counts.table;
  const narrow = precision === "float32" ? 0 : operandBytes(precision);
  const kept = checkpoints ? { activations: layers * layer.input, attentionScores: 0 } : { activations: layers * layer.activations, attentionScores: layers * layer.scores };
  // A checkpointed layer is computed again just before its backward pass.
  const again = checkpoints ? layer : { activations: 0, scores: 0 };
  const gradients = FLOAT * trainedCount(model);
  return [
    { moment: "head", parts: { ...kept, narrowWeights: narrow * counts.all, headChunk: head.softmax + Math.max(head.forward, head.backward) } },
    {
      moment: "backward",
      parts: {
        activations: kept.activations + again.activations + backward, attentionScores: kept.attentionScores + again.scores,
        narrowWeights: narrow * (counts.all - counts.table), headChunk: table, gradients: 0,
      },
    },
    {
      // The first layer's backward pass: its own activations are left, all gradients are there, the table's in two parts.
      moment: "backward",
      parts: {
        activations: layer.activations + backward, attentionScores: layer.scores, headChunk: table,
        gradients: accumulates ? table : gradients,
      },
    },
    // Sums are applied one parameter after the other, each through a scaled copy, and give way to zeros then.
    { moment: "update", parts: { gradients: accumulates ? 2 * FLOAT * largestTrained(model) : gradients } },
  ];
}
