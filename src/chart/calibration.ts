import type { Reliability } from "../loss/calibration";
import { makeFigure } from "./bundle";
import { type Figure, markup, plainNumbers, type Trace } from "./figure";
import { wilson } from "../stats/interval";
import { axis, baseLayout, colour, DASHES, INK, withOpacity } from "./theme";

export interface CalibrationOptions {
  title: string;
  /** One curve for each model or each stage of a training, of `reliability(margins)`. */
  curves: { name: string; reliability: Reliability }[];
  height?: number;
}

function curveTrace({ name, reliability }: CalibrationOptions["curves"][number], index: number): Trace {
  const bins = reliability.bins.filter(({ count }) => count > 0);
  const bounds = bins.map(({ accuracy, count }) => wilson(accuracy, count));
  const words = `expected calibration error ${reliability.expectedCalibrationError.toFixed(3)}; ${bins.map((bin) => `at confidence ${bin.confidence.toFixed(2)} ${(100 * bin.accuracy).toFixed(0)} % of ${bin.count} right`).join(", ")}`;
  return {
    type: "scatter", mode: "lines+markers", name: markup(nameOf({ name, reliability })),
    x: plainNumbers(bins.map(({ confidence }) => confidence)), y: plainNumbers(bins.map(({ accuracy }) => accuracy)),
    line: { color: colour(index), width: 2, dash: DASHES[index % DASHES.length]! }, marker: { color: colour(index), size: 7 },
    error_y: {
      type: "data", symmetric: false, color: colour(index), thickness: 1.5, width: 4,
      array: plainNumbers(bins.map(({ accuracy }, at) => bounds[at]!.high - accuracy)) as number[],
      arrayminus: plainNumbers(bins.map(({ accuracy }, at) => accuracy - bounds[at]!.low)) as number[],
    },
    legendgroup: name, meta: { words },
  };
}

const nameOf = ({ name, reliability }: CalibrationOptions["curves"][number]): string => `${name}, ECE ${reliability.expectedCalibrationError.toFixed(3)}`;

function countTrace({ name, reliability }: CalibrationOptions["curves"][number], index: number, curves: number): Trace {
  const { bins } = reliability;
  const width = (bins[0]!.to - bins[0]!.from) / curves;
  return {
    type: "bar", name: markup(`pairs, ${name}`), xaxis: "x2", yaxis: "y2", legendgroup: name, showlegend: false,
    x: plainNumbers(bins.map(({ from }) => from + width * (index + 0.5))), y: bins.map(({ count }) => count),
    width: Number((width * 0.9).toPrecision(6)), marker: { color: withOpacity(colour(index), 0.7) },
  };
}

/**
 * A reliability diagram (Guo et al. 2017, figure 1): how often the preferred answer is the one to which a model gives the
 * greater reward, against how sure it is. On the dotted line it is as often right as it says; below it is overconfident.
 * Bars are 95 % intervals after Wilson; below stands how many pairs each bin holds.
 */
export function calibrationChart(options: CalibrationOptions): Figure {
  const line: Trace = {
    type: "scatter", mode: "lines", name: "as often right as sure", x: [0.5, 1], y: [0.5, 1],
    line: { color: INK, width: 1, dash: "dot" }, hoverinfo: "skip", showlegend: false,
  };
  const range: [number, number] = [0.48, 1.02];
  return makeFigure([line, ...options.curves.map(curveTrace), ...options.curves.map((curve, index) => countTrace(curve, index, options.curves.length))], {
    ...baseLayout({ title: options.title, height: options.height ?? 420, legend: options.curves.map(nameOf) }),
    barmode: "overlay",
    xaxis: { ...axis({ label: "", range }), domain: [0, 1], anchor: "y" },
    yaxis: { ...axis({ label: "share right", range: [-0.03, 1.03] }), domain: [0.36, 1], anchor: "x" },
    xaxis2: { ...axis({ label: "confidence, σ(|reward margin|)", range }), domain: [0, 1], anchor: "y2" },
    yaxis2: { ...axis({ label: "pairs" }), domain: [0, 0.24], anchor: "x2", rangemode: "tozero", nticks: 4 },
  });
}
