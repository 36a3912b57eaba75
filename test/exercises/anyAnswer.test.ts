import { test } from "node:test";
import assert from "node:assert/strict";
import { tf } from "../../src/engine/backend";
import { exercises } from "../../src/exercises/checks/index";
import type { Exercise } from "../../src/exercises/exercise";
import { judge } from "../../src/exercises/judge";
import { report } from "../../src/exercises/report";

const circle: Record<string, unknown> = {};
circle.self = circle;

/** What no exercise asks for, and what the student must read of it. */
const answers: Record<string, [answer: unknown, reads: RegExp]> = {
  "nothing": [() => undefined, /nothing \(undefined; is there a return\?\)|it has no/],
  "null": [() => null, /null, where|it has no/],
  "a promise of nothing": [async () => undefined, /nothing \(undefined|it has no/],
  "NaN": [() => NaN, /a number, where|it has no/],
  "a scalar of NaN": [() => tf.scalar(NaN), /a number, where|it has no/],
  "an empty list": [() => [], /its shape is \[0\]|entr|it has no|a list of 0, where|nothing/],
  "an empty record": [() => ({}), /a record, where|it has no/],
  "a text": [() => "the answer", /a text, where|it has no/],
  "itself": [function own() { return own; }, /the function own \(is it to be called\?\)|it has no/],
  "an object that contains itself": [() => circle, /a record, where|it has no/],
  "a class's object": [() => new Map([[1, 2]]), /an object of the class Map|it has no/],
  "promises in a list": [() => [Promise.resolve(1), Promise.resolve(2), Promise.resolve(3)], /a promise \(is an await missing\?\)|where a record|it has no/],
  "bigints in a list": [() => [1n, 2n, 3n], /a bigint|where a record|a list of 3|it has no|entries/],
  "a disposed tensor": [() => { const tensor = tf.scalar(1); tensor.dispose(); return tensor; }, /disposed before it could be read|it has no/],
  "an error": [() => { throw new TypeError("no"); }, /TypeError: no/],
  "something thrown that is no error": [() => { throw "a text"; }, /a text/],
  "nothing thrown": [() => { throw undefined; }, /nothing \(undefined\)/],
  "a promise that fails": [() => Promise.reject(new Error("later")), /later/],
  "its first argument": [(first: unknown) => first, /./],
};

for (const exercise of Object.values(exercises) as unknown as Exercise<unknown>[]) {
  test(`${exercise.id}: answers of any kind are refused in plain words`, async () => {
    for (const [what, [answer, reads]] of Object.entries(answers)) {
      const before = tf.memory().numTensors;
      const verdict = await judge(exercise, answer);
      assert.equal(verdict.state, "failed", what);
      const text = report(verdict, "")["text/plain"];
      assert.match(text, reads, what);
      assert.equal(tf.memory().numTensors, before, `${what}: tensors left behind`);
    }
  });

  test(`${exercise.id}: no report shows code of a solution, and each mistake has a message of its own`, () => {
    assert.ok(exercise.mistakes.length >= 3);
    const words = [...exercise.hints, ...exercise.mistakes.map(({ says }) => says), exercise.returns];
    for (const text of words) assert.doesNotMatch(text, /\breturn\b.*;|=>|;\s*$/, text);
  });

  test(`${exercise.id}: there are cases for whoever marks the work, and none of the mistakes passes them`, async () => {
    const definition = exercise as unknown as { hidden: { input: never }[]; trials: { input: never }[]; right(input: never): unknown };
    assert.ok(definition.hidden.length > 0);
    const known = new Set(definition.trials.map(({ input }) => JSON.stringify(input)));
    for (const { input } of definition.hidden) assert.ok(!known.has(JSON.stringify(input)));
  });
}
