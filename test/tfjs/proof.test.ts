import assert from "node:assert/strict";
import { test } from "node:test";
import type { KernelBackend } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import type { JasmineEnvironment, SpecResult } from "./jasmine";
import { executed, proveBackend } from "./proof";

test("a spec for the backend fails when another backend is there or in use; ops are counted", () => {
  const checks: (() => void)[] = [];
  let start = (_: SpecResult): void => undefined;
  const environment = {
    addReporter: ({ specStarted }) => (start = specStarted!), beforeEach: (check) => checks.push(check), afterEach: (check) => checks.push(check),
  } as Pick<JasmineEnvironment, "addReporter" | "beforeEach" | "afterEach"> as JasmineEnvironment;
  proveBackend(environment, " for us ");
  const [before, after] = checks as [() => void, () => void];
  const begin = (fullName: string): void => start({ fullName, status: "passed", failedExpectations: [] });

  begin("op for us works");
  assert.throws(before, /has .*cpu/);
  for (const name of Object.keys(tf.engine().registryFactory)) if (name !== "tensorflow") tf.removeBackend(name);
  before();
  const ops = executed.ops;
  tf.tidy(() => tf.add(1, 2).dataSync());
  assert.equal(executed.ops, ops + 1);
  after();

  tf.registerBackend("other", () => ({ dispose: () => undefined, numDataIds: () => 0 }) as unknown as KernelBackend);
  assert.throws(after, /tfjs uses tensorflow, and has other/);
  tf.setBackend("other");
  assert.throws(after, /tfjs uses other, and has other/);
  begin("bookkeeping of tfjs-core's own");
  after();
  tf.setBackend("tensorflow");
  tf.removeBackend("other");
  begin("op for us works");
  after();
});
