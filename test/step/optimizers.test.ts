import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { LossScaler } from "../../src/step/lossScaler";
import { AdamW, AdamW8bit, SGD, type Optimizer, type ParameterGroup } from "../../src/step/optimizer";
import { scheduleFactor, supportedSchedules, type SchedulerType } from "../../src/step/schedule";
import { allClose } from "../engine/close";

type Values = Record<"w" | "norm", number[]>;

/** Made by make_optimizers.py; the file names the versions. */
const torch = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/optimizers.json"), "utf8")) as {
  rates: number[];
  start: Values;
  gradients: Values[];
  cases: { name: string; options: object; normRateScale: number; end: Values }[];
  scaler: { growthInterval: number; overflows: boolean[]; scales: number[] };
  schedules: { kind: SchedulerType; warmupSteps: number; maxSteps: number; factors: number[] }[];
};

const SHAPES = { w: [2, 3], norm: [3] };
let names = 0;
const variable = (values: readonly number[], shape: number[]): Variable => tf.tidy(() => toResource(tf.variable(tf.tensor([...values], shape), true, `optimizers_${names++}`)));
const parametersOf = ({ w, norm }: Values): Map<string, Variable> => new Map([["w", variable(w, SHAPES.w)], ["norm", variable(norm, SHAPES.norm)]]);
const valuesOf = async (variables: Iterable<Variable>): Promise<number[]> => (await Promise.all([...variables].map(async (x) => Array.from(await x.data())))).flat();

const groupsOf = (normRateScale: number): ParameterGroup[] => [{ parameters: ["w"] }, { parameters: (name) => name === "norm", weightDecay: 0, learningRateScale: normRateScale }];
const make = (name: string, parameters: Map<string, Variable>, options: object): Optimizer =>
  name.startsWith("sgd") ? new SGD(parameters, options) : name.startsWith("adamw_8bit") ? new AdamW8bit(parameters, options) : new AdamW(parameters, options);

/** Steps along given gradients, compiled once. */
function stepper(optimizer: Optimizer, options: { xla?: boolean } = {}) {
  return jit((rate: Tensor, counts: Tensor, w: Tensor, norm: Tensor) => {
    optimizer.apply([w, norm], rate as Scalar, tf.add(tf.sum(w), tf.sum(norm)), tf.greater(counts, 0) as Scalar);
  }, { name: "apply", ...options });
}

async function run(name: string, options: object, at: { jit?: "plain" | "xla" | "counting" } = {}): Promise<number[]> {
  const parameters = parametersOf(torch.start);
  const optimizer = make(name, parameters, options);
  const compiled = stepper(optimizer, { xla: at.jit === "xla" });
  torch.gradients.forEach(({ w, norm }, t) => tf.tidy(() => {
    const [rate, gradients] = [tf.scalar(torch.rates[t]!), [tf.tensor(w, [2, 3]), tf.tensor1d(norm)] as const];
    if (at.jit) return void compiled(rate, tf.scalar(1), ...gradients);
    return optimizer.apply([...gradients], rate, rate);
  }));
  const end = await valuesOf(parameters.values());
  compiled.dispose();
  optimizer.dispose();
  tf.dispose([...parameters.values()]);
  return end;
}

for (const { name, options, normRateScale, end } of torch.cases) {
  test(`20 steps as PyTorch: ${name}, the second group at ${normRateScale} of the rate`, async () => {
    const before = engineMemory();
    const expected = [...end.w, ...end.norm];
    const given = { ...options, groups: groupsOf(normRateScale) };
    const runs = { eager: await run(name, given), traced: await run(name, given, { jit: "plain" }), xla: await run(name, given, { jit: "xla" }) };
    for (const [how, actual] of Object.entries(runs)) actual.forEach((x, i) => assert.ok(Math.abs(x - expected[i]!) <= 1e-5 * Math.abs(expected[i]!), `${how}: value ${i} is ${x}, PyTorch's ${expected[i]}`));
    assert.deepEqual(engineMemory(), before);
  });
}

test("below 4096 values 8-bit AdamW is AdamW, bit for bit", async () => {
  const options = { weightDecay: 0.1 };
  assert.deepEqual(await run("adamw_8bit", options, { jit: "plain" }), await run("adamw", options, { jit: "plain" }));
});

for (const [name, options] of [["adamw", { weightDecay: 0.1 }], ["sgd", { momentum: 0.9, nesterov: true, weightDecay: 0.1 }], ["adamw_8bit", { min8bitSize: 0, weightDecay: 0.1 }]] as const) {
  test(`${name}: a step that does not count changes nothing, and the next one is as if it had not been`, async () => {
    const trajectory = async (pattern: readonly number[]): Promise<number[][]> => {
      const parameters = parametersOf(torch.start);
      const optimizer = make(name, parameters, options);
      const compiled = stepper(optimizer);
      const ends: number[][] = [];
      let t = 0;
      for (const counts of pattern) {
        const { w, norm } = torch.gradients[t]!;
        const gradient = (x: number[], shape: number[]): Tensor => tf.tensor(counts ? x : x.map(() => 0), shape);
        tf.tidy(() => compiled(tf.scalar(torch.rates[t]!), tf.scalar(counts), gradient(w, [2, 3]), gradient(norm, [3])));
        t += counts;
        ends.push(await valuesOf(parameters.values()));
      }
      compiled.dispose();
      optimizer.dispose();
      tf.dispose([...parameters.values()]);
      return ends;
    };
    const plain = await trajectory([1, 1, 1, 1]);
    const gaps = await trajectory([0, 1, 1, 0, 0, 1, 1, 0]);
    const start = [...torch.start.w, ...torch.start.norm];
    assert.deepEqual(gaps, [start, plain[0], plain[1], plain[1], plain[1], plain[2], plain[3], plain[3]]);
    assert.notDeepEqual(plain[0], start);
  });
}

test("norms and biases do not decay by default; groups give decay and rate of their own", async () => {
  const start = engineMemory();
  const decayed = async (options: object): Promise<Record<string, number>> => {
    const parameters = new Map(["q_proj.weight", "input_layernorm.weight", "q_proj.bias", "model.norm.weight"].map((name) => [name, variable([2], [1])]));
    const optimizer = new AdamW(parameters, { weightDecay: 0.5, ...options });
    tf.tidy(() => optimizer.apply([...parameters.values()].map(() => tf.zeros([1])), tf.scalar(0.1), tf.scalar(0)));
    const values = await valuesOf(parameters.values());
    optimizer.dispose();
    tf.dispose([...parameters.values()]);
    return Object.fromEntries([...parameters.keys()].map((name, i) => [name, Number(values[i]!.toFixed(6))]));
  };
  assert.deepEqual(await decayed({}), { "q_proj.weight": 1.9, "input_layernorm.weight": 2, "q_proj.bias": 2, "model.norm.weight": 2 });
  const groups: ParameterGroup[] = [
    { parameters: ["q_proj.bias"], weightDecay: 1 }, { parameters: (name) => name.includes("norm"), learningRateScale: 0.5 }, { parameters: (name) => name === "q_proj.weight", weightDecay: 0 },
  ];
  assert.deepEqual(await decayed({ groups }), { "q_proj.weight": 2, "input_layernorm.weight": 1.95, "q_proj.bias": 1.8, "model.norm.weight": 1.95 });
  assert.deepEqual(engineMemory(), start);
});

test("groups that do not fit the parameters, and numbers out of range, are refused before anything is made", () => {
  const parameters = parametersOf(torch.start);
  const start = engineMemory();
  const refused = (groups: ParameterGroup[], message: RegExp): void => {
    for (const Made of [AdamW, AdamW8bit, SGD]) assert.throws(() => new Made(parameters, { groups }), (error) => error instanceof RangeError && message.test(error.message));
  };
  refused([{ parameters: ["w"] }], /No parameter group holds norm\. Add a group for the rest/);
  refused([{ parameters: () => true }, { parameters: ["w"] }], /groups 0 and 1 both hold w/);
  refused([{ parameters: ["w", "wte"] }], /group 0 names wte, which is no parameter/);
  refused([{ parameters: () => true, weightDecay: -1 }], /group 0: weightDecay is -1/);
  refused([{ parameters: () => true, learningRateScale: NaN }], /group 0: learningRateScale is NaN/);
  refused([{ parameters: () => true, optimBits: 16 as never }], /group 0: optimBits is 16; it must be 8 or 32/);
  for (const options of [{ beta1: 1 }, { beta1: -0.1 }, { beta2: NaN }]) assert.throws(() => new AdamW(parameters, options), /beta[12] is .* must lie in \[0, 1\)/);
  assert.throws(() => new AdamW(parameters, { weightDecay: -1 }), /weightDecay is -1/);
  assert.throws(() => new AdamW(parameters, { epsilon: NaN }), /epsilon is NaN/);
  assert.throws(() => new AdamW8bit(parameters, { min8bitSize: -1 }), /min8bitSize is -1/);
  assert.throws(() => new SGD(parameters, { momentum: -0.5 }), /momentum is -0.5/);
  assert.throws(() => new SGD(parameters, { nesterov: true }), /nesterov needs a momentum above 0/);
  assert.deepEqual(engineMemory(), start);
  tf.dispose([...parameters.values()]);
});

test("state is counted in bytes: two float32 moments, one buffer, none", () => {
  const parameters = parametersOf(torch.start);
  const bytes = (optimizer: Optimizer): number => {
    const { stateBytes } = optimizer;
    optimizer.dispose();
    return stateBytes;
  };
  assert.deepEqual([new AdamW(parameters), new SGD(parameters, { momentum: 0.9 }), new SGD(parameters)].map(bytes), [9 * 8 + 4, 9 * 4, 0]);
  tf.dispose([...parameters.values()]);
});

for (const how of ["eager", "traced"] as const) {
  test(`the loss scale follows torch.amp.GradScaler's, ${how}`, async () => {
    const start = engineMemory();
    const { growthInterval, overflows, scales } = torch.scaler;
    const scaler = new LossScaler({ growthInterval });
    const update = jit((isFinite: Tensor) => scaler.update(tf.greater(isFinite, 0) as Scalar, isFinite), { name: "update_scale" });
    const reached: number[] = [];
    for (const overflow of overflows) {
      tf.tidy(() => (how === "traced" ? update(tf.scalar(overflow ? 0 : 1)) : scaler.update(tf.scalar(!overflow, "bool"), tf.scalar(0))));
      reached.push((await scaler.scale.data())[0]!);
    }
    assert.deepEqual(reached, scales);
    assert.ok(scales.some((scale, i) => i > 0 && scale > scales[i - 1]!) && scales[0]! < 2 ** 16);
    update.dispose();
    scaler.dispose();
    assert.deepEqual(engineMemory(), start);
  });
}

test("the schedules are transformers'", () => {
  assert.deepEqual([...new Set(torch.schedules.map(({ kind }) => kind))].sort(), [...supportedSchedules].sort());
  for (const { kind, warmupSteps, maxSteps, factors } of torch.schedules) {
    allClose(factors.map((_, t) => scheduleFactor(kind, t, maxSteps, warmupSteps)), factors, 1e-12, `${kind}, ${warmupSteps} of ${maxSteps}`);
  }
});
