import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { parseAllOptions, runAll, type AllOptions, type Ended } from "../../bench/all";
import { BenchFailure } from "../../bench/failure";
import { thisMachine } from "../../bench/machine";
import { describeMinutes, minutesLeft, partFile, planParts, type PlannedPart } from "../../bench/parts";
import { sourceSum } from "../../bench/results";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-all-"));
after(() => rmSync(folder, { recursive: true }));

const NAMES = ["step", "dpo"];
const failure = (code: number, message: RegExp) => (error: unknown): boolean => error instanceof BenchFailure && error.exitCode === code && message.test(error.message);

test("options: everything by default, and what cannot be is refused by name", () => {
  assert.deepEqual(parseAllOptions([], NAMES), { only: null, plan: false, fresh: false, folder: "runs/bench", out: "docs", readme: "README.md", anyway: false });
  assert.deepEqual(parseAllOptions(["--only", "dpo, step", "--plan"], NAMES), { only: ["dpo", "step"], plan: true, fresh: false, folder: "runs/bench", out: "docs", readme: null, anyway: false });
  assert.equal(parseAllOptions(["--only", "dpo", "--readme", "R.md"], NAMES).readme, "R.md");
  assert.throws(() => parseAllOptions(["--only", "dpo,speed"], NAMES), failure(2, /--only dpo,speed: "speed" is no bench; there are step, dpo/));
  assert.throws(() => parseAllOptions(["--steps", "3"], NAMES), failure(2, /--steps.*bench -- all --help/s));
});

const benches = {
  step: { usage: "--anyway", parts: (out: string) => [{ args: ["--shape", "4x128"], minutes: 3 }, { args: ["--out", out], minutes: 6 }] },
  dpo: { usage: "" },
};

test("parts: each bench's own in order, with --anyway where it is known, and one of ten minutes for a bench that names none", () => {
  const parts = planParts(benches, "docs", true);
  assert.deepEqual(parts.map(({ name, minutes }) => [name, minutes]), [["step --shape 4x128 --anyway", 3], ["step --out docs --anyway", 6], ["dpo", 10]]);
  assert.equal(partFile(parts[0]!), "step-shape-4x128-anyway.json");
  assert.equal(new Set(parts.map(partFile)).size, 3);
});

test("time left: what is thought, by how the parts so far compared", () => {
  const parts = planParts(benches, "docs", false);
  assert.equal(minutesLeft(parts, []), 19);
  // 3 thought minutes took 4.5: half as long again.
  assert.equal(minutesLeft(parts.slice(1), [{ minutes: 3, seconds: 270 }]), 24);
  assert.deepEqual([0.2, 12.4, 60, 83].map(describeMinutes), ["under a minute", "12 min", "1 h 0 min", "1 h 23 min"]);
});

const row = { work: "the work", ours: { side: "alignlab", setting: "float32", median_seconds: 1, spread: 0, peak_bytes: 1e9 }, peer: null, ratio: null, memory_ratio: null };
const good: Ended = { code: 0, lastLine: JSON.stringify({ table: [row], versions: { torch: "2" } }), errors: "" };

/** A run of all parts in a folder of its own, in which each part ends as told. */
function rig(name: string) {
  const place = path.join(folder, name);
  const options: AllOptions = { only: null, plan: false, fresh: false, folder: path.join(place, "kept"), out: path.join(place, "out"), readme: path.join(folder, `${name}.md`), anyway: false };
  writeFileSync(options.readme!, "<!-- bench:begin -->\n<!-- bench:end -->\n");
  const parts = planParts(benches, "docs", false);
  const lines: string[] = [];
  const ran: string[] = [];
  const run = async (endings: Record<string, Ended | "stop">, more: Partial<AllOptions> & { source?: string } = {}): Promise<void> => {
    ran.length = lines.length = 0;
    const stop = new AbortController();
    const runPart = async (part: PlannedPart): Promise<Ended> => {
      ran.push(part.name);
      const ending = endings[part.name] ?? good;
      if (ending === "stop") stop.abort();
      return ending === "stop" ? { code: 1, lastLine: "", errors: "" } : ending;
    };
    await runAll(parts, { ...options, ...more }, { run: runPart, signal: stop.signal, source: more.source ?? "one", machine: thisMachine() }, (line) => lines.push(line));
  };
  return { options, run, ran, lines, said: () => lines.join("\n"), readme: () => readFileSync(options.readme!, "utf8") };
}

test("after a stop the same command measures what is missing, and only then are results done with", async () => {
  const { options, run, ran, said, readme } = rig("stopped");
  await assert.rejects(run({ dpo: "stop" }), failure(130, /Stopped at dpo\. 2 of 3 parts are kept/));
  assert.equal(readme(), "<!-- bench:begin -->\n<!-- bench:end -->\n");
  await run({});
  assert.deepEqual(ran, ["dpo"]);
  assert.match(said(), /1 of 3 parts to measure, the others are kept in .*: about 10 min/);
  assert.match(readme(), /^\| `step` \| the work \| float32 \| none \|/m);
  const [json] = readdirSync(options.out);
  assert.match(json!, /^bench-\d{4}-\d\d-\d\d\.json$/);
  const results = JSON.parse(readFileSync(path.join(options.out, json!), "utf8")) as { part: string; status: string; json: { table: object[] } }[];
  assert.deepEqual(results.map(({ part, status }) => [part, status]), [["step --shape 4x128", "measured"], ["step --out docs", "measured"], ["dpo", "measured"]]);
  assert.deepEqual(results[0]!.json.table, [row]);
  assert.ok(!existsSync(options.folder));
  await run({});
  assert.equal(ran.length, 3);
});

test("a disturbed and a failed part do not lose the others, the table names them, and only they are measured again", async () => {
  const { run, ran, said, readme } = rig("disturbed");
  await assert.rejects(run({ "step --shape 4x128": { code: 3, lastLine: "", errors: "The machine is busy." }, dpo: { code: 1, lastLine: "", errors: "stack\nno such file" } }), failure(1, /failed: dpo; disturbed: step --shape 4x128/));
  assert.equal(ran.length, 3);
  assert.match(readme(), /^\| `step` \| step --shape 4x128 \| disturbed \|/m);
  assert.match(readme(), /^\| `dpo` \| dpo \| failed \| exit code 1: no such file \|/m);
  assert.deepEqual((JSON.parse(said().split("\n").at(-1)!) as { disturbed: string[]; measured: string[] }).measured, ["step --out docs"]);
  await assert.rejects(run({ dpo: { code: 3, lastLine: "", errors: "busy" } }), failure(3, /disturbed: dpo/));
  assert.deepEqual(ran, ["step --shape 4x128", "dpo"]);
});

test("a bench whose last line is no table is a failure, not an empty line", async () => {
  const { run, readme } = rig("silent");
  await assert.rejects(run({ dpo: { code: 0, lastLine: "done", errors: "" }, "step --out docs": { code: 0, lastLine: "{}", errors: "" } }), failure(1, /failed: step --out docs, dpo/));
  assert.match(readme(), /its last line is no JSON: done/);
  assert.match(readme(), /its JSON line has no table/);
});

test("results of other code are not mixed with new ones, nor kept ones with --fresh", async () => {
  const { run, ran } = rig("changed");
  await assert.rejects(run({ dpo: "stop" }), failure(130, /Stopped/));
  await assert.rejects(run({ dpo: "stop" }, { source: "two" }), failure(130, /Stopped/));
  assert.equal(ran.length, 3);
  await run({}, { source: "two", fresh: true });
  assert.equal(ran.length, 3);
});

test("--plan measures nothing", async () => {
  const { run, ran, said } = rig("planned");
  await run({}, { plan: true });
  assert.deepEqual(ran, []);
  assert.match(said(), /3 of 3 parts to measure: about 19 min on an idle machine/);
});

test("the sum of the sources is the same twice", () => {
  const root = path.join(__dirname, "..", "..");
  assert.match(sourceSum(root), /^[0-9a-f]{16}$/);
  assert.equal(sourceSum(root), sourceSum(root));
});
