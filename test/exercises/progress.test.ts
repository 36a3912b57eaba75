import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { check, hint } from "../../src/exercises/check";
import { keepsWork } from "../../src/exercises/folders";
import { courseProgress, progress } from "../../src/exercises/progress";
import type { ProgressEvent } from "../../src/exercises/progressStore";
import { question } from "../../src/exercises/question";
import { pad as libraryPad } from "../../src/tokens/collate";
import { useKernelDouble } from "./kernelDouble";

const root = resolve(__dirname, "../..");
const displayed = useKernelDouble();

const text = (): string => String(displayed.shown.at(-1)?.["text/plain"]);
const html = (): string => String(displayed.shown.at(-1)?.["text/html"]);
const store = (): string => join(displayed.folder, "work", "progress.jsonl");
const lines = (): string[] => readFileSync(store(), "utf8").trim().split("\n");

test("checks, hints and written answers are kept and drawn; a reset begins anew and keeps what was", async () => {
  progress();
  assert.match(text(), /^00 A tour: 0 of 1 exercises, 0 of 1 written answers, no time yet\n {2}░{20} 0 %\n {2}○ A first exercise, implicitRewards: practice\n {2}○ Before any training[^\n]*: practice\n01 DPO from scratch: 0 of 7 exercises, 0 of 80 points, 0 of 5 written answers, no time yet\n {2}░{20} 0 %/);
  await assert.rejects(() => check("pad", (s) => s));
  hint("pad");
  await check("pad", libraryPad);
  await check("pad", libraryPad, { hidden: true });
  question("padding-side", "");
  question("padding-side", "Prompts on the left.");
  assert.equal(lines().length, 4, "hidden cases and empty answers leave no trace");
  const [first] = lines().map((line) => JSON.parse(line) as ProgressEvent);
  assert.deepEqual([first.kind, first.id, first.state, first.mistakes], ["check", "pad", "failed", ["not padded"]]);

  progress();
  assert.match(text(), /01 DPO from scratch: 1 of 7 exercises, 4 of 80 points, 1 of 5 written answers/);
  assert.match(text(), /✓ Exercise 3a, pad: 4 of 4 points, 2 checks, 1 hint/);
  assert.match(text(), /○ Exercise 4, dpoLoss: 0 of 12 points$/m);
  assert.match(text(), /✓ Which side is padded for prompts.*: answered; up to 4 points from a reader/);
  assert.match(html(), /aria-label="4 of 80 points"/);
  assert.match(html(), /width:5%/);

  progress.reset();
  assert.match(text(), /begins anew\. What was there is kept as work\/progress-\d{4}-/);
  assert.ok(!existsSync(store()));
  assert.equal(readdirSync(join(displayed.folder, "work")).filter((name) => /^progress-.*\.jsonl$/.test(name)).length, 1);
  progress();
  assert.match(text(), /0 of 7 exercises/);
  progress.reset();
  assert.match(text(), /no progress to reset/);
});

test("a line that was cut off is left out", async () => {
  await check("pad", libraryPad);
  appendFileSync(store(), '{"at":"2026-01-01T00:0\nnull\n');
  await check("pad", libraryPad);
  progress();
  assert.match(text(), /pad: 4 of 4 points, 2 checks/);
});

const at = (minute: number, event: Partial<ProgressEvent>): ProgressEvent => ({ at: new Date(Date.UTC(2026, 0, 1, 10, minute)).toISOString(), session: `${new Date(Date.UTC(2026, 0, 1, 10, 0)).toISOString()} 7`, kind: "check", id: "pad", state: "failed", ...event });

test("time is what lies between events, without breaks and without what comes after an exercise is done", () => {
  const [, dpo] = courseProgress([
    at(5, {}), at(9, { state: "passed" }), at(12, { id: "dpo-loss" }),
    // A break of 48 minutes counts for 15, and an exercise that fails again stays done.
    at(60, { id: "dpo-loss" }), at(61, { state: "failed" }), at(64, { id: "dpo-loss", kind: "hint" }),
    // Another notebook, opened at the same time, has its own clock.
    at(30, { id: "get-log-prob", session: `${new Date(Date.UTC(2026, 0, 1, 10, 28)).toISOString()} 8` }),
  ]);
  const seconds = (id: string) => dpo.items.find((item) => item.id === id)!.seconds / 60;
  assert.deepEqual(["pad", "dpo-loss", "get-log-prob", "train-step"].map(seconds), [9, 3 + 15 + 3, 2, 0]);
  assert.equal(dpo.seconds / 60, 9 + 21 + 2);
  assert.deepEqual([dpo.points.earned, dpo.points.possible], [4, 80]);
  assert.deepEqual(dpo.items.slice(0, 5).map(({ state }) => state), ["open", "open", "done", "open", "begun"]);
});

test("a solution notebook, and one that nbgrader runs, mark nothing as done", () => {
  assert.ok(keepsWork());
  delete process.env.ALIGNLAB_RUN_DIR;
  const before = process.env.JPY_SESSION_NAME;
  for (const [place, keeps] of [["notebooks/solutions/01.ipynb", false], ["course/autograded/ada/01/01.ipynb", false], ["notebooks/01.ipynb", true], ["work/01.ipynb", true]] as const) {
    process.env.JPY_SESSION_NAME = join(root, place);
    assert.equal(keepsWork(), keeps, place);
  }
  if (before === undefined) delete process.env.JPY_SESSION_NAME;
  else process.env.JPY_SESSION_NAME = before;
});

test("git knows nothing of a student's work", () => {
  assert.equal(spawnSync("git", ["check-ignore", "work/progress.jsonl"], { cwd: root, encoding: "utf8" }).stdout.trim(), "work/progress.jsonl");
});
