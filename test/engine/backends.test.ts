import assert from "node:assert/strict";
import { test } from "node:test";
import { namedBackend } from "../../src/engine/choice";
import { answerOf, cache, computed, drawsBySeed, run, sameFigures } from "./backendProcess";

/** TensorFlow's figures, computed once. */
let reference: ReturnType<typeof computed> | null = null;
const tensorflow = (): ReturnType<typeof computed> => (reference ??= computed("tensorflow"));

for (const [backend, packages] of [["cpu", []], ["wasm", ["tfjs-backend-wasm"]]] as const) {
  test(`${backend}: loss, gradients, training and generation as on TensorFlow; said once; random numbers by their seeds`, async () => {
    const [{ answer: expected }, { answer: figures, errors }] = await Promise.all([tensorflow(), computed(backend)]);
    assert.deepEqual([expected.backend, expected.loaded, figures.backend, figures.loaded], ["tensorflow", [], backend, packages]);
    assert.equal(errors.match(/^Backend /gm)?.length, 1, errors);
    assert.match(errors, new RegExp(`^Backend ${backend} \\(tfjs .*\\): ALIGNLAB_BACKEND names it\\.`, "m"));
    sameFigures(figures, expected);
    drawsBySeed(figures);
  });
}

test("what only TensorFlow does is refused before work is lost, with what to do", async () => {
  const { answer: messages } = await answerOf<Record<string, string>>(["backendRefusals.ts"], { ALIGNLAB_BACKEND: "cpu", ALIGNLAB_CACHE: cache, ALIGNLAB_BFLOAT16: "1" });
  const patterns: Record<string, RegExp> = {
    large: /^BackendError: The model's 23\.\d million parameters take \d+\.\d MiB in float32; the cpu backend takes models of up to 64\.0 MiB .* `npm start`/,
    wasm: /^done$/, "wasm, too large": /^BackendError: .*135 million parameters take 513 MiB in float32; the wasm backend .* up to 512 MiB \(an eighth of its heap of 4 GiB/,
    webgpu: /^done$/, "webgpu, too large": /^BackendError: The model's embed takes 128 MiB; the webgpu backend holds .* \(what the adapter binds as one buffer/,
    "8 bit": /^BackendError: optim "adamw_8bit" needs TensorFlow, .* Set optim: "adamw_torch", or/,
    "decode weights": /^BackendError: decodeWeights "int8" needs TensorFlow, .* Set decodeWeights: "float32", or/,
    op: /^BackendError: TensorFlow's op Bitcast has no portable form: the cpu backend cannot compute it/,
    auto: /^done$/, asynchronous: /^TypeError: jit: .* is asynchronous/, number: /^TypeError: jit: .* returned number/, argument: /^TypeError: jit: argument 1/,
    variable: /^TraceError: .*variable/, left: /^0$/, kept: /^false false 4$/, traces: /^float32\[1\] 0; float32\[2\] 0$/, precision: /^float32,float32,float32$/,
    said: /^Precision bfloat16 was asked for, but the cpu backend computes in float32 only: computing in float32\.$/,
  };
  assert.deepEqual(Object.keys(messages).sort(), Object.keys(patterns).sort());
  for (const [what, pattern] of Object.entries(patterns)) assert.match(messages[what]!, pattern, what);
});

const IMPORT = 'const { tf } = require("./src/engine/backend.ts"); tf.ready().then(() => console.log(tf.getBackend(), tf.tensor1d([1, 2]).square().size))';
const nowhere = { ALIGNLAB_ROOT: cache, ALIGNLAB_TENSORFLOW: "" };

test("without TensorFlow and without a name the next backend computes, and says why", async () => {
  const { code, output, errors } = await run(["-e", IMPORT], { ...nowhere, VK_ICD_FILENAMES: "/nowhere" });
  assert.equal(code, 0, errors);
  assert.equal(output.trim(), "wasm 2");
  assert.match(errors, /^Backend wasm \(tfjs on WebAssembly, one thread\): TensorFlow cannot be used \(TensorFlow's library .* was not found in .* Run `npm start` .*\); webgpu: WebGPU finds no adapter: .*\. It computes in float32/m);
});

test("a named backend that cannot start, and a name that is none, end the process with what to do", async () => {
  const [named, library, webgpu, unknown] = await Promise.all([
    run(["-e", IMPORT], { ...nowhere, ALIGNLAB_BACKEND: "tensorflow" }), run(["-e", IMPORT], { ...nowhere, ALIGNLAB_TENSORFLOW: "/nowhere" }),
    run(["-e", IMPORT], { ALIGNLAB_BACKEND: "webgpu", VK_ICD_FILENAMES: "/nowhere" }), run(["-e", IMPORT], { ALIGNLAB_BACKEND: "gpu" }),
  ]);
  for (const { code, output } of [named, library, webgpu, unknown]) assert.deepEqual([code, output], [1, ""]);
  assert.match(named.errors, /RuntimeError: TensorFlow's library .* was not found in .*Run `npm start`/);
  assert.match(library.errors, /RuntimeError: ALIGNLAB_TENSORFLOW is \/nowhere, which holds no/);
  assert.match(webgpu.errors, /BackendError: ALIGNLAB_BACKEND names a backend that cannot start\. webgpu: WebGPU finds no adapter: a GPU with a Vulkan driver is needed\. Run `npm start`/);
  assert.match(unknown.errors, /BackendError: ALIGNLAB_BACKEND is "gpu"; it must be one of tensorflow, webgpu, wasm, cpu\./);
});

test("the environment's name is read as it is written", () => {
  assert.equal(namedBackend({}), null);
  assert.equal(namedBackend({ ALIGNLAB_BACKEND: "" }), null);
  assert.equal(namedBackend({ ALIGNLAB_BACKEND: "wasm" }), "wasm");
  assert.throws(() => namedBackend({ ALIGNLAB_BACKEND: "WASM" }), /must be one of/);
});
