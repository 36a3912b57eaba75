import { afterEach, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { announceRun, expectedTime, expectedTimeCallback, inTime, runMimeType } from "../../src/exercises/announce";
import { check, CheckError, hint } from "../../src/exercises/check";
import type { DpoLoss } from "../../src/exercises/checks/dpo";
import { exercise } from "../../src/exercises/exercise";
import { runFolder } from "../../src/exercises/folders";
import { profile } from "../../src/exercises/profile";
import { question } from "../../src/exercises/question";
import { todo, TodoError } from "../../src/exercises/todo";
import { dpoLoss as libraryDpoLoss } from "../../src/loss/dpo";
import { pad as libraryPad, padCollate as libraryPadCollate } from "../../src/tokens/collate";
import { useKernelDouble } from "./kernelDouble";

const displayed = useKernelDouble();

afterEach(() => {
  delete process.env.ALIGNLAB_PROFILE;
});

const text = (at = -1): string => String(displayed.shown.at(at)?.["text/plain"]);
const html = (at = -1): string => String(displayed.shown.at(at)?.["text/html"]);

test("todo throws and says what to do", () => {
  assert.throws(() => todo("compute the loss"), (error: Error) => error instanceof TodoError && /Not done yet: compute the loss\. Replace/.test(error.message));
});

test("a passed check says what was tried and throws nothing", async () => {
  await check("pad", libraryPad);
  assert.match(text(), /^✓ Exercise 3a, pad: passed\n {2}tried: 4 trials: three sequences/);
});

test("a check of a wrong answer shows got, wanted and the place, then ends the cell", async () => {
  const wrong = (sequences: number[][]) => sequences.map((row) => [...row, 1]);
  await assert.rejects(() => check("pad", wrong), (error: Error) => error instanceof CheckError && /Exercise 3a, pad: not right yet/.test(error.message));
  assert.match(text(), /^✗ Exercise 3a, pad: not right yet/);
  assert.match(text(), /got: \[\[5, 6, 7, 1\]/);
  assert.match(text(), /wanted: \[\[5, 6, 7\], \[8, 0, 0\]/);
  assert.match(text(), /first difference: at \[0\]: it has 4 entries, where 3 are wanted/);
  assert.match(text(), /hint\("pad"\)/);
});

const drawings = (): string[] =>
  [...html().matchAll(/<img alt="([^"]+)" src="data:image\/svg\+xml;base64,([^"]+)"/g)].map(([, alt, data]) => `${alt}\n${Buffer.from(data, "base64").toString()}`);

test("got, wanted and their difference are drawn as heat maps", async () => {
  await assert.rejects(() => check("pad", (s, _, side) => libraryPad(s, 0, side)), CheckError);
  assert.match(text(), /what happened: The filling is always 0/);
  const [got, wanted, difference, ...more] = drawings();
  assert.deepEqual(more, []);
  assert.match(got, /^got, as a heat map\n<svg/);
  assert.match(wanted, /^wanted, as a heat map\n<svg/);
  assert.match(difference, /^got − wanted, as a heat map\n<svg/);
  // The second trial pads with 2, so three cells are 0 in place of 2.
  assert.equal(difference.match(/>−2<\/text>/g)?.length, 3);
});

test("tables of different shapes are drawn without a difference; single numbers and texts not at all", async () => {
  await assert.rejects(() => check("pad", (s) => s), CheckError);
  assert.equal(drawings().length, 2);
  await assert.rejects(() => check("pad", (() => 7) as never), CheckError);
  assert.equal(drawings().length, 0);
  await assert.rejects(() => check("apply-chat-template", (example) => example), CheckError);
  assert.equal(drawings().length, 0);
});

test("of a record the column that differs is drawn, of a list of results all by name", async () => {
  await assert.rejects(() => check("pad-collate", (batch, id) => ({ ...libraryPadCollate(batch, id), rejected_attn_mask: [[0, 0], [0, 0]] })), CheckError);
  assert.match(html(), /<div>at rejected_attn_mask:<\/div><img/);
  await assert.rejects(() => check("dpo-loss", (...args) => libraryDpoLoss(...args).map((part) => part.mul(3)) as never), CheckError);
  assert.ok(drawings().every((svg) => svg.includes("rewardMargin")));
  assert.match(text(), /noticed: Every number is 3 times what is wanted\./);
});

test("a named mistake is the head of the report and of the error", async () => {
  const swapped: DpoLoss = () => todo("write the loss");
  await assert.rejects(() => check("dpo-loss", swapped), /Exercise 4, dpoLoss\. Not done yet: write the loss\. Replace/);
  assert.match(text(), /^○ Exercise 4, dpoLoss: not done yet/);
  assert.doesNotMatch(text(), /wanted/);
});

test("the place of a difference has the name of the result's part", async () => {
  const loss: DpoLoss = (chosen, rejected, refChosen, refRejected, beta) => {
    const [value, accuracy, margin] = libraryDpoLoss(chosen, rejected, refChosen, refRejected, beta);
    return [value, accuracy, margin.mul(3)];
  };
  await assert.rejects(() => check("dpo-loss", loss), CheckError);
  assert.match(text(), /first difference: at rewardMargin: got 4\.5, wanted 1\.5/);
});

test("html in a student's values is shown, not run", async () => {
  await assert.rejects(() => check("pad", (() => "<script>alert(1)</script>") as never), CheckError);
  assert.ok(!html().includes("<script>"));
});

test("an unknown exercise lists the known ones; one of a teacher's own works", async () => {
  await assert.rejects(() => check("dpo" as never, (() => 0) as never), /There is no exercise "dpo"\. The exercises: implicit-rewards, apply-chat-template/);
  const own = exercise<{ x: number }, (x: number) => number>({
    id: "twice", title: "Twice", minutes: 1, returns: "a number", hints: ["Add it to itself."], trials: [{ tried: "3", input: { x: 3 } }],
    call: (answer, { x }) => answer(x), right: ({ x }) => 2 * x, mistakes: [{ name: "square", says: "That is the square.", wrong: ({ x }) => x * x }],
  });
  await check(own, (x: number) => x + x);
  await assert.rejects(() => check(own, (x: number) => x * x), /That is the square/);
});

test("hints come one after the other and stay at the last", () => {
  for (let i = 0; i < 4; i++) hint("get-log-prob");
  assert.match(text(0), /hint 1 of 3/);
  assert.match(text(3), /hint 3 of 3/);
});

test("hidden cases find out a function that knows the others by heart", async () => {
  const byHeart: typeof libraryPad = (sequences, value) => (value === 0 ? [[5, 6, 7], [8, 0, 0], [9, 4, 0]] : value === 2 ? [[2, 2, 2, 11], [12, 13, 14, 15]] : value === 9 ? [[1, 2], [3, 4]] : [[7, 7], [1, 2]]);
  await check("pad", byHeart);
  await assert.rejects(() => check("pad", byHeart, { hidden: true }), /not right yet/);
  await check("pad", libraryPad, { hidden: true });
  assert.match(text(), /tried: 2 trials: four sequences/);
});

test("a question without an answer keeps its rubric to itself; with one it stores every version", () => {
  question("padding-side", "  ");
  assert.doesNotMatch(text(), /good answer says:|\[ \]/);
  question("padding-side", "On the left.");
  question("padding-side", "On the left.");
  question("padding-side", "Prompts on the left.");
  assert.match(text(), /Your answer: Prompts on the left\.\nA good answer says:\n {2}\[ \] Prompts on the left, so that/);
  const stored = JSON.parse(readFileSync(join(displayed.folder, "work/answers.json"), "utf8")) as Record<string, { answer: string }[]>;
  assert.deepEqual(stored["padding-side"].map(({ answer }) => answer), ["On the left.", "Prompts on the left."]);
});

const settings = { full: { rows: 10_884, batchSize: 16, learningRate: 5e-5 }, default: { rows: 270, batchSize: 4 }, quick: { rows: 8, batchSize: 4 } };

test("a profile shows each deviation beside the original's value", () => {
  process.env.ALIGNLAB_PROFILE = "default";
  assert.deepEqual(profile("01", settings), { rows: 270, batchSize: 4, learningRate: 5e-5 });
  assert.match(text(), /training rows +270 +10,884 +differs/);
  assert.match(text(), /learning rate +5e-5 +5e-5$/m);
});

test("small is default with half the batch", () => {
  process.env.ALIGNLAB_PROFILE = "small";
  assert.deepEqual(profile("01", settings), { rows: 270, batchSize: 2, learningRate: 5e-5 });
  assert.match(text(), /profile small/);
});

test("full is the original, an unknown profile or setting is refused", () => {
  process.env.ALIGNLAB_PROFILE = "full";
  assert.deepEqual(profile("01", settings), settings.full);
  assert.doesNotMatch(text(), /differs/);
  assert.throws(() => profile("01", { full: { beta: 1 } as Record<string, number>, default: {}, quick: {} }), /not beta/);
  process.env.ALIGNLAB_PROFILE = "fast";
  assert.throws(() => profile("01", settings), /ALIGNLAB_PROFILE is "fast"; the profiles are quick, small, default, full/);
});

test("the run is described for readers and for programs", () => {
  const run = { backend: "tensorflow (cpu)", precision: "float32", model: "m", data: "d", seed: 42 };
  announceRun(run);
  assert.deepEqual(displayed.shown[0][runMimeType], run);
  assert.match(text(), /seed +42/);
});

test("expected times are worked out from what was measured", () => {
  assert.equal(expectedTime("training", { seconds: 6, done: 2, total: 40, unit: "steps" }), 2);
  assert.match(text(), /Expected time for training: 2\.0 minutes \(40 steps at 3\.00 s each, measured\)/);
  assert.deepEqual([40, 400, 4000, 40_000].map(inTime), ["40 s", "6.7 minutes", "67 minutes", "11.1 hours"]);
  assert.throws(() => expectedTime("training", { seconds: 0, done: 1, total: 1, unit: "steps" }), /both must be above 0/);
});

test("a trainer's expected time is said once, after its second step", async () => {
  const callback = expectedTimeCallback("training");
  const state = (step: number) => ({ step, maxSteps: 10, epoch: 0, numTrainEpochs: 1, logHistory: [], startedAt: 0, stopped: false });
  for (let step = 1; step <= 4; step++) {
    await new Promise((done) => setTimeout(done, 5));
    callback.onStepEnd!(state(step));
  }
  assert.equal(displayed.shown.length, 1);
  assert.match(text(), /^Expected time for training: .+ \(8 steps at .+ each, measured\)\.$/);
});

test("what a run saves lies in its folder", () => {
  assert.equal(resolve(runFolder("checkpoint")), join(displayed.folder, "checkpoint"));
});
