import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { binding, idOf, rawOp, tf, toResource, type } from "../../src/engine/backend";
import { TF } from "../../src/engine/dtypes";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";
import { TRAINING_DEFAULTS } from "../../src/step/arguments";
import { AdamW8bit } from "../../src/step/optimizer";
import { Codebook, dequantize, quantize } from "../../src/step/optimizers/blockwise";
import { BlockwiseMoments } from "../../src/step/optimizers/blockwiseMoments";
import { codeTable, dynamicMap } from "../../src/step/optimizers/dynamicMap";
import { TrainStep } from "../../src/step/trainStep";

const random = new RandomSource(8);
let names = 0;
const variable = (values: ArrayLike<number>, shape: number[]): Variable => tf.tidy(() => toResource(tf.variable(tf.tensor(Float32Array.from(values), shape), true, `adamw8bit_${names++}`)));
/** Normal deviates of sizes over `decades` powers of ten. */
const draw = (count: number, decades: number): Float32Array => Float32Array.from({ length: count }, () => random.normal() * 10 ** (-decades * random.uniform()));

/** How far the nearest value of a rising map lies. */
function distance(share: number, map: Float32Array): number {
  let [low, high] = [0, map.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (map[middle]! <= share) low = middle;
    else high = middle;
  }
  return Math.min(Math.abs(share - map[low]!), Math.abs(share - map[high]!));
}

/**
 * What a byte stands for in dynamic tree quantisation, read bit by bit as the paper draws it: sign, zeros that count
 * powers of ten, a one, and the fraction of [0.1, 1]. The byte that would be −0, or that has no fraction left, is 1.
 */
function decode(byte: number, signed: boolean): number {
  const width = signed ? 7 : 8;
  const body = byte & (2 ** width - 1);
  const sign = signed && byte >= 128 ? -1 : 1;
  if (body === 0) return sign < 0 ? 1 : 0;
  const zeros = width - 1 - Math.floor(Math.log2(body));
  if (!signed && zeros === 7) return 1;
  const fractionBits = width - 1 - zeros;
  const fraction = body - 2 ** fractionBits;
  const edge = (k: number): number => 0.1 + (0.9 * k) / 2 ** fractionBits;
  return (sign * 10 ** -zeros * (edge(fraction) + edge(fraction + 1))) / 2;
}

for (const signed of [true, false]) {
  const kind = signed ? "signed" : "unsigned";
  test(`the ${kind} map holds what the bits of each byte say`, () => {
    const expected = Array.from({ length: 256 }, (_, byte) => Math.fround(decode(byte, signed))).sort((a, b) => a - b);
    const map = dynamicMap(signed);
    map.forEach((value, code) => assert.ok(Math.abs(value - expected[code]!) <= 2 ** -23 * Math.abs(expected[code]!), `code ${code} is ${value}, ${expected[code]} is right`));
    assert.equal(new Set(map).size, 256);
    assert.ok(Math.abs(map[0]! - (signed ? -0.99296875 : 0)) < 1e-7 && map[255] === 1);
    assert.equal(map[signed ? 127 : 0], 0);
  });

  test(`each value gets the nearest code of the ${kind} map, eager, traced and compiled by XLA`, async () => {
    const start = engineMemory();
    const blocks = 300;
    const values = draw(blocks * 256, 9).map((x, i) => (signed ? x : Math.abs(x)) * 10 ** (-12 * ((Math.floor(i / 256) % 7) / 7)));
    values.fill(0, 256, 512);
    const map = dynamicMap(signed);
    // The map's own values, and in the signed one a block whose largest magnitude is negative.
    values.set(map, 512);
    if (signed) values.set(map.map((x) => (x === 1 ? 0.5 : x)), 768);
    const codebook = new Codebook(signed);
    const work = (x: Tensor): Tensor[] => {
      const made = quantize(x as Tensor2D, codebook.tensors);
      return [rawOp("Cast", [made.codes], { SrcT: { type: TF.UINT8 }, DstT: type("float32"), Truncate: false }), made.scales, dequantize(made, codebook.tensors)];
    };
    const x = tf.tensor2d(values, [blocks, 256]);
    const [traced, compiled] = [jit(work), jit(work, { xla: true })];
    for (const results of [tf.tidy(() => work(x)), traced(x), compiled(x)]) {
      const [codes, scales, back] = await Promise.all(results.map((result) => result.data()));
      for (let i = 0; i < values.length; i++) {
        const scale = scales![Math.floor(i / 256)]!;
        const share = scale > 0 ? values[i]! / scale : 0;
        assert.ok(Math.abs(share - map[codes![i]!]!) <= distance(share, map) + 1e-7 * Math.abs(share), `${share} became code ${codes![i]}, ${map[codes![i]!]}`);
        assert.ok(Math.abs(back![i]! - map[codes![i]!]! * scale) <= 1e-6 * Math.abs(back![i]!));
      }
      for (let block = 0; block < blocks; block++) assert.equal(scales![block], Math.max(...values.subarray(block * 256, block * 256 + 256).map(Math.abs)));
      tf.dispose(results);
    }
    traced.dispose();
    compiled.dispose();
    codebook.dispose();
    x.dispose();
    assert.deepEqual(engineMemory(), start);
  });
}

test("codes that lie too close to be told apart by one comparison are refused", () => {
  assert.throws(() => codeTable(Float32Array.from({ length: 256 }, (_, i) => 0.5 + i * 1e-6)), /too close to be told apart/);
});

/** Codes and scales of m and v as numbers. */
async function stateOf(moments: BlockwiseMoments): Promise<[m: number[], mScales: number[], v: number[], vScales: number[]]> {
  return (await Promise.all([...moments.state.values()].map(async (x) => Array.from((await binding.tensorData(idOf(x))) as Uint8Array)))) as never;
}

for (const [shape, what] of [[[50, 100], "op by op, the last block not full"], [[300, 256], "as one function that XLA compiles"]] as const) {
  test(`each step is the paper's blockwise scheme in float64: ${what}`, async () => {
    const start = engineMemory();
    const size = shape[0] * shape[1];
    const [beta1, beta2, epsilon, eta] = [Math.fround(0.9), Math.fround(0.99), 1e-6, 0.01];
    const parameter = variable(draw(size, 1), [...shape]);
    const codebooks = [new Codebook(true), new Codebook(false)] as const;
    const moments = new BlockwiseMoments(parameter, ...codebooks);
    const compiled = jit((gradient: Tensor, rate: Tensor, eps: Tensor) => moments.update(parameter, gradient, { beta1: tf.scalar(beta1), beta2: tf.scalar(beta2), rate: rate as Scalar, epsilon: eps as Scalar }, tf.sum(gradient)), { name: "step_8bit" });
    const maps = [dynamicMap(true), dynamicMap(false)] as const;
    for (let t = 1; t <= 6; t++) {
      const gradients = draw(size, 4);
      const [before, [mCodes, mScales, vCodes, vScales]] = [await parameter.data(), await stateOf(moments)];
      const correction2 = Math.sqrt(1 - beta2 ** t);
      tf.tidy(() => compiled(tf.tensor(gradients, [...shape]), tf.scalar((eta * correction2) / (1 - beta1 ** t)), tf.scalar(epsilon * correction2)));
      const [after, [newM, newMScales, newV, newVScales]] = [await parameter.data(), await stateOf(moments)];
      const m = Array.from(gradients, (g, i) => beta1 * maps[0][mCodes[i]!]! * mScales[Math.floor(i / 256)]! + (1 - beta1) * g);
      const v = Array.from(gradients, (g, i) => beta2 * maps[1][vCodes[i]!]! * vScales[Math.floor(i / 256)]! + (1 - beta2) * g * g);
      m.forEach((x, i) => {
        const expected = before[i]! - (eta * (x / (1 - beta1 ** t))) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon);
        assert.ok(Math.abs(after[i]! - expected) <= 1e-5 * eta + 2e-7 * Math.abs(expected), `step ${t}, value ${i}: ${after[i]}, ${expected} is right`);
      });
      for (const [exact, codes, scales, map] of [[m, newM, newMScales, maps[0]], [v, newV, newVScales, maps[1]]] as const) {
        scales.forEach((scale, block) => {
          const largest = Math.max(...exact.slice(block * 256, block * 256 + 256).map(Math.abs));
          assert.ok(Math.abs(scale - largest) <= 1e-6 * largest);
        });
        exact.forEach((x, i) => {
          const share = x / scales[Math.floor(i / 256)]!;
          // m is a difference where its two parts cancel: rounding is relative to the block's scale there.
          assert.ok(Math.abs(share - map[codes[i]!]!) <= distance(share, map) + 1e-6 * Math.abs(share) + 1e-9, `step ${t}, value ${i}: ${share} became ${map[codes[i]!]}`);
        });
      }
    }
    compiled.dispose();
    tf.dispose([...moments.state.values(), parameter]);
    for (const codebook of codebooks) codebook.dispose();
    assert.deepEqual(engineMemory(), start);
  });
}

test("a large parameter is updated in parts, to the same numbers bit for bit", async () => {
  const start = engineMemory();
  const shape = [1000, 61] as [number, number];
  const values = draw(61000, 1);
  const gradients = Array.from({ length: 3 }, () => draw(61000, 4));
  const run = async (mostAtOnce: number): Promise<{ values: number[]; variables: number }> => {
    const parameter = variable(values, shape);
    const codebooks = [new Codebook(true), new Codebook(false)] as const;
    const moments = new BlockwiseMoments(parameter, ...codebooks, mostAtOnce);
    const rates = () => ({ beta1: tf.scalar(0.9), beta2: tf.scalar(0.99), rate: tf.scalar(0.01), epsilon: tf.scalar(1e-6) });
    const compiled = jit((gradient: Tensor) => moments.update(parameter, gradient, rates(), tf.sum(gradient)), { name: "step_parts" });
    for (const gradient of gradients) tf.tidy(() => compiled(tf.tensor2d(gradient, shape)));
    const result = { values: Array.from(await parameter.data()), variables: moments.state.size };
    compiled.dispose();
    tf.dispose([...moments.state.values(), parameter]);
    for (const codebook of codebooks) codebook.dispose();
    return result;
  };
  const [whole, parts] = [await run(1 << 22), await run(1 << 14)];
  // 256 rows at once: three whole parts of 61 blocks, and 232 rows whose last block is not full.
  assert.deepEqual([whole.variables, parts.variables], [4, 16]);
  assert.deepEqual(parts.values, whole.values);
  assert.ok(whole.values.every((value, i) => value !== values[i] || gradients.every((gradient) => gradient[i] === 0)));
  assert.deepEqual(engineMemory(), start);
});

test("the state takes a quarter of AdamW's, but for what stays in float32", async () => {
  const parameters = new Map([["embed", variable(new Float32Array(1 << 15), [1 << 7, 1 << 8])], ["w", variable(new Float32Array(1 << 16), [1 << 8, 1 << 8])], ["norm", variable(new Float32Array(256), [256])]]);
  const bytes = (options: object = {}): number => {
    const optimizer = new AdamW8bit(parameters, options);
    const { stateBytes } = optimizer;
    optimizer.dispose();
    return stateBytes;
  };
  const count = 4;
  const quantized = (size: number): number => 2 * size + (8 * size) / 256;
  assert.equal(bytes(), quantized(1 << 15) + quantized(1 << 16) + 8 * 256 + count);
  assert.equal(bytes({ groups: [{ parameters: ["embed"], optimBits: 32 }, { parameters: ["w", "norm"] }] }), 8 * (1 << 15) + quantized(1 << 16) + 8 * 256 + count);
  assert.equal(bytes({ min8bitSize: 1 << 20 }), 8 * ((1 << 15) + (1 << 16) + 256) + count);
  assert.ok(bytes() / bytes({ min8bitSize: 1 << 20 }) < 0.26);
  tf.dispose([...parameters.values()]);
});

test("a small network learns as with 32-bit AdamW: losses within 3 % after 60 steps", async () => {
  const start = engineMemory();
  const [rows, width] = [128, 72];
  const inputs = draw(rows * width, 0);
  const teacher = [draw(width * width, 0), draw(width * width, 0)].map((x) => x.map((value) => value / Math.sqrt(width)));
  const first = [draw(width * width, 0), draw(width * width, 0)].map((x) => x.map((value) => value / Math.sqrt(width)));
  const network = (x: Tensor, a: Tensor, b: Tensor): Tensor => tf.matMul(tf.tanh(tf.matMul(x as Tensor2D, a as Tensor2D)), b as Tensor2D);
  const train = async (optim: "adamw_torch" | "adamw_8bit"): Promise<number[]> => {
    const [a, b] = first.map((values) => variable(values, [width, width])) as [Variable, Variable];
    const targets = tf.tidy(() => network(tf.tensor2d(inputs, [rows, width]), tf.tensor2d(teacher[0]!, [width, width]), tf.tensor2d(teacher[1]!, [width, width])));
    const step = new TrainStep(new Map([["a", a], ["b", b]]), ([x]) => ({ loss: tf.mean(tf.square(tf.sub(network(x!, a, b), targets))), metrics: [] }), { ...TRAINING_DEFAULTS, optim, weightDecay: 0.01 });
    const losses: number[] = [];
    for (let t = 0; t < 60; t++) losses.push((await step.run([[tf.tensor2d(inputs, [rows, width])]], 0.01)())[1]!);
    step.dispose();
    tf.dispose([a, b, targets]);
    return losses;
  };
  const [wide, narrow] = [await train("adamw_torch"), await train("adamw_8bit")];
  assert.ok(wide.at(-1)! < wide[0]! / 10, `${wide[0]} → ${wide.at(-1)}`);
  assert.ok(Math.abs(narrow.at(-1)! - wide.at(-1)!) < 0.03 * wide.at(-1)!, `${narrow.at(-1)} for ${wide.at(-1)}`);
  assert.notEqual(narrow.at(-1), wide.at(-1));
  assert.deepEqual(engineMemory(), start);
});
