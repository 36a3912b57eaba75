import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { main } from "../../bench/main";
import type { Measured } from "../../bench/figures";
import { missingCompiler } from "../../bench/step";
import { forwardMultiplyAdds, MATMUL_FLOPS, trainingFlops } from "../../bench/stepFlops";
import { parseStepOptions } from "../../bench/stepOptions";
import { agreementOf, reportStep, type StepCell, type StepRun } from "../../bench/stepReport";
import type { HfConfig } from "../../src/hub/config";
import { parseLlamaConfig } from "../../src/model/config";

interface FlopsCase {
  batch: number;
  length: number;
  forward: number;
  backward: number;
  [entry: string]: number;
}

const counted = (JSON.parse(readFileSync(join(__dirname, "flops.json"), "utf8")) as { cases: FlopsCase[] }).cases;

for (const { batch, length, forward, backward, ...config } of counted) {
  test(`operations of ${config.num_hidden_layers} layers on ${batch}x${length} are those that PyTorch's counter counts`, () => {
    const parsed = parseLlamaConfig({ ...config, model_type: "llama" } as unknown as HfConfig);
    assert.equal(2 * forwardMultiplyAdds(parsed, { batch, length }), forward);
    assert.equal(trainingFlops(parsed, { batch, length }), forward + backward);
  });
}

test("without options both shapes and both precisions are measured beside PyTorch", () => {
  assert.deepEqual(parseStepOptions([]), {
    shapes: [{ batch: 4, length: 128 }, { batch: 8, length: 256 }], precisions: ["float32", "bfloat16"], peer: "torch", steps: undefined, anyway: false,
  });
});

test("options narrow the run", () => {
  assert.deepEqual(parseStepOptions(["--shape", "2x64", "--precision=bfloat16", "--peer", "none", "--steps", "3", "--anyway"]), {
    shapes: [{ batch: 2, length: 64 }], precisions: ["bfloat16"], peer: "none", steps: 3, anyway: true,
  });
});

for (const [args, message] of [
  [["--shape", "128"], /--shape 128: BATCHxLENGTH is needed, such as 4x128/],
  [["--shape", "0x128"], /--shape 0x128/],
  [["--shape", "4x1"], /--shape 4x1/],
  [["--shape", "4x9000"], /--shape 4x9000/],
  [["--precision", "fp16"], /--precision fp16: float32 or bfloat16/],
  [["--peer", "trl"], /--peer trl: torch or none is needed/],
  [["--steps", "0"], /--steps 0: a whole number/],
  [["--batch", "4"], /--batch.*step --help/s],
] as const) {
  test(`refused with exit code 2: ${args.join(" ")}`, () => {
    assert.throws(() => parseStepOptions([...args]), (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  });
}

test("step is among the benches", async () => {
  const kept = console.log;
  let out = "";
  console.log = (line: string) => void (out += `${line}\n`);
  try {
    assert.equal(await main(["step", "--help"]), 0);
  } finally {
    console.log = kept;
  }
  for (const option of ["--shape", "--precision", "--peer", "--steps", "--anyway"]) assert.ok(out.includes(option), option);
});

test("a compiler is what CXX names, else g++", () => {
  assert.match(missingCompiler({ PATH: "/nowhere" })!, /C\+\+ compiler, and g\+\+ was not found/);
  assert.match(missingCompiler({ PATH: "/nowhere", CXX: "clang++" })!, /clang\+\+ was not found/);
  assert.equal(missingCompiler({ PATH: "/nowhere", CXX: process.execPath }), undefined);
});

const measured = (side: string, setting: string, seconds: number, peakBytes: number): Measured => ({
  side, setting, peakBytes, steps: [1, 1, 4].map((each, round) => ({ round, seconds: each * seconds, cpuSeconds: 2 * seconds, loss: 3 })),
});

const check = { loss: 3, gradientNorm: 2 };

function run(peer: Measured | null, peerCheck = check, ours = 1): StepRun {
  return {
    ours: measured("alignlab", "bfloat16", ours, 2e9), peer, matmuls: [measured("alignlab", "2048³ bfloat16", 0.5, 1e9), measured("torch", "2048³ bfloat16", 0.25, 1e9)],
    checks: { ours: check, peer: peer && peerCheck }, versions: { torch: "2" }, others: 0.01, disturbed: 1,
  };
}

const EAGER = "forward+backward 4x128, bfloat16 / PyTorch autocast bfloat16, eager";
const COMPILED = "forward+backward 4x128, bfloat16 / PyTorch autocast bfloat16 under torch.compile";

function cell(runs: StepRun[]): StepCell {
  return { shape: { batch: 4, length: 128 }, precision: "bfloat16", flops: 32 * MATMUL_FLOPS, products: 16, runs, unavailable: [{ setting: "x", reason: "no compiler" }] };
}

function printed(cells: StepCell[]): { lines: string[]; json: Record<string, never> } {
  const lines: string[] = [];
  reportStep({ peer: "torch", cells }, (line) => lines.push(line));
  return { lines, json: JSON.parse(lines.at(-1)!) };
}

test("ratios are the peer's median seconds by ours in the same run, and the share is of the faster engine's products", () => {
  const { json, lines } = printed([cell([run(measured("torch", "bfloat16 autocast", 2, 4e9)), run(measured("torch", "bfloat16 autocast, compiled", 1.5, 8e9), check, 1.25)])]);
  assert.deepEqual(json.ratios, { [EAGER]: 2, [COMPILED]: 1.2 });
  assert.deepEqual(json.memory_ratios, { [EAGER]: 0.5, [COMPILED]: 0.25 });
  // 32 products' worth in 1 s and 1.25 s, where the faster engine computes 64 a second.
  assert.deepEqual(json.flops_shares, { "forward+backward 4x128, bfloat16": 0.4 });
  assert.match(lines[1]!, /^4x128 +alignlab +bfloat16 +1\.000 .* 50\.0 +3\.00000 +2\.00000 +2\.00 +0\.50$/);
  assert.equal(lines.filter((line) => line.startsWith("4x128 x: not available here: no compiler")).length, 1);
  assert.match(lines.at(-2)!, /not busy \(2 disturbed rounds/);
  assert.deepEqual((json.cells as { runs: { difference: object }[] }[])[0]!.runs[0]!.difference, { loss: 0, gradient_norm: 0, allowed: 0.05 });
  assert.equal(json.busy, false);
});

test("a run on a busy machine says that it is one", () => {
  const { json, lines } = printed([cell([{ ...run(null), others: 0.3 }])]);
  assert.equal(json.busy, true);
  assert.match(lines.at(-2)!, /measured anyway/);
  assert.deepEqual(json.ratios, {});
});

test("sides that do not compute the same are refused", () => {
  const off = (loss: number, gradientNorm: number) => ({ ours: check, peer: { loss, gradientNorm } });
  assert.deepEqual(agreementOf("float32", "float32", off(3, 2)), { loss: 0, gradientNorm: 0 });
  assert.ok(agreementOf("float32", "float32", off(3.002, 2.001))!.loss < 1e-3);
  for (const [loss, norm] of [[3.004, 2], [3, 2.003], [NaN, 2]] as const) {
    assert.throws(() => agreementOf("float32", "float32", off(loss, norm)), (error: unknown) => error instanceof BenchFailure && error.exitCode === 1 && /do not compute the same/.test(error.message));
  }
  assert.ok(agreementOf("bfloat16", "bfloat16 autocast", off(3.004, 2.05)));
  assert.equal(agreementOf("float32", "none", { ours: check, peer: null }), null);
});
