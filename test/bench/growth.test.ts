import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { parseGrowthOptions } from "../../bench/growth";
import { growthChart, panelValues, roundTicks, type GrowthValue } from "../../bench/growthChart";
import { AXES, placeOn, pointName, pointsOf, pointsOn, stepsOf, type Point } from "../../bench/growthPoints";
import { growthCsv, growthRows, reportGrowth, type GrowthCell } from "../../bench/growthReport";

test("options: the three axes by default, and what cannot be is refused by name", () => {
  assert.deepEqual(parseGrowthOptions([]), { axes: ["tokens", "batch", "layers"], mostTokens: 4096, peer: "torch", steps: undefined, out: "runs/bench", anyway: false });
  assert.deepEqual(parseGrowthOptions(["--axis", "layers", "--most-tokens", "512", "--peer", "none", "--steps", "2", "--out", "x", "--anyway"]), { axes: ["layers"], mostTokens: 512, peer: "none", steps: 2, out: "x", anyway: true });
  const refused = (args: string[], message: RegExp): void => assert.throws(() => parseGrowthOptions(args), (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  refused(["--axis", "width"], /--axis width: tokens, batch or layers is needed/);
  refused(["--most-tokens", "64"], /--most-tokens 64: a whole number from 128 to 4096/);
  refused(["--steps", "0"], /--steps 0/);
  refused(["--speed"], /--speed.*bench -- growth --help/s);
});

test("points: tokens 64 to 2,048, batch 1 to 32, layers 6 to 30, each once, fewer steps for more work", () => {
  const ends = AXES.map((axis) => [pointsOn(axis, 4096)[0]!, pointsOn(axis, 4096).at(-1)!].map((point) => placeOn(axis, point)));
  assert.deepEqual(ends, [[64, 2048], [1, 32], [6, 30]]);
  const all = pointsOf(AXES, 4096);
  // 6, 6 and 5 points; 1x128 and 4x128 with all layers lie on two axes.
  assert.equal(all.length, 15);
  assert.equal(new Set(all.map(pointName)).size, 15);
  assert.deepEqual(pointsOf(["batch"], 512).map(({ batch }) => batch), [1, 2, 4]);
  assert.deepEqual([64, 512, 1024].map((length) => stepsOf({ batch: 1, length, layers: 30 }).timed), [5, 5, 3]);
  assert.deepEqual(stepsOf({ batch: 16, length: 128, layers: 6 }), { warmUp: 1, timed: 5 });
});

test("ticks are 1, 2 and 5 times powers of ten, from below the lowest to above the highest", () => {
  assert.deepEqual(roundTicks([0.3, 4]), [0.2, 0.5, 1, 2, 5]);
  assert.deepEqual(roundTicks([1, 10]), [1, 2, 5, 10]);
  assert.deepEqual(roundTicks([3]), [2, 5]);
});

const point = (batch: number, length: number, layers = 30): Point => ({ batch, length, layers });

test("a panel has the points of its axis alone, in growing order", () => {
  const value = (at: Point, seconds: number, name = "ours"): GrowthValue => ({ point: at, name, seconds, bytes: 1e9 * seconds });
  const values = [value(point(2, 128), 2), value(point(1, 128), 1), value(point(1, 64), 0.5), value(point(1, 64), 9, "torch"), value(point(4, 128, 6), 3)];
  assert.deepEqual(panelValues("tokens", 4096, values, "ours", ({ seconds }) => seconds), { x: [64, 128], y: [0.5, 1] });
  assert.deepEqual(panelValues("batch", 4096, values, "ours", ({ seconds }) => seconds), { x: [1, 2], y: [1, 2] });
  assert.deepEqual(panelValues("layers", 4096, values, "ours", ({ seconds }) => seconds), { x: [6], y: [3] });
  const { data, layout } = growthChart(AXES, 4096, values, "Growth");
  const panels = new Set(data.map((trace) => (trace as { yaxis?: string }).yaxis));
  // Seconds and memory of three axes; torch has values on one axis alone.
  assert.equal(panels.size, 6);
  assert.equal(data.length, 8);
  assert.deepEqual((layout as { xaxis: { type: string; tickvals: number[] } }).xaxis.tickvals, [64, 128, 256, 512, 1024, 2048]);
});

/** A point at which ours takes one second of each three of torch's. */
function cell(at: Point, gradientNorm = 1): GrowthCell {
  const side = (name: string, setting: string, seconds: number[], peakBytes: number, norm: number): GrowthCell["sides"][number] => ({
    measured: { side: name, setting, peakBytes, steps: seconds.map((each, round) => ({ round, seconds: each, cpuSeconds: each, loss: 2 })) },
    check: { loss: 2, gradientNorm: norm }, versions: { [name]: "1" }, others: 0.02, disturbed: 0, ...(name === "alignlab" ? { predictedBytes: 2.1e9 } : {}),
  });
  return { point: at, skipped: [], sides: [side("alignlab", "bfloat16", [1, 1, 1], 2e9, gradientNorm), side("torch", "bfloat16 autocast", [3, 3, 4], 4e9, 1)] };
}

test("rows: ratios against the peer at the same point; sides that compute something else are not compared", () => {
  const [ours, torch] = growthRows([cell(point(1, 64))]);
  assert.deepEqual([ours!.ratio, ours!.memory_ratio, ours!.predicted_bytes, torch!.ratio], [3, 0.5, 2.1e9, null]);
  assert.throws(() => growthRows([cell(point(1, 64), 1.2)]), /do not compute the same/);
  const acrossPrecisions = (gradientNorm: number): GrowthCell => {
    const { sides: [ours, peer], ...rest } = cell(point(1, 64), gradientNorm);
    return { ...rest, sides: [{ ...ours!, measured: { ...ours!.measured, setting: "float32" } }, peer!] };
  };
  assert.equal(growthRows([acrossPrecisions(1.45)]).length, 2, "norms in float32 and in bfloat16 differ over long rows");
  assert.throws(() => growthRows([acrossPrecisions(1.6)]), /do not compute the same/);
});

test("the report writes chart, CSV and JSON, and names what was left out", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-growth-"));
  try {
    const lines: string[] = [];
    const left: GrowthCell = { ...cell(point(1, 128)), skipped: [{ side: "torch", setting: "bfloat16 autocast", predictedBytes: 9e9, availableBytes: 4e9 }] };
    left.sides.pop();
    reportGrowth({ axes: AXES, mostTokens: 4096, cells: [cell(point(1, 64)), left] }, folder, (line) => lines.push(line));
    assert.ok(lines.includes("1x128, 30 layers: torch (bfloat16 autocast) was left out: about 9.0 GB would be needed, 4.0 GB are there."), lines.join("\n"));
    const json = JSON.parse(lines.at(-1)!);
    assert.deepEqual(json, JSON.parse(readFileSync(path.join(folder, "growth.json"), "utf8")));
    assert.deepEqual([json.points.length, json.skipped.length, json.table], [3, 1, []]);
    const csv = readFileSync(path.join(folder, "growth.csv"), "utf8").trim().split("\n");
    assert.deepEqual([csv.length, csv[1]], [4, "1,64,30,alignlab,bfloat16,1,0,2000000000,2100000000,3,0.5,3"]);
    assert.equal(growthCsv([]).split("\n").length, 2);
    const svg = readFileSync(path.join(folder, "growth.svg"), "utf8");
    for (const text of ["Alignlab, bfloat16", "PyTorch, bfloat16 autocast", "2,048", "peak memory in GB"]) assert.ok(svg.includes(text), text);
    assert.throws(() => reportGrowth({ axes: AXES, mostTokens: 4096, cells: [{ ...left, sides: [] }] }, folder, () => undefined), /No point fits into the memory/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
