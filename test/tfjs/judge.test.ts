import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { EXCEPTIONS } from "./exceptions";
import { judge, type Expectations } from "./judge";
import { nodeIgnoreList } from "./nodeIgnoreList";
import type { Mode, SuiteReport } from "./report";

const report = (specs: Record<string, boolean>, changes: Partial<SuiteReport> = {}): SuiteReport => ({
  tensorflow: "2.21.0", pending: 0, ops: 10, compiledCalls: 10, kernels: { calls: 10, traced: 10 }, gradients: { calls: 5, traced: 5 },
  specs: Object.entries(specs).map(([name, passed]) => ({ name, passed, messages: passed ? [] : ["wrong"] })), ...changes,
});
const expectations = (changes: Partial<Expectations> = {}): Expectations => ({ exceptions: [], ignoredByNode: (spec) => spec.startsWith("ignored"), partial: false, ...changes });
const failures = (of: SuiteReport, changes: Partial<Expectations> = {}, mode: Mode = "eager"): string[] => judge(of, mode, expectations(changes)).failures;

describe("what a run of tfjs-core's specs proves", () => {
  test("specs are counted by whether tfjs-node-gpu leaves them out", () => {
    const verdict = judge(report({ a: true, b: true, "ignored c": false, "ignored d": true }), "eager", expectations({ exceptions: [{ reason: "r", specs: ["ignored c"] }] }));
    assert.deepEqual(verdict, { passed: 3, failures: [], excepted: 1, outside: { ran: 2, passed: 2 }, inside: { ran: 2, passed: 1 } });
  });

  test("a spec that fails and is not listed is a failure with its message", () => assert.deepEqual(failures(report({ a: false })), ["a\n    wrong"]));

  test("an exception that passes, or that is no spec, is a failure", () => {
    const exceptions = [{ reason: "r", specs: ["ignored c", "ignored d"] }];
    assert.deepEqual(failures(report({ a: true, "ignored c": true }), { exceptions }), [
      "ignored c\n    passes, though it is listed as an exception", "ignored d\n    is listed as an exception, and there is no such spec",
    ]);
    assert.deepEqual(failures(report({ a: true }), { exceptions, partial: true }), []);
  });

  test("an exception that tfjs-node-gpu passes is a failure, but for what only tracing changes", () => {
    const of = report({ a: false });
    assert.match(failures(of, { exceptions: [{ reason: "r", specs: ["a"] }] }).join(), /tfjs-node-gpu passes it/);
    assert.deepEqual(failures(of, { exceptions: [{ reason: "r", specs: ["a"], only: "jit" }] }, "jit"), []);
    assert.equal(failures(of, { exceptions: [{ reason: "r", specs: ["a"], only: "jit" }] }).length, 1);
  });

  test("a run that TensorFlow had no part in, or in which nothing ran, fails", () => {
    assert.deepEqual(failures(report({})), ["no spec ran"]);
    assert.match(failures(report({ a: true }, { ops: 0 })).join(), /TensorFlow ran nothing/);
    for (const nothing of [{ kernels: { calls: 2, traced: 0 } }, { gradients: { calls: 2, traced: 0 } }]) {
      assert.deepEqual(failures(report({ a: true }, nothing), {}, "jit"), ["nothing ran through jit"]);
      assert.deepEqual(failures(report({ a: true }, nothing)), []);
    }
  });
});

test("every exception has a reason, and none is listed twice for one run", () => {
  for (const { reason } of EXCEPTIONS) assert.ok(reason.length > 20 && reason.endsWith("."));
  for (const mode of ["eager", "jit"]) {
    const listed = EXCEPTIONS.filter(({ only }) => only === undefined || only === mode).flatMap(({ specs }) => specs);
    assert.equal(new Set(listed).size, listed.length);
  }
});

test("tfjs-node-gpu's own list is read from its runner", () => {
  const ignored = nodeIgnoreList(resolve(__dirname, "..", ".."));
  assert.ok(ignored("raggedRange  test-tensorflow {} IntValues") && ignored("tan test-tensorflow {} numbers exceed float32 precision"));
  assert.ok(!ignored("add test-tensorflow {} a + b"));
});
