import type { Scalar, Tensor, Tensor1D, Variable } from "@tensorflow/tfjs";
import { dropout, generate, jit, statelessUniform, tf } from "../../src";
import { engineMemory } from "../../src/engine/info";
import { disposeGeneration } from "../../src/generate/session";
import { preferenceLoss } from "../../src/loss/preference";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors } from "../../src/loss/pairs";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { AdamW, SGD } from "../../src/step/optimizer";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import { packPairs } from "../../src/tokens/packing";
import { tokenizeRows } from "../../src/tokens/preference";
import { randomPrompts, tinyModel } from "../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "../step/tiny";

/** What a process on one backend computes of a tiny model; the last line of its output, as JSON. */
export interface Computed {
  backend: string;
  loss: number;
  /** By parameter. */
  gradients: Record<string, number[]>;
  greedy: number[][];
  log: Record<string, number>[];
  beams: number[][];
  sampled: number[][][];
  adamw: number[];
  sgd: number[];
  drawn: number[][];
  leaked: { tensors: number; handles: number };
  /** Packages of other backends that were loaded. */
  loaded: string[];
}

type Rest = Omit<Computed, "backend" | "loss" | "gradients" | "greedy" | "loaded">;

const PACKAGES = ["tfjs-backend-wasm", "tfjs-backend-webgpu", "webgpu"];

async function lossAndGradients(model: LlamaForCausalLM): Promise<Pick<Computed, "loss" | "gradients">> {
  const rows = tokenizeRows(tinyRows(4), tinyTokenizer(), { maxPromptLength: 32, maxCompletionLength: null });
  const batch = pairTensorList(toPairTensors(packPairs(rows, { padTokenId: 0 })));
  const lossOf = preferenceLoss({ lossType: "sigmoid", beta: 0.1 });
  const variables = [...model.parameters.values()];
  const step = jit((...tensors: Tensor[]) => {
    const reference = tf.mul(tf.add(tf.range(0, 4, 1), 20), -1) as Tensor1D;
    const { value, grads } = tf.variableGrads(() => {
      const { chosen, rejected } = pairLogps(model, pairTensorsFrom(tensors), 4);
      return tf.mean(lossOf({ chosenLogps: chosen, rejectedLogps: rejected, refChosenLogps: reference, refRejectedLogps: tf.mul(reference, 0.9) as Tensor1D })) as Scalar;
    }, variables);
    return [value, ...variables.map(({ name }) => grads[name]!)];
  });
  const results = step(...batch);
  const [loss, ...gradients] = await Promise.all(results.map(async (result) => Array.from(await result.data())));
  tf.dispose([...results, ...batch]);
  step.dispose();
  return { loss: loss![0]!, gradients: Object.fromEntries([...model.parameters.keys()].map((name, i) => [name, gradients[i]!])) };
}

async function train(model: LlamaForCausalLM): Promise<Record<string, number>[]> {
  const trainer = new DPOTrainer({
    model, tokenizer: tinyTokenizer(), trainDataset: tinyRows(12), evalDataset: tinyRows(4, 40),
    args: { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, gradientCheckpointing: true, maxSteps: 3, evalSteps: 3, loggingSteps: 1, learningRate: 1e-3, weightDecay: 0.1 },
  });
  await trainer.train();
  trainer.dispose();
  return trainer.state.logHistory as Record<string, number>[];
}

/** Three steps on two parameters whose gradients are their own values, doubled. */
async function optimised(make: (parameters: Map<string, Variable>) => AdamW | SGD): Promise<number[]> {
  const variable = (values: number[], shape: number[]): Variable => tf.tidy(() => tf.variable(tf.tensor(values, shape)) as Variable);
  const parameters = new Map([["a.weight", variable([1, -2, 3, -4], [2, 2])], ["b.norm.weight", variable([0.5, -0.25], [2])]]);
  const optimizer = make(parameters);
  const step = jit((rate: Tensor) => optimizer.apply([...parameters.values()].map((parameter) => tf.mul(parameter, 2)), rate as Scalar, tf.scalar(1)));
  const rate = tf.scalar(0.1);
  for (let i = 0; i < 3; i++) step(rate);
  const values = await Promise.all([...parameters.values()].map((parameter) => parameter.data()));
  tf.dispose([rate, ...parameters.values()]);
  optimizer.dispose();
  step.dispose();
  return values.flatMap((value) => [...value]);
}

/** Two calls of a function that draws, another with the same seed, then draws by seeds of their own. */
async function draws(): Promise<number[][]> {
  const make = () => jit((x: Tensor) => tf.add(x, tf.randomUniform([4])), { seed: 5 });
  const [one, other] = [make(), make()];
  const [x, ones] = [tf.zeros([4]), tf.ones([64])];
  const results = [one(x), one(x), other(x), statelessUniform([4], 3), statelessUniform([4], 3), dropout(ones, 0.5, 9)];
  const values = await Promise.all(results.map(async (result) => Array.from(await result.data())));
  tf.dispose([x, ones, ...results]);
  one.dispose();
  other.dispose();
  return values;
}

async function rest(model: LlamaForCausalLM): Promise<Rest> {
  const before = engineMemory();
  const prompts = randomPrompts([3, 7], 32);
  const sample = async () => (await generate(model, prompts, { maxNewTokens: 6, doSample: true, topK: 20, topP: 0.9, seed: 3 })).sequences;
  const beams = (await generate(model, prompts, { maxNewTokens: 6, numBeams: 3, noRepeatNgramSize: 2, repetitionPenalty: 1.2 })).sequences;
  const sampled = [await sample(), await sample()];
  await disposeGeneration(model);
  const [adamw, sgd] = [await optimised((p) => new AdamW(p, { weightDecay: 0.1 })), await optimised((p) => new SGD(p, { momentum: 0.9, nesterov: true, weightDecay: 0.1 }))];
  const drawn = await draws();
  const log = await train(model);
  const after = engineMemory();
  return { log, beams, sampled, adamw, sgd, drawn, leaked: { tensors: after.tensors - before.tensors, handles: after.handles - before.handles } };
}

async function main(): Promise<void> {
  const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
  const measured = await lossAndGradients(model);
  const { sequences: greedy } = await generate(model, randomPrompts([3, 7], 32), { maxNewTokens: 8 });
  await disposeGeneration(model);
  const others = await rest(model);
  const loaded = PACKAGES.filter((name) => Object.keys(require.cache).some((file) => file.includes(`/${name}/`)));
  const computed: Computed = { backend: tf.getBackend(), ...measured, greedy, ...others, loaded };
  console.log(JSON.stringify(computed));
}

void main();
