import assert from "node:assert/strict";
import { test } from "node:test";
import { alternate, DisturbedError, type Watch } from "../../bench/alternate";
import { BenchFailure } from "../../bench/failure";
import { Side } from "../../bench/side";

/** A side that answers each "step" with its own count as the loss. */
const COUNTING = `
const say = (event) => console.log(JSON.stringify(event));
say({ event: "ready", threads: 2, versions: { counting: "1" } });
let steps = 0;
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => line === "step" ? say({ event: "step", loss: ++steps }) : process.exit(0));
`;

/** A machine that others use as told, round by round, and not at all afterwards. */
const shares = (...others: number[]): Watch => () => () => others.shift() ?? 0;

const side = (name: string, script: string): Side => new Side(name, "float32", process.execPath, ["-e", script]);

test("sides step in turn, and the steps of the warm-up are not among the timed ones", async () => {
  const { measured, ready, others } = await alternate([side("one", COUNTING), side("two", COUNTING)], [4, 2], 3, () => undefined, shares());
  assert.deepEqual(measured.map(({ side: name }) => name), ["one", "two"]);
  for (const [i, { steps, peakBytes }] of measured.entries()) {
    assert.deepEqual(steps.map(({ loss }) => loss), i === 0 ? [5, 6, 7] : [3, 4, 5]);
    assert.ok(steps.every(({ seconds }) => seconds > 0));
    assert.ok(peakBytes > 10e6);
  }
  assert.deepEqual(ready[0], { threads: 2, versions: { counting: "1" } });
  assert.equal(others, 0);
});

test("a round in which others used the machine is measured again", async () => {
  const { measured, others, disturbed } = await alternate([side("one", COUNTING), side("two", COUNTING)], [1, 1], 3, () => undefined, shares(0.01, 0.4, 0.03, 0.2));
  for (const { steps } of measured) assert.deepEqual(steps.map(({ loss, round }) => [loss, round]), [[2, 0], [4, 2], [6, 4]]);
  assert.deepEqual([others, disturbed], [0.03, 2]);
});

test("a machine that is seldom quiet is reported, with what others took", async () => {
  await assert.rejects(alternate([side("one", COUNTING)], [1], 2, () => undefined, shares(0.2, 0.01, 0.4, 0.3)), (error: unknown) =>
    error instanceof DisturbedError && error.disturbed === 3 && Math.abs(error.others - 0.3) < 1e-9);
});

test("a side that fails is reported with what it printed", async () => {
  const broken = side("broken", 'console.error("no such module"); process.exit(7);');
  await assert.rejects(alternate([broken], [1], 1, () => undefined), (error: unknown) =>
    error instanceof BenchFailure && error.exitCode === 1 && /broken \(float32\) ended early: exit code 7/.test(error.message) && /no such module/.test(error.message));
});

test("a program that does not exist is reported", async () => {
  const missing = new Side("missing", "float32", "/no/such/program", []);
  await assert.rejects(alternate([missing], [1], 1, () => undefined), /missing \(float32\) ended early: spawn \/no\/such\/program ENOENT/);
});
