import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { BFLOAT16_VARIABLE, capabilityQuery, cpuBfloat16, gpuBfloat16, resolvePrecision } from "../../src/engine/precision";

// Cut from /proc/cpuinfo of machines of each kind.
const SAPPHIRE_RAPIDS = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu vme avx512f avx512_bf16 amx_bf16 amx_tile\nbugs\t\t: spectre_v1\n\nprocessor\t: 1\nflags\t\t: fpu vme avx512f avx512_bf16 amx_bf16 amx_tile\n";
const HASWELL = "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-4770\nflags\t\t: fpu vme avx avx2 fma f16c\n";
const GRAVITON_3 = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16 dgh\nCPU part\t: 0xd40\n";
const GRAVITON_2 = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n";

test("Linux: the instructions of bfloat16 are looked for among the CPU's flags, as whole words", () => {
  assert.deepEqual(cpuBfloat16("linux", SAPPHIRE_RAPIDS), { native: true, why: "the CPU has avx512_bf16, amx_bf16" });
  assert.equal(cpuBfloat16("linux", GRAVITON_3).native, true);
  for (const text of [HASWELL, GRAVITON_2, "", null, "flags\t\t: xavx512_bf16 amx_bf16x\n", "model name\t: amx_bf16\nflags\t\t: fpu\n"]) {
    const { native, why } = cpuBfloat16("linux", text);
    assert.equal(native, false);
    assert.match(why, /no instructions for bfloat16 \(avx512_bf16, amx_bf16, bf16\)/);
  }
});

test("macOS says 1 or 0, older ones nothing; elsewhere nobody is asked", () => {
  assert.equal(cpuBfloat16("darwin", "hw.optional.arm.FEAT_BF16: 1\n").native, true);
  for (const text of ["hw.optional.arm.FEAT_BF16: 0\n", "", null]) assert.equal(cpuBfloat16("darwin", text).native, false);
  assert.deepEqual(cpuBfloat16("win32", SAPPHIRE_RAPIDS), { native: false, why: "it is not known how to ask a CPU on win32 for bfloat16 instructions" });
});

test("GPUs from compute capability 8 on", () => {
  assert.deepEqual(["9.0\n", "8.0\n8.0\n", "12.0\n", " 8.9 \n"].map((text) => gpuBfloat16(text).native), [true, true, true, true]);
  assert.deepEqual(["7.5\n", "6.1\n", "N/A\n", "", null].map((text) => gpuBfloat16(text).native), [false, false, false, false, false]);
  assert.match(gpuBfloat16("7.5\n").why, /compute capability 7\.5; bfloat16 needs 8\.0, and its tensor cores compute float16/);
  assert.match(gpuBfloat16("6.1\n").why, /bfloat16 needs 8\.0$/);
});

test("nvidia-smi is asked about the GPU that TensorFlow takes", () => {
  const all = ["--query-gpu=compute_cap", "--format=csv,noheader"];
  assert.deepEqual([{}, { CUDA_VISIBLE_DEVICES: "" }].map(capabilityQuery), [all, all]);
  assert.deepEqual([{ CUDA_VISIBLE_DEVICES: "2,0" }, { CUDA_VISIBLE_DEVICES: "GPU-8932f937" }].map(capabilityQuery), [[...all, "--id=2"], [...all, "--id=GPU-8932f937"]]);
});

const given = process.env[BFLOAT16_VARIABLE];
const warn = console.warn;
const warnings: string[] = [];
beforeEach(() => {
  delete process.env[BFLOAT16_VARIABLE];
  warnings.length = 0;
  console.warn = (text: string) => void warnings.push(text);
});
afterEach(() => {
  console.warn = warn;
  if (given === undefined) delete process.env[BFLOAT16_VARIABLE];
  else process.env[BFLOAT16_VARIABLE] = given;
});

test("without the instructions bfloat16 becomes float32, said once, and the environment can force it", () => {
  const without = () => cpuBfloat16("linux", HASWELL);
  assert.equal(resolvePrecision("bfloat16", without), "float32");
  assert.equal(resolvePrecision("bfloat16", without), "float32");
  assert.deepEqual(warnings, ["Precision bfloat16 was asked for, but this CPU has no instructions for bfloat16 (avx512_bf16, amx_bf16, bf16): computing in float32. Set ALIGNLAB_BFLOAT16=1 to compute in bfloat16 all the same."]);
  process.env[BFLOAT16_VARIABLE] = "1";
  assert.equal(resolvePrecision("bfloat16", without), "bfloat16");
  process.env[BFLOAT16_VARIABLE] = "0";
  assert.equal(resolvePrecision("bfloat16", () => cpuBfloat16("linux", SAPPHIRE_RAPIDS)), "float32");
  assert.equal(warnings.length, 1);
});

test("what was asked for stays where it can be had, and float32 and float16 always", () => {
  assert.equal(resolvePrecision("bfloat16", () => cpuBfloat16("linux", SAPPHIRE_RAPIDS)), "bfloat16");
  const never = () => assert.fail("nobody need be asked");
  assert.deepEqual([resolvePrecision("float32", never), resolvePrecision("float16", never)], ["float32", "float16"]);
  assert.deepEqual(warnings, []);
});
