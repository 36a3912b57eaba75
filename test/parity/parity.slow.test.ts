import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

const root = path.join(__dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-parity-"));
after(() => rmSync(folder, { recursive: true }));

const GRADIENT = "grad_policy_beta1_all_8_pairs";
const ADAMW = "adamw_5steps_beta0.1_lr1e-5_wd0_noclip_start_at_ref_batch8";
const TRL = "trl_losses_from_f64_logps_of_all_8_pairs";
const DOWN = "model.layers.0.mlp.down_proj.weight";

/**
 * One figure of each section, moved by about three times what it may be off: the keys that lead to it, its new value, and
 * how often it is compared. None of them is an input of another figure.
 */
const CHANGES: [keys: (string | number)[], change: (x: number) => number, times?: number][] = [
  [["completion_lengths", "rejected", 1], (x) => x + 1],
  [["ref_f32", "logps", "chosen", 3], (x) => x + 0.015, 2],
  [["policy_f32", "logps", "rejected", 6], (x) => x - 0.015, 2],
  [["ref_f64", "token_logps", "rejected", 1, 7], (x) => x + 0.0015],
  [["policy_f64", "logits_pair0_chosen", "values", 2, 3], (x) => x + 0.0015],
  [["ref_f32", "logits_pair0_chosen", "logsumexp", 1], (x) => x - 0.0015],
  [["ref_f64", "logits_pair0_chosen", "argmax", 0], (x) => x + 1],
  [["policy_f32", "logits_pair0_chosen", "top5_ids", 4, 1], (x) => x + 2],
  [["ref_f64", "hidden_prompt0", "15", "last_first8", 2], (x) => x + 0.005],
  [["policy_f64", "hidden_prompt0", "30", "norm_last"], (x) => x * 1.00003],
  [[TRL, 2, "loss"], (x) => x * 1.0003],
  [[TRL, 7, "loss"], (x) => x * 0.9997],
  [[TRL, 4, "metrics", "rewards/margins"], (x) => x + 3e-5],
  [["closed_form_from_f64_logps", 0, "per_pair", 3], (x) => x * 1.0003],
  [[GRADIENT, "loss"], (x) => x * 1.0003],
  [[GRADIENT, "total_norm"], (x) => x * 0.997],
  [[GRADIENT, "weights", DOWN, "norm"], (x) => x * 1.003],
  [[GRADIENT, "weights", DOWN, "sum"], (x) => x + 0.01],
  [[GRADIENT, "weights", DOWN, "first8", 4], (x) => x * 1.03],
  [[ADAMW, 1, "loss"], (x) => x * 1.0003],
  [[ADAMW, 1, "margins", 2], (x) => x + 0.003],
  [[ADAMW, 0, "grad_norm"], (x) => x * 1.003],
  [[ADAMW, 1, "acc"], (x) => x - 0.125],
  [[ADAMW, 1, "first4", DOWN, 0], (x) => x + 1.5e-6],
];

/** As the report writes a place: `a.b[1]`, with brackets and quotes around names that have dots or slashes in them. */
const placeOf = (keys: (string | number)[]): string =>
  keys.map((key, i) => (typeof key === "number" ? `[${key}]` : /[./]/.test(key) && i > 0 ? `["${key}"]` : i === 0 ? key : `.${key}`)).join("");

test("every section of the golden file is met, and every section fails where one figure is changed", () => {
  const golden = JSON.parse(readFileSync(path.join(root, "test/fixtures/dpo.json"), "utf8")) as Record<string, unknown>;
  const expected = CHANGES.map(([keys, change, times = 1]) => {
    const holder = keys.slice(0, -1).reduce((at, key) => (at as Record<string | number, unknown>)[key], golden as unknown) as Record<string | number, number>;
    const last = keys.at(-1)!;
    const right = holder[last]!;
    assert.equal(typeof right, "number", placeOf(keys));
    holder[last] = change(right);
    return { place: placeOf(keys), right, wrong: holder[last]!, times };
  });
  const pairs = golden.pairs as { rejected_ids: number[] }[];
  pairs[5]!.rejected_ids[2]! += 1;
  const losses = golden[TRL] as Record<string, unknown>[];
  losses.push({ ...losses[0], loss_type: "simpo", metrics: {} }, { ...losses[0], f_divergence: "squared_hellinger", metrics: {} }, { ...losses[0], ld_alpha: 0.5 });
  golden.surprise = 1;
  const file = path.join(folder, "changed.json");
  writeFileSync(file, JSON.stringify(golden));

  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "scripts/parity.ts", file], { cwd: root, encoding: "utf8" });
  assert.equal(status ?? signal, 1, stderr + stdout);
  const totals = JSON.parse(stdout.trim().split("\n").at(-1)!) as Record<string, number>;
  const failures = expected.reduce((sum, { times }) => sum + times, 1);
  assert.equal(totals.failed, failures, stdout);
  // 3,504 figures are in the file. The copies of TRL's losses that stay unsupported add none.
  assert.deepEqual(totals, { checked: 3504, failed: failures, unsupported: 4 }, stdout);
  for (const { place, right, wrong, times } of expected) {
    const lines = stdout.split("\n").filter((line) => line.startsWith(`        ${place}`) && line.includes("computed"));
    assert.equal(lines.length, times, `${place}\n${stdout}`);
    // The changed figure fails; the one that stood there before is what was computed, to a third of the change.
    const computed = Number(/computed (\S+),/.exec(lines[0]!)![1]);
    if (!/argmax|top5_ids/.test(place)) assert.ok(Math.abs(computed - right) < Math.abs(wrong - right) / 2.5, lines[0]);
  }
  for (const text of ["pairs[5].rejected_ids: computed", 'lossType is "simpo"', 'fDivergenceType is "squared_hellinger"', "ld_alpha (LD-DPO) is not supported", "surprise: not a part of the format"]) assert.ok(stdout.includes(text), `${text}\n${stdout}`);
});
