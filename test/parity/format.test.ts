import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { readDpoFile } from "../../scripts/parity/dpoFile";
import { Entry } from "../../scripts/parity/entry";
import { Report } from "../../scripts/parity/report";
import { readTokenizerFile } from "../../scripts/parity/tokenizerFile";

type Json = Record<string, unknown>;

const root = path.join(__dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-parity-"));
after(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): Json => JSON.parse(readFileSync(path.join(root, "test/fixtures", name), "utf8")) as Json;
const dpo = (change: (file: Json) => void = () => undefined) => {
  const file = fixture("dpo.json");
  change(file);
  return readDpoFile(new Entry(file, ""));
};

function parity(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "scripts/parity.ts", ...args], { cwd: root, encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

test("the golden file is read whole", () => {
  const file = dpo();
  assert.deepEqual(file.unknown, []);
  assert.deepEqual(file.tolerances, { sequenceLogp: 5e-3, loss: 1e-4, gradNorm: 1e-3 });
  assert.deepEqual(file.models.map(({ place, logits, hidden }) => [place, logits.length, hidden.length]), [["ref_f32", 1, 0], ["ref_f64", 1, 1], ["policy_f32", 1, 0], ["policy_f64", 1, 1]]);
  assert.deepEqual([file.pairs.length, file.trl.length, file.closedForms.length, file.gradients.length, file.optimizers.length], [8, 8, 2, 1, 1]);
  const { start, beta, learningRate, weightDecay, maxGradNorm, batch } = file.optimizers[0]!;
  assert.deepEqual({ start, beta, learningRate, weightDecay, maxGradNorm, batch }, { start: "ref", beta: 0.1, learningRate: 1e-5, weightDecay: 0, maxGradNorm: 0, batch: 8 });
});

test("settings are read from the names of entries", () => {
  const file = dpo((json) => {
    json["adamw_3steps_beta1_lr2e-06_wd0.01_clip0.5_start_at_policy_batch8"] = json["adamw_5steps_beta0.1_lr1e-5_wd0_noclip_start_at_ref_batch8"];
    json["grad_ref_beta0.05_all_8_pairs"] = json["grad_policy_beta1_all_8_pairs"];
  });
  const { start, beta, learningRate, weightDecay, maxGradNorm } = file.optimizers[1]!;
  assert.deepEqual({ start, beta, learningRate, weightDecay, maxGradNorm }, { start: "policy", beta: 1, learningRate: 2e-6, weightDecay: 0.01, maxGradNorm: 0.5 });
  assert.deepEqual([file.gradients[1]!.which, file.gradients[1]!.beta, file.gradients[1]!.pairs], ["ref", 0.05, 8]);
});

test("entries may be absent, tolerances may be the file's, and what is not known is listed", () => {
  const file = dpo((json) => {
    for (const key of Object.keys(json)) if (!["pairs", "ref_f32"].includes(key)) delete json[key];
    json.suggested_tolerances = { loss_rel: 1e-3 };
    json.surprise = 1;
    json.adamw_strange = [];
    (json.ref_f32 as Json).attention = {};
  });
  assert.deepEqual(file.tolerances, { sequenceLogp: 5e-3, loss: 1e-3, gradNorm: 1e-3 });
  assert.deepEqual(file.unknown, ["ref_f32.attention", "surprise", "adamw_strange"]);
  assert.deepEqual([file.models.length, file.trl.length, file.optimizers.length], [1, 0, 0]);
});

test("a file that is not as the format has it is refused with the place", () => {
  const set = (json: Json, keys: (string | number)[], value: unknown): void => {
    const last = keys.pop()!;
    const holder = keys.reduce((at, key) => (at as Json)[key] as Json, json as unknown) as Json;
    if (value === undefined) delete holder[last];
    else holder[last] = value;
  };
  const refused = (keys: (string | number)[], value: unknown, message: RegExp) => assert.throws(() => dpo((json) => set(json, keys, value)), message);
  refused(["pairs"], [], /pairs is empty/);
  refused(["pairs", 2, "prompt_ids"], undefined, /pairs\[2\]\.prompt_ids is missing/);
  refused(["pairs", 0, "chosen_ids", 3], 1.5, /pairs\[0\]\.chosen_ids\[3\]: a whole number of 0 or more is needed, not 1\.5/);
  refused(["ref_f64", "logps", "chosen", 1], "x", /ref_f64\.logps\.chosen\[1\]: a number is needed, not "x"/);
  refused(["ref_f64", "logps", "rejected"], [1], /ref_f64\.logps\.rejected has 1 values; 8 are needed/);
  refused(["policy_f32", "token_logps", "chosen", 0], [1], /policy_f32\.token_logps\.chosen\[0\] has 1 values; 89 are needed/);
  refused(["ref_f32", "logits_pair0_chosen", "positions", 0], 136, /positions names 136; prompt and answer have 136 tokens/);
  refused(["trl_losses_from_f64_logps_of_all_8_pairs", 0, "loss"], null, /trl_losses_from_f64_logps_of_all_8_pairs\[0\]\.loss: a number is needed, not null/);
  refused(["trl_losses_from_f64_logps_of_all_9_pairs"], [], /names 9 pairs, the file has 8/);
  refused(["ref_f32", "logits_pair9_chosen"], {}, /logits_pair9_chosen is of pair 9; the file has 8/);
  assert.throws(() => readTokenizerFile(new Entry({ strings: ["a"], ids: [[1], [2]] }, "")), /ids has 2 values; 1 are needed/);
  assert.throws(() => readTokenizerFile(new Entry({ strings: [] }, "")), /no ids, no decodings and no chats/);
});

test("a figure within its tolerance passes, one outside fails, and so does what is no number", () => {
  const report = new Report();
  report.close("kind", "a", 1.0005, 1, { relative: 1e-3 });
  report.close("kind", "b", 1.002, 1, { relative: 1e-3 });
  report.close("kind", "c", 1e-5, 0, { absolute: 1e-4, relative: 1e-3 });
  for (const broken of [NaN, Infinity, -Infinity]) report.close("kind", "d", broken, 1, { absolute: 10 });
  report.same("texts", "e", "one", "one");
  report.same("texts", "f", [1, 2], [1, 3]);
  report.unsupported("g", "why");
  assert.deepEqual(report.totals, { checked: 8, failed: 5, unsupported: 1 });
  const text = report.lines().join("\n");
  for (const part of [/FAIL {2}kind: 4 of 6 failed/, /b: computed 1\.002000, the file has 1: off by 0\.0020 of the value/, /d: computed NaN/, /FAIL {2}texts: 1 of 2 failed/, /f: computed \[1,2\], the file has \[1,3\]/, /g: why/]) assert.match(text, part);
  assert.doesNotMatch(text, /^ {8}[ace]:/m);
});

test("the command: exit code 2 and a sentence for what cannot be read, usage without files", () => {
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const refused = (file: string, message: RegExp) => {
    const { code, out, err } = parity(file);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, message);
    assert.doesNotMatch(err, /at .*\.ts:/);
  };
  refused(path.join(folder, "absent.json"), /parity: .*absent\.json: ENOENT/);
  refused(write("broken.json", '{"pairs": [NaN]}'), /broken\.json: no valid JSON/);
  refused(write("other.json", '{"rows": []}'), /other\.json: the file has neither pairs nor strings/);
  refused(write("list.json", "[1]"), /list\.json: the file: an object is needed, not \[1\]/);
  assert.deepEqual([parity().code, parity("--help").code], [2, 0]);
  assert.match(parity("--help").out, /npm run parity -- FILE/);
});

test("the command: a tokenizer file passes, and one value changed in each section fails with its place", () => {
  const golden = "test/fixtures/tokenizer.json";
  const clean = parity(golden);
  assert.equal(clean.code, 0, clean.err);
  assert.deepEqual(JSON.parse(clean.out.trim().split("\n").at(-1)!), { checked: 302, failed: 0, unsupported: 0 });

  const changed = fixture("tokenizer.json") as unknown as { ids: number[][]; decoded: string[]; chats: { text: string; ids: number[] }[]; extra: number };
  changed.ids[3]![0]! += 1;
  changed.decoded[5] += " ";
  changed.chats[2]!.text = changed.chats[2]!.text.replace("helpful", "helpfull");
  changed.chats[4]!.ids.pop();
  changed.extra = 1;
  const file = path.join(folder, "changed.json");
  writeFileSync(file, JSON.stringify(changed));
  const { code, out } = parity(golden, file);
  assert.equal(code, 1);
  // The changed ids decode to another text too.
  assert.deepEqual(JSON.parse(out.trim().split("\n").at(-1)!), { checked: 604, failed: 5, unsupported: 1 });
  for (const place of ["ids[3]", "decoded[3]", "decoded[5]", "chats[2].text", "chats[4].ids", "extra"]) assert.ok(out.includes(`        ${place}: `), place);
});
