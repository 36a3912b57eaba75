import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { checkHealth, HealthWatch } from "../../../src/log/health/health";
import { HEALTH_RULES } from "../../../src/log/health/rules";
import { Trend } from "../../../src/log/health/trend";
import { readJsonl } from "../../../src/step/jsonl";
import type { LogRow } from "../../../src/step/callbacks";

const FOLDER = path.join(__dirname, "../../fixtures/health");
const curve = (name: string): LogRow[] => readJsonl(path.join(FOLDER, `${name}.jsonl`));
const curves = readdirSync(FOLDER).map((file) => path.basename(file, ".jsonl"));
const said = (name: string): Record<string, number> => Object.fromEntries(checkHealth(curve(name)).map(({ rule, step }) => [rule, step]));

/** What each recorded run shows, and by which step a reader of its curves sees it. */
const SHOWN: Record<string, Record<string, [from: number, to: number]>> = {
  "dpo-sound": {},
  "dpo-smollm-sound": {},
  "rl-sound": {},
  "dpo-chosen-falls": { "chosen-falls": [8, 15] },
  "dpo-smollm-chosen-falls": { "chosen-falls": [17, 24] },
  "dpo-leak": { "accurate-from-start": [5, 5] },
  "dpo-rate-zero": { "learning-rate-zero": [2, 2] },
  "rl-loss-nan": { "loss-not-finite": [2, 2] },
  "rl-kl-negative": { "kl-negative": [8, 15] },
  "rl-entropy-collapses": { "entropy-collapses": [8, 15] },
  // Noise is long as well.
  "rl-entropy-explodes": { "entropy-explodes": [10, 20], "length-drifts": [8, 15] },
  // And what is paid by length becomes noise.
  "rl-length-grows": { "length-drifts": [8, 16], "entropy-explodes": [20, 30] },
};

test("each recorded run gets the remarks that its curves give reason to, early, and no other", () => {
  assert.deepEqual(curves.sort(), Object.keys(SHOWN).sort());
  for (const name of curves) {
    const found = said(name);
    assert.deepEqual(Object.keys(found).sort(), Object.keys(SHOWN[name]!).sort(), name);
    for (const [rule, [from, to]] of Object.entries(SHOWN[name]!)) assert.ok(found[rule]! >= from && found[rule]! <= to, `${name}: ${rule} at step ${found[rule]}`);
  }
});

test("every rule has a recorded run that shows its sign and runs that do not, and names its source", () => {
  for (const { name, source } of HEALTH_RULES) {
    const shows = curves.filter((run) => name in SHOWN[run]!);
    assert.ok(shows.length > 0 && shows.length < curves.length, name);
    assert.match(source, /\d{4} \(arXiv|\(doi |TRL's|transformers'/, name);
  }
});

test("each thing is said once, row by row as over the whole log", () => {
  for (const name of curves) {
    const rows = curve(name);
    const watch = new HealthWatch();
    const oneByOne = [...rows, ...rows].flatMap((row) => watch.add(row));
    const rules = oneByOne.map(({ rule }) => rule);
    assert.equal(new Set(rules).size, rules.length, name);
    assert.deepEqual(oneByOne.slice(0, checkHealth(rows).length), checkHealth(rows), name);
  }
});

test("a remark says the numbers, what to do, and where the rule comes from", () => {
  const [finding] = checkHealth(curve("dpo-chosen-falls"));
  assert.match(finding!.message, /rewards\/chosen went from −0\.38 to −3\.38, rewards\/rejected from −0\.797 to −6\.2:.*Lower the learning rate or raise beta/);
  assert.match(finding!.source, /Razin et al\. 2024/);
});

test("signs that are none: a tie at DPO's start, a warm-up's first step, a schedule's end, an evaluation later on", () => {
  const rows = (count: number, of: (step: number) => Record<string, number>): LogRow[] => Array.from({ length: count }, (_, at) => ({ step: at + 1, epoch: 0, ...of(at + 1) }));
  assert.deepEqual(checkHealth(rows(30, (step) => ({ "rewards/accuracies": step === 1 ? 0 : 1 }))), [], "equal rewards count as 0 at first");
  assert.deepEqual(checkHealth(rows(30, (step) => ({ accuracy: step === 4 ? 0.875 : 1 }))), []);
  assert.deepEqual(checkHealth([{ step: 20, epoch: 0, "eval_rewards/accuracies": 1 }]), []);
  assert.deepEqual(checkHealth([{ step: 0, epoch: 0, "eval_rewards/accuracies": 1 }]).map(({ rule }) => rule), ["accurate-from-start"]);
  assert.deepEqual(checkHealth(rows(30, (step) => ({ learning_rate: step === 1 || step === 30 ? 0 : 1e-5 }))), []);
  assert.deepEqual(checkHealth(rows(30, (step) => ({ learning_rate: step < 20 ? 1e-5 : 0 }))).map(({ rule, step }) => [rule, step]), [["learning-rate-zero", 21]]);
  assert.deepEqual(checkHealth(rows(30, (step) => ({ kl: step % 2 ? -0.3 : 0.3 }))), [], "an estimate that scatters about zero");
  assert.deepEqual(checkHealth([]), []);
});

test("a trend's distance is Welch's statistic", () => {
  const trend = new Trend();
  [1, 2, 3, 7, 9, 8, 6, 10].forEach((value) => trend.add(value));
  // Means 2 and 8 with variances 1 of three values and 2.5 of five.
  assert.ok(trend.isReady && Math.abs(trend.moved - 6 / Math.sqrt(1 / 3 + 2.5 / 5)) < 1e-12);
  assert.ok(Math.abs(trend.fromZero - 8 / Math.sqrt(2.5 / 5)) < 1e-12);
});
