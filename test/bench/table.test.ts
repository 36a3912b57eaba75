import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { describeMachine, instructionsOf, type Machine } from "../../bench/machine";
import { benchMarkdown, betweenMarkers, describeDates, requireMarkers, writeTable } from "../../bench/readme";
import type { PartResult } from "../../bench/results";
import { spreadOf, tableRow, tableSide, type TableRow } from "../../bench/table";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-table-"));
after(() => rmSync(folder, { recursive: true }));

const side = (name: string, seconds: number[], peakBytes: number) => tableSide({ side: name, setting: "bfloat16", peakBytes, steps: seconds.map((each, round) => ({ round, seconds: each, cpuSeconds: each, loss: 0 })) });

test("medians, spread and ratios are those worked out by hand", () => {
  // Quartiles of 1, 2, 4, 7, 11 are 2 and 7: (7 − 2) ÷ 2 ÷ 4.
  assert.equal(spreadOf([11, 1, 4, 2, 7]), 0.625);
  assert.equal(spreadOf([3]), 0);
  const row = tableRow("work", side("alignlab", [11, 1, 4, 2, 7], 3e9), side("trl", [6, 10], 4e9));
  assert.deepEqual([row.ours.median_seconds, row.ours.spread, row.peer!.median_seconds, row.peer!.spread], [4, 0.625, 8, 0.125]);
  assert.deepEqual([row.ratio, row.memory_ratio], [2, 0.75]);
  const alone = tableRow("work", side("alignlab", [1], 3e9), null);
  assert.deepEqual([alone.ratio, alone.memory_ratio], [null, null]);
  const untimed = { ...side("alignlab", [1], 3e9), median_seconds: null };
  assert.deepEqual([tableRow("memory", untimed, untimed).ratio, tableRow("memory", untimed, untimed).memory_ratio], [null, 1]);
});

test("instruction sets are those among the flags of /proc/cpuinfo", () => {
  assert.deepEqual(instructionsOf("processor\t: 0\nflags\t\t: fpu avx avx2 avx512f avx512_bf16 amx_tile amx_bf16\nbugs\t\t: amx_int8\n"), ["AVX2", "AVX512", "AVX512_BF16", "AMX_BF16"]);
  assert.deepEqual(instructionsOf("processor : 0\n"), []);
});

const machine: Machine = { cpu: "A CPU", threads: 2, memoryGb: 25.2, instructions: ["AVX2", "AMX_BF16"], system: "Linux 6", node: "20.1.0" };

const result = (part: string, date: string, more: Partial<PartResult>): PartResult => ({ part, bench: part, status: "measured", reason: "", date, seconds: 60, source: "s", machine, json: null, ...more });
const measured = (rows: TableRow[], busy = false): Partial<PartResult> => ({ json: { table: rows, versions: { node: "20.1.0", torch: "2.15.0" }, busy } });

test("the table says what was measured, when and on what; parts without figures say why", () => {
  const text = benchMarkdown([
    result("dpo", "2026-11-24T23:00:00Z", measured([tableRow("DPO step | 8", side("alignlab", [2, 2, 2], 3e9), side("trl", [8, 8, 9], 6e9))])),
    result("load", "2026-11-25T01:00:00Z", measured([tableRow("start", side("alignlab", [1], 1e9), null)], true)),
    result("memory", "2026-11-25T02:00:00Z", { status: "disturbed", reason: "The machine is busy" }),
    result("reward", "2026-11-25T03:00:00Z", { status: "failed", reason: "exit code 1: no | such file\nmore" }),
  ], path.join("docs", "growth.svg"));
  const lines = text.split("\n");
  assert.equal(lines[0], "Measured from 24 November 2026 to 25 November 2026 on A CPU, 2 threads, 25.2 GB of memory, AVX2, AMX_BF16; Node 20.1.0, torch 2.15.0.");
  assert.ok(lines.includes("| `dpo` | DPO step \\| 8 | bfloat16 | TRL bfloat16 | 2.00 / 8.00 | 4.00 | 0.0 / 3.1 | 3.00 / 6.00 | 0.50 |"), text);
  assert.ok(lines.includes("| `load` | start (on a busy machine) | bfloat16 | none | 1.00 |  | 0.0 | 1.00 |  |"), text);
  assert.ok(lines.includes("| `memory` | memory | disturbed |  |  |  |  |  |  |"), text);
  assert.ok(lines.includes("| `reward` | reward | failed | exit code 1: no \\| such file |  |  |  |  |  |"), text);
  assert.match(text, /!\[[^\]]+\]\(docs\/growth\.svg\)/);
  const widths = new Set(lines.filter((line) => line.startsWith("|")).map((line) => line.replaceAll("\\|", "").split("|").length));
  assert.deepEqual([...widths], [11]);
  assert.equal(describeDates([result("a", "2026-11-25T03:00:00Z", {})]), "on 25 November 2026");
  assert.match(describeMachine({ ...machine, instructions: [], threads: 1 }), /1 thread, .*none of AVX2/);
});

test("the table replaces what stands between the marks, and nothing else", () => {
  const file = path.join(folder, "README.md");
  writeFileSync(file, "# A\n\n<!-- bench:begin -->\nold\n<!-- bench:end -->\n\nrest\n");
  writeTable(file, "new\n");
  writeTable(file, "newer");
  assert.equal(readFileSync(file, "utf8"), "# A\n\n<!-- bench:begin -->\nnewer\n<!-- bench:end -->\n\nrest\n");
});

test("a file without the marks is refused before anything is measured", () => {
  const refused = (run: () => void, message: RegExp): void => assert.throws(run, (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  refused(() => betweenMarkers("R.md", "<!-- bench:end --> <!-- bench:begin -->", "x"), /R\.md lacks the lines <!-- bench:begin --> and <!-- bench:end -->/);
  refused(() => requireMarkers(path.join(folder, "none.md")), /none\.md: there is no such file/);
  requireMarkers(path.join(__dirname, "..", "..", "README.md"));
});
