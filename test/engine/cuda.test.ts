import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { CUDA_LIBRARIES, CUDA_DRIVER, cudaEnvironment, cudaLibraryPaths, openCudaLibraries } from "../../src/engine/cuda";
import { configProto } from "../../src/engine/proto";
import { findRuntime, projectRoot } from "../../src/engine/runtime";
import { writeSharedObject } from "./sharedObject";

const base = mkdtempSync(path.join(tmpdir(), "alignlab-cuda-"));
after(() => rmSync(base, { recursive: true, force: true }));

const ALL = CUDA_LIBRARIES.map(([wheel, library]) => `/site/nvidia/${wheel}/lib/${library}`);
const TOOLS = ["/site/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc", "/site/nvidia/cuda_nvcc/bin/ptxas"];
const among = (files: readonly string[]) => (file: string): boolean => files.includes(file);

/** What each of NVIDIA's libraries asks the dynamic linker for, of the others. */
const NEEDS: Record<string, string[]> = {
  "libcublas.so.12": ["libcublasLt.so.12"],
  "libcusparse.so.12": ["libnvJitLink.so.12"],
  "libcusolver.so.11": ["libcublas.so.12", "libcublasLt.so.12", "libcusparse.so.12", "libnvJitLink.so.12"],
};

test("NVIDIA's libraries are those beside TensorFlow's folder, each after what it needs", () => {
  assert.deepEqual(cudaLibraryPaths("/site/tensorflow", () => true), ALL);
  assert.deepEqual(cudaLibraryPaths("/site/tensorflow", among(ALL.slice(2, 4))), ALL.slice(2, 4));
  const order = CUDA_LIBRARIES.map(([, library]) => library);
  for (const [library, needed] of Object.entries(NEEDS)) for (const each of needed) assert.ok(order.indexOf(each) < order.indexOf(library), `${library} needs ${each}`);
});

test("the set-up and the doctor know the same libraries, in the same order", async () => {
  const setup = (await import(path.join(projectRoot(), "scripts/setup/cuda.mjs"))) as { CUDA_LIBRARIES: unknown };
  assert.deepEqual(setup.CUDA_LIBRARIES, CUDA_LIBRARIES);
});

test("the driver's library comes first; without it nothing is opened, and what does not open is told", () => {
  const opened: string[] = [];
  const open = (broken: readonly string[]) => (library: string): boolean => {
    opened.push(library);
    return !broken.includes(library);
  };
  assert.deepEqual(openCudaLibraries("/site/tensorflow", open([]), () => true), []);
  assert.deepEqual(opened.splice(0), [CUDA_DRIVER, ...ALL]);
  assert.deepEqual(openCudaLibraries("/site/tensorflow", open([CUDA_DRIVER]), () => true), []);
  assert.deepEqual(opened.splice(0), [CUDA_DRIVER]);
  assert.deepEqual(openCudaLibraries("/site/tensorflow", open([ALL[6]!]), () => true), [ALL[6]]);
  opened.length = 0;
  assert.deepEqual(openCudaLibraries("/site/tensorflow", open([]), () => false), []);
  assert.deepEqual(opened, [], "a CPU build asks for no driver");
});

test("XLA is told where its tools are, and GPUs get nvidia-smi's numbers, unless the user has said otherwise", () => {
  const whole = among([...ALL, ...TOOLS]);
  const flag = '--xla_gpu_cuda_data_dir="/site/nvidia/cuda_nvcc"';
  assert.deepEqual(cudaEnvironment("/site/tensorflow", {}, whole), { CUDA_DEVICE_ORDER: "PCI_BUS_ID", XLA_FLAGS: flag });
  assert.deepEqual(cudaEnvironment("/site/tensorflow", { XLA_FLAGS: "--xla_dump_to=/tmp/x", CUDA_DEVICE_ORDER: "FASTEST_FIRST" }, whole), { XLA_FLAGS: `--xla_dump_to=/tmp/x ${flag}` });
  assert.deepEqual(cudaEnvironment("/site/tensorflow", { XLA_FLAGS: "--xla_gpu_cuda_data_dir=/opt/cuda", CUDA_DEVICE_ORDER: "" }, whole), {});
  assert.deepEqual(cudaEnvironment("/site/tensorflow", {}, among(ALL)), { CUDA_DEVICE_ORDER: "PCI_BUS_ID" }, "no tools");
  assert.deepEqual(cudaEnvironment("/site/tensorflow", {}, () => false), {}, "the CPU build");
});

test("the configuration's bytes are those that TensorFlow's own Python makes", () => {
  // ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=300, allow_soft_placement=True) with
  // gpu_options.allow_growth = True and gpu_options.visible_device_list = "0", SerializeToString().hex(), TensorFlow 2.21.
  assert.equal(Buffer.from(configProto({ intraOpThreads: 2, interOpThreads: 300 })).toString("hex"), "100228ac02320520012a01303801");
});

/** Runs code in a process whose TensorFlow is the real one, in a folder of its own with made-up libraries of NVIDIA beside it. */
function inProcess(code: string, { folder, environment = {} }: { folder: string; environment?: Record<string, string> }): string {
  return execFileSync(process.execPath, ["--import", "tsx", "-e", code], { encoding: "utf8", cwd: projectRoot(), env: { ...process.env, ALIGNLAB_TENSORFLOW: folder, TF_CPP_MIN_LOG_LEVEL: "3", ...environment } });
}

test("the engine opens them in a process of its own, where they are then found by name, and XLA takes the path with a blank", () => {
  const site = path.join(base, "a site");
  const folder = path.join(site, "tensorflow");
  const { framework, cc } = findRuntime();
  mkdirSync(folder, { recursive: true });
  for (const library of [framework, cc]) symlinkSync(library, path.join(folder, path.basename(library)));
  for (const [wheel, library] of CUDA_LIBRARIES) writeSharedObject(path.join(site, "nvidia", wheel, "lib", library), NEEDS[library]);
  mkdirSync(path.join(site, "nvidia/cuda_nvcc/nvvm/libdevice"), { recursive: true });
  writeFileSync(path.join(site, "nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc"), "");
  const driver = path.join(base, "driver");
  writeSharedObject(path.join(driver, CUDA_DRIVER));
  const code = `
    const { tf } = require("./src/engine/backend"), { jit } = require("./src/engine/jit"), koffi = require("koffi"), { readFileSync } = require("fs");
    const dlopen = koffi.load(${JSON.stringify(framework)}).func("uintptr_t dlopen(str, int)");
    const sum = jit((x) => tf.sum(x), { xla: true })(tf.ones([3])).dataSync()[0];
    const found = ${JSON.stringify(CUDA_LIBRARIES.map(([, library]) => library))}.filter((name) => dlopen(name, 1) !== 0);
    console.log(JSON.stringify({ sum, found, flags: process.env.XLA_FLAGS, driver: dlopen("${CUDA_DRIVER}", 1) !== 0 }));`;
  const answer = (environment: Record<string, string>) => JSON.parse(inProcess(code, { folder, environment })) as { sum: number; found: string[]; flags: string; driver: boolean };
  const flags = `--xla_gpu_cuda_data_dir="${path.join(site, "nvidia", "cuda_nvcc")}"`;
  const all = CUDA_LIBRARIES.map(([, library]) => library);
  assert.deepEqual(answer({ LD_LIBRARY_PATH: driver, XLA_FLAGS: "" }), { sum: 3, found: all, flags, driver: true });
  // A machine with a driver of its own has one here too.
  const own = answer({ LD_LIBRARY_PATH: "", XLA_FLAGS: "" });
  assert.deepEqual(own, { sum: 3, found: own.driver ? all : [], flags, driver: own.driver });
});

test("TF32 is on unless ALIGNLAB_TF32 is 0", () => {
  const { folder, framework } = findRuntime();
  const code = `
    const koffi = require("koffi");
    require("./src/engine/capi");
    console.log(koffi.load(${JSON.stringify(framework)}).func("bool _ZN3tsl33tensor_float_32_execution_enabledEv()")());`;
  assert.equal(inProcess(code, { folder, environment: { ALIGNLAB_TF32: "" } }), "true\n");
  assert.equal(inProcess(code, { folder, environment: { ALIGNLAB_TF32: "0" } }), "false\n");
});
