import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exercise } from "../../src/exercises/exercise";
import { judge, type Verdict } from "../../src/exercises/judge";

/** An answer that must pass. */
export function passes<Answer>(exercise: Exercise<Answer>, what: string, answer: Answer): void {
  test(`${exercise.id} passes: ${what}`, async () => {
    const verdict = await judge(exercise, answer);
    assert.equal(verdict.state, "passed", explain(verdict));
    assert.equal(verdict.right.length, exercise.trials.length);
  });
}

/** A wrong answer, written as a student would, that must be recognised by the mistake's name. */
export function recognises<Answer>(exercise: Exercise<Answer>, mistake: string, answer: Answer): void {
  test(`${exercise.id} recognises: ${mistake}`, async () => {
    const verdict = await judge(exercise, answer);
    assert.equal(verdict.state, "failed");
    assert.deepEqual(verdict.mistakes.map(({ name }) => name), [mistake], explain(verdict));
  });
}

/** A wrong answer without a name: it fails, and what the student reads matches. */
export function refuses<Answer>(exercise: Exercise<Answer>, what: string, answer: Answer, reads: RegExp): void {
  test(`${exercise.id} refuses: ${what}`, async () => {
    const verdict = await judge(exercise, answer);
    assert.notEqual(verdict.state, "passed");
    assert.deepEqual(verdict.mistakes, [], explain(verdict));
    assert.match(verdict.thrown ?? `${verdict.difference?.where}: ${verdict.difference?.says}`, reads);
  });
}

/** Every mistake that an exercise names has been fed to it, by the names given. */
export function namesAll<Answer>(exercise: Exercise<Answer>, names: string[]): void {
  test(`${exercise.id}: each of its mistakes is tried`, () => {
    assert.deepEqual(exercise.mistakes.map(({ name }) => name).sort(), [...names].sort());
    const messages = exercise.mistakes.map(({ says }) => says);
    assert.equal(new Set(messages).size, messages.length);
  });
}

function explain(verdict: Verdict): string {
  return JSON.stringify({ ...verdict, right: verdict.right.length }, null, 1);
}
