import assert from "node:assert/strict";
import { test } from "node:test";
import { DisturbedError } from "../../bench/alternate";
import { BenchFailure } from "../../bench/failure";
import { clock, freshRounds, runToEnd, type FreshSide, type FreshWatch } from "../../bench/fresh";

/** Sides that say when they are prepared and started, and how often. */
function counting(...names: string[]): { sides: FreshSide[]; order: string[] } {
  const order: string[] = [];
  const sides = names.map((name): FreshSide => {
    let starts = 0;
    return {
      name, setting: "float32", prepare: () => void order.push(`prepare ${name}`),
      sample: async () => {
        order.push(name);
        return { seconds: ++starts, parts: {}, peakBytes: 1e9, versions: {} };
      },
    };
  });
  return { sides, order };
}

const shares = (...others: number[]): FreshWatch => () => () => others.shift() ?? 0;
const seconds = (run: { samples: { seconds: number }[][] }): number[][] => run.samples.map((samples) => samples.map((sample) => sample.seconds));
const quietly = (): void => undefined;

test("sides start in turn, each prepared before; the warm-up does not count", async () => {
  const { sides, order } = counting("a", "b");
  const run = await freshRounds(sides, { warmUp: 1, timed: 2, anyway: false }, quietly, shares());
  assert.deepEqual(order.slice(0, 4), ["prepare a", "a", "prepare b", "b"]);
  assert.deepEqual(seconds(run), [[2, 3], [2, 3]]);
  assert.deepEqual([run.others, run.disturbed], [0, 0]);
});

test("a round in which others used the machine is measured again, unless it is to count anyway", async () => {
  const run = await freshRounds(counting("a").sides, { warmUp: 0, timed: 2, anyway: false }, quietly, shares(0.01, 0.5, 0.03));
  assert.deepEqual([seconds(run), run.others, run.disturbed], [[[1, 3]], 0.03, 1]);
  const all = await freshRounds(counting("a").sides, { warmUp: 0, timed: 2, anyway: true }, quietly, shares(0.01, 0.5));
  assert.deepEqual([seconds(all), all.others, all.disturbed], [[[1, 2]], 0.5, 0]);
  await assert.rejects(freshRounds(counting("a").sides, { warmUp: 0, timed: 1, anyway: false }, quietly, shares(0.2, 0.4)), (error: unknown) => error instanceof DisturbedError && error.disturbed === 2 && Math.abs(error.others - 0.3) < 1e-9);
});

test("a program's answer on file 3 comes back, with the time of its start on one clock", async () => {
  const script = 'console.log("noise"); require("node:fs").writeSync(3, JSON.stringify({ at: (performance.timeOrigin + performance.now()) / 1000, given: process.env.GIVEN }));';
  const before = clock();
  const { said, startedAt } = await runToEnd<{ at: number; given: string }>("a program", process.execPath, ["-e", script], { GIVEN: "yes" });
  assert.equal(said.given, "yes");
  assert.ok(before <= startedAt && startedAt < said.at && said.at < clock());
});

test("a program that fails or says nothing is reported with what it printed", async () => {
  const failing = (what: RegExp) => (error: unknown): boolean => error instanceof BenchFailure && error.exitCode === 1 && what.test(error.message);
  await assert.rejects(runToEnd("a program", process.execPath, ["-e", 'console.error("no such module"); process.exit(7)']), failing(/a program failed: exit code 7\.\nno such module/));
  await assert.rejects(runToEnd("a program", process.execPath, ["-e", ""]), failing(/it said nothing/));
  await assert.rejects(runToEnd("a program", "/no/such/program", []), failing(/ENOENT/));
});
