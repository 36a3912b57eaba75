import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { answerOf, computed, drawsBySeed, sameFigures } from "./backendProcess";
import type { WebgpuFindings } from "./webgpuChild";

// On a software adapter, and only when asked: it needs a Vulkan driver (Mesa's from Debian 13 on) and takes half a minute.
const asked = process.env.ALIGNLAB_WEBGPU_SOFTWARE === "1" ? {} : { skip: "ALIGNLAB_WEBGPU_SOFTWARE=1 asks for it" };

/** Without a Vulkan of the system's own, that of Debian's chromium. */
const CHROMIUM = "/usr/lib/chromium";
const hasVulkan = process.env.VK_ICD_FILENAMES !== undefined || existsSync("/usr/share/vulkan/icd.d");
const environment = {
  ALIGNLAB_BACKEND: "webgpu", ALIGNLAB_WEBGPU_SOFTWARE: "1",
  ...(hasVulkan ? {} : { VK_ICD_FILENAMES: `${CHROMIUM}/vk_swiftshader_icd.json`, LD_LIBRARY_PATH: CHROMIUM }),
};

test("webgpu: loss, gradients, training and generation as on TensorFlow", asked, async () => {
  const [expected, { answer, errors }] = await Promise.all([computed("tensorflow"), computed("webgpu", environment)]);
  assert.equal(answer.backend, "webgpu");
  assert.match(errors, /^Backend webgpu \(tfjs on WebGPU\): ALIGNLAB_BACKEND names it\./m);
  sameFigures(answer, expected.answer);
  drawsBySeed(answer);
});

test("webgpu: beyond the adapter's limits an op is computed in parts or refused, and a reported error ends the work", asked, async () => {
  const { split, refused, imprecision, left, failed } = (await answerOf<WebgpuFindings>(["webgpuChild.ts"], environment)).answer;
  assert.equal(Object.keys(split).length, 19);
  for (const [name, { apart, copies }] of Object.entries(split)) {
    // Sums of a hundred products of numbers up to 2, in another order.
    assert.ok(apart <= (name.startsWith("matMul") ? 1e-4 : 0), `${name}: ${apart} apart`);
    if (name !== "slice of rows") assert.ok(copies >= 2, `${name}: ${copies} copies`);
  }
  for (const name of ["softmax", "sum", "across columns"]) assert.match(refused[name]!, /^BackendError: An op needs a tensor \[\d+,\d+\] of .* this adapter allows 0\.00410 MB, and the op cannot be computed in parts\. Use smaller batches/, name);
  assert.match(refused["one long row"]!, /^BackendError: One row of a tensor \[2,2000\] takes 0\.00800 MB/);
  assert.match(refused["read at once"]!, /^BackendError: .*`await tensor\.data\(\)`/);
  for (const [name, worst] of Object.entries(imprecision)) assert.ok(worst < 3e-6, `${name}: ${worst} off`);
  assert.equal(left, 0);
  assert.equal(failed.length, 3);
  for (const text of failed) assert.match(text, /^BackendError: WebGPU reported an error, and what was computed since is not to be trusted: .*exceeds the max buffer size limit.* Restart the process/s);
});

test("webgpu: a software adapter that nobody asked for is refused by name", asked, async () => {
  const { answer } = await answerOf<{ webgpu: string }>(["../../scripts/doctor/fallbacks.ts"], { ...environment, ALIGNLAB_WEBGPU_SOFTWARE: "0" });
  assert.match(answer.webgpu, /^WebGPU's only adapter is a software one \(.+\), slower than WebAssembly\. Set ALIGNLAB_WEBGPU_SOFTWARE=1 to use it all the same\.$/);
});
