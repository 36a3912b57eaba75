import assert from "node:assert/strict";
import { test } from "node:test";
import { barChart } from "../../src/chart/bar";
import { figureBundle } from "../../src/chart/bundle";
import { describe } from "../../src/chart/describe";
import { heatmap } from "../../src/chart/heatmap";
import { lineChart } from "../../src/chart/line";
import { show } from "../../src/chart/show";
import { trainingCurves } from "../../src/chart/training";
import { dpoLog } from "./gallery";

type Line = { name: string; x: (number | null)[]; y: (number | null)[]; xaxis: string; showlegend?: boolean };

test("training curves: each key in its panel, evaluation beside training, raw behind smoothed", () => {
  const rows = dpoLog(100);
  const { data, layout } = trainingCurves(rows, { maxSteps: 400 });
  const lines = data as Line[];
  const held = rows.filter((row) => row.eval_loss !== undefined);
  const evaluation = lines.filter((line) => line.name === "evaluation");
  assert.deepEqual(evaluation.map((line) => line.xaxis), ["x", "x2", "x3"]);
  assert.deepEqual(evaluation[0]!.x, held.map((row) => row.step));
  const raw = lines.find((line) => line.name === "training, raw")!;
  assert.equal(raw.x.length, 100, "evaluation rows are no points of the training curve");
  assert.ok(Math.abs(raw.y[10]! - rows[10]!.loss!) < 1e-5);
  assert.equal(lines.filter((line) => line.name === "training" && line.showlegend !== false).length, 1, "one legend entry for all panels");
  assert.deepEqual((layout as unknown as { xaxis2: { range: number[] } }).xaxis2.range, [0, 400], "the axis reaches to the run's end");
});

test("a key that no row has yet gives an empty panel that says so", () => {
  const { data, layout } = trainingCurves(dpoLog(3), { keys: ["loss", "entropy"] });
  assert.equal(new Set((data as Line[]).map((line) => line.xaxis)).size, 2);
  assert.equal(layout.annotations!.filter((note) => note.text === "no data yet").length, 1);
});

test("a figure as JSON has no typed array, no NaN and no text that plotly would take for markup", () => {
  const figure = lineChart({ title: "<|im_start|>", x: { label: "x" }, y: { label: "y" }, series: [{ name: "<s>", x: Float32Array.of(1, 2), y: Float64Array.of(0.5, NaN) }] });
  const bundle = figureBundle(figure);
  const plain = bundle["application/vnd.plotly.v1+json"] as { data: Line[]; layout: { title: { text: string } } };
  assert.deepEqual(plain.data[0]!.x, [1, 2]);
  assert.deepEqual(plain.data[0]!.y, [0.5, null]);
  assert.equal(plain.data[0]!.name, "&lt;s&gt;");
  assert.equal(plain.layout.title.text, "&lt;|im_start|&gt;");
  assert.deepEqual(Object.keys(bundle), ["application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"]);
  const raw = figureBundle({ data: [{ type: "scatter", y: Float32Array.of(1, 2) }], layout: {} });
  assert.deepEqual((raw["application/vnd.plotly.v1+json"] as { data: Line[] }).data[0]!.y, [1, 2], "a figure written by hand too");
});

test("a figure says in words what it shows", () => {
  const figure = lineChart({ title: "Loss", x: { label: "step" }, y: { label: "loss", unit: "nats" }, series: [{ name: "run", x: [1, 2, 3], y: [0.7, 0.9, 0.25] }] });
  assert.equal(describe(figure), "Loss\nloss (nats) against step\n  run: 3 points, from 0.7000 to 0.2500, lowest 0.2500, highest 0.9000");
  const bars = barChart({ title: "Bars", categories: { label: "kind", names: ["a", "b"] }, value: { label: "n" }, series: [{ name: "s", values: [1, NaN] }] });
  assert.match(describe(bars), /s: a 1\.000, b none/);
  assert.match(describe(trainingCurves([])), /no data yet/);
});

test("a heat map is thinned to what can be seen, by means over blocks", () => {
  const figure = heatmap({ title: "H", x: { label: "x" }, y: { label: "y" }, value: { label: "v" }, values: Array.from({ length: 240 }, (_, i) => Array.from({ length: 240 }, (_, j) => (i < 2 && j < 2 ? i + j : 5))) });
  const { z, x } = figure.data[0] as unknown as { z: number[][]; x: number[] };
  assert.equal(z.length, 120);
  assert.equal(z[0]![0], 1, "the mean of 0, 1, 1, 2");
  assert.equal(x[0], 0.5, "the centre of columns 0 and 1");
});

test("input that does not fit is refused with what to do", () => {
  const axes = { x: { label: "x" }, y: { label: "y" } };
  assert.throws(() => lineChart({ title: "T", ...axes, series: [{ name: "run", x: [1, 2], y: [1] }] }), /series "run": x has 2 values and y has 1/);
  assert.throws(() => barChart({ title: "T", categories: { label: "c", names: ["a"] }, value: { label: "v" }, series: [{ name: "s", values: [1, 2] }] }), /bars "s"/);
  assert.throws(() => heatmap({ title: "T", x: { label: "x", names: ["a"] }, y: { label: "y" }, value: { label: "v" }, values: [[1, 2]] }), /1 names for 2 columns/);
  assert.throws(() => trainingCurves([], { keys: [] }), /at least one key/);
  assert.throws(() => show({} as never), /not a figure/);
});
