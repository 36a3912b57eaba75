import assert from "node:assert/strict";
import { test } from "node:test";
import { beside } from "../../src/chart/beside";
import { calibrationChart } from "../../src/chart/calibration";
import { confusionCounts, confusionMatrix } from "../../src/chart/confusion";
import { describe } from "../../src/chart/describe";
import { histogram } from "../../src/chart/distribution";
import { frontierChart } from "../../src/chart/frontier";
import { heatmap } from "../../src/chart/heatmap";
import { lengthChart } from "../../src/chart/lengths";
import { lineChart } from "../../src/chart/line";
import { rewardChart } from "../../src/chart/rewards";
import { bandwidth, density, ridges } from "../../src/chart/ridges";
import { renderSvg } from "../../src/chart/svg/render";
import { layTokens, tokenHeatmap } from "../../src/chart/tokens";
import { trainingCurves } from "../../src/chart/training";
import { reliability } from "../../src/loss/calibration";
import { dpoLog, normal, rlLog } from "./gallery";

type Drawn = { name: string; x: (number | null)[]; y: (number | null)[]; xaxis?: string; mode?: string; fill?: string; showlegend?: boolean };
const close = (value: number, wanted: number, within = 1e-6): void => assert.ok(Math.abs(value - wanted) <= within, `${value} is not ${wanted}`);

test("ridges: a density of area one about the sample, higher rows for earlier samples, all at one scale", () => {
  const sample = normal(400, 1, 2, 3).sort((a, b) => a - b);
  const places = Array.from({ length: 2001 }, (_, at) => -15 + at * 0.016);
  close(density(sample, places).reduce((sum, value) => sum + value * 0.016, 0), 1, 1e-3);
  const deviation = Math.sqrt(sample.reduce((sum, value) => sum + (value - sample.reduce((a, b) => a + b) / 400) ** 2, 0) / 399);
  assert.ok(bandwidth(sample) <= 0.9 * deviation * 400 ** -0.2 + 1e-12 && bandwidth(sample) > 0.7 * deviation * 400 ** -0.2);
  const figure = ridges({ title: "T", x: { label: "x" }, samples: [{ name: "first", values: sample }, { name: "wide", values: sample.map((value) => value * 2) }] });
  const [first, , wide] = figure.data as Drawn[];
  const height = ({ y }: Drawn): number => Math.max(...y.map(Number)) - Math.min(...y.map(Number));
  assert.ok(Math.min(...first!.y.map(Number)) > Math.min(...wide!.y.map(Number)), "the first stands above");
  close(height(first!) / height(wide!), 2, 0.25);
  assert.match(describe(figure), /first: 400 values, median [\d.]+, middle half from/);
  const needle = ridges({ title: "T", x: { label: "x" }, samples: [{ name: "a", values: sample }, { name: "one value", values: [3, 3, 3] }] }).data as Drawn[];
  assert.ok(height(needle[0]!) > 0.1, "a needle does not flatten the others");
  assert.doesNotThrow(() => ridges({ title: "T", x: { label: "x" }, samples: [{ name: "none", values: [] }] }));
});

test("tokens are laid out as text: whole where they fit, cut where longer than a line, broken after a line break", () => {
  const { pieces, lines } = layTokens(["The", " cat", " sat", "\n", "x".repeat(12), "", "漢字", "a\nb"], 8);
  assert.deepEqual(pieces.map(({ token, text, line, from, columns }) => [token, text, line, from, columns]), [
    [0, "The", 0, 0, 3], [1, " cat", 0, 3, 4], [2, " sat", 1, 0, 4], [3, "⏎", 1, 4, 1],
    [4, "xxxxxxxx", 2, 0, 8], [4, "xxxx", 3, 0, 4], [5, "∅", 3, 4, 1], [6, "漢字", 4, 0, 4], [7, "a⏎", 4, 4, 2], [7, "b", 5, 0, 1],
  ]);
  assert.equal(lines, 6);
});

test("a token heat map colours each token by its value, about zero, and says in words which stand out", () => {
  const figure = tokenHeatmap({ title: "T", value: { label: "difference" }, passages: [{ name: "chosen", tokens: ["Hi", " <b>", "!"], values: [2, -1, NaN] }, { tokens: ["no"], values: [0] }] });
  const [known, unknown] = figure.data as unknown as { text: string[]; marker: { color: (number | null)[]; cmin: number; cmax: number } }[];
  assert.deepEqual([known!.marker.color, known!.marker.cmin, known!.marker.cmax], [[2, -1], -2, 2]);
  assert.deepEqual(known!.text, ["Hi", "\u00a0&lt;b&gt;"]);
  assert.deepEqual(unknown!.text, ["!"]);
  const svg = renderSvg(figure);
  assert.match(svg, /fill="#d55e00"/, "the highest value in full vermilion");
  assert.match(svg, />\u00a0&lt;b&gt;<\/text>/);
  assert.match(describe(figure), /chosen: 3 tokens, mean 0\.5000; lowest " <b>" −1\.000, "Hi" 2\.000; .*text: Hi <b>!/);
  assert.throws(() => tokenHeatmap({ title: "T", value: { label: "d" }, passages: [{ tokens: ["a"], values: [] }] }), /passage 0.*x has 1 values and y has 0/);
});

test("rewards: the margin's share right of zero is the accuracy", () => {
  const figure = rewardChart({ title: "T", chosen: [1, 2, 0, NaN], rejected: [0, 3, 0, 1] });
  assert.match(String(figure.layout.annotations![1]!.text), /accuracy 0\.333 of 3 pairs/, "a tie counts as wrong, a pair without rewards not at all");
  assert.match(describe(figure), /rewards, chosen, mean 1/);
  assert.throws(() => rewardChart({ title: "T", chosen: [1], rejected: [] }), /chosen and rejected/);
});

test("calibration: a point for each bin that holds pairs, at its mean confidence and its share right", () => {
  const measured = reliability([0.1, -0.1, 3, 3, 3, -3]);
  const { data } = calibrationChart({ title: "T", curves: [{ name: "m", reliability: measured }] });
  const curve = data.find((trace) => (trace as Drawn).name.startsWith("m, ECE")) as Drawn;
  const sigma = (margin: number): number => 1 / (1 + Math.exp(-margin));
  curve.x.forEach((x, at) => close(x!, [sigma(0.1), sigma(3)][at]!, 1e-5));
  assert.deepEqual(curve.y, [0.5, 0.75]);
  assert.deepEqual((data.at(-1) as Drawn).y, [2, 0, 0, 0, 4]);
});

test("frontier: means with bands in the order of cost, and diamonds where no other is better in both", () => {
  const figure = frontierChart({
    title: "T", x: { label: "KL" }, y: { label: "reward" },
    methods: [{ name: "a", points: [{ setting: "late", x: [4], y: [1] }, { setting: "early", x: [1, 1], y: [0.4, 0.6] }] }, { name: "b", points: [{ x: [2], y: [0.4] }] }],
  });
  const [best, band, line] = figure.data as Drawn[];
  assert.deepEqual([best!.x, best!.y], [[1, 4], [0.5, 1]]);
  assert.deepEqual([line!.x, line!.y], [[1, 4], [0.5, 1]]);
  close(band!.y[0]! - 0.5, 12.706 * Math.sqrt(0.02 / 2), 1e-3);
  assert.match(describe(figure), /a: early at 1\.000 with 0\.5000 .*on the frontier; late at/);
  assert.throws(() => frontierChart({ title: "T", x: { label: "x" }, y: { label: "y" }, methods: [{ name: "a", points: [{ x: [NaN], y: [1] }] }] }), /point 0 of "a" has no finite values/);
});

test("a confusion matrix counts each pair of labels and colours by shares of rows", () => {
  assert.deepEqual(confusionCounts(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]), [[1, 1], [0, 1]]);
  const figure = confusionMatrix({ title: "T", actual: ["a", "a", "b"], predicted: ["a", "b", "b"] });
  assert.deepEqual((figure.data[0] as { z: unknown }).z, [[0.5, 0.5], [0, 1]]);
  assert.match(String(figure.layout.title!.text), /2 of 3, 66\.7 % right/);
  assert.match(renderSvg(figure), />1 \(50 %\)</);
  assert.throws(() => confusionMatrix({ title: "T", actual: ["a"], predicted: ["c"], labels: ["a"] }), /row 0 of predicted is "c"/);
  assert.throws(() => confusionMatrix({ title: "T", actual: ["a"], predicted: [] }), /actual has 1 labels and predicted 0/);
});

test("lengths: the legend says the median and how many are cut at the limit", () => {
  const { data } = lengthChart({ title: "T", samples: [{ name: "chosen", values: [1, 2, 3, 10] }], limit: 5 });
  assert.equal((data[0] as Drawn).name, "chosen, median 3, 25 % cut");
});

test("beside: axes of one label share a range, one legend entry a name, one colour scale", () => {
  const one = (title: string, shift: number) => histogram({ title, x: { label: "reward" }, means: "lines", samples: [{ name: "chosen", values: [shift, shift + 1, shift + 2] }, { name: "rejected", values: [shift, shift + 3] }] });
  const figure = beside({ title: "T", figures: [one("before", 0), one("after", 50)] });
  const layout = figure.layout as unknown as { xaxis: { domain: number[] }; xaxis2: { matches?: string; domain: number[] }; shapes: { xref: string }[] };
  assert.equal(layout.xaxis2.matches, "x");
  assert.ok(layout.xaxis.domain[1]! < layout.xaxis2.domain[0]!);
  assert.deepEqual(layout.shapes.map(({ xref }) => xref), ["x", "x", "x2", "x2"]);
  assert.deepEqual((figure.data as Drawn[]).filter(({ showlegend }) => showlegend).map(({ name }) => name), ["chosen", "rejected"]);
  assert.match(describe(figure), /before, chosen: .*\n.*\n {2}after, chosen: /);
  const map = (title: string, top: number) => heatmap({ title, x: { label: "x" }, y: { label: "y" }, value: { label: "v" }, values: [[0, top]] });
  const maps = beside({ title: "T", figures: [map("before", 1), map("after", 5)] }).data as unknown as { zmax: number; showscale: boolean }[];
  assert.deepEqual(maps.map(({ zmax, showscale }) => [zmax, showscale]), [[5, false], [5, undefined]]);
  assert.throws(() => beside({ title: "T", figures: [one("a", 0)] }), /there are 1 figures; give two to four/);
  assert.throws(() => beside({ title: "T", figures: [one("a", 0), figure] }), /figure 1 has panels of its own/);
});

test("training curves show what a method logs, and their words name the panel", () => {
  const titles = (rows: Parameters<typeof trainingCurves>[0]): string[] => trainingCurves(rows).layout.annotations!.map(({ text }) => String(text));
  assert.deepEqual(titles(rlLog(20)), ["mean reward", "KL to the reference (nats)", "entropy (nats)", "answer length (tokens)"]);
  assert.deepEqual(titles(dpoLog(20)), ["loss (nats)", "reward accuracy (share of pairs)", "reward margin (nats)"]);
  assert.deepEqual(titles([{ step: 1, epoch: 0, loss: 1, entropy: 2, mean_token_accuracy: 0.5, num_tokens: 9 }]), ["loss (nats)", "token accuracy (share of tokens)", "entropy (nats)"]);
  assert.match(describe(trainingCurves(dpoLog(20))), /reward margin \(nats\), training: 20 points/);
  assert.match(describe(lineChart({ title: "T", x: { label: "x" }, y: { label: "y" }, series: [{ name: "s", x: [1, 2], y: [1, 2] }] })), /^ {2}s: 2 points/m);
});
