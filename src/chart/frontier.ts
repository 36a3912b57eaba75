import { finite, mean } from "./bins";
import { makeFigure } from "./bundle";
import { short } from "./describe";
import { type AxisOptions, type Figure, markup, plainNumbers, requireSameLength, type Trace } from "./figure";
import { meanInterval } from "../stats/interval";
import { axis, baseLayout, colour, DASHES, INK, withOpacity } from "./theme";

/** One setting of a method, as it came out in one or more runs. */
export interface FrontierPoint {
  /** What the point is called: "β = 0.1". */
  setting?: string;
  /** Each run's cost, as its KL to the reference, and its gain, as its reward: one value for each seed. */
  x: readonly number[];
  y: readonly number[];
}

export interface FrontierOptions {
  title: string;
  x: AxisOptions;
  y: AxisOptions;
  methods: { name: string; points: FrontierPoint[] }[];
  height?: number;
}

const BEST = "no other is better in both";

interface Place {
  setting: string;
  x: number;
  mean: number;
  low: number;
  high: number;
  runs: number;
}

function placesOf({ name, points }: FrontierOptions["methods"][number]): Place[] {
  return points
    .map((point, index) => {
      requireSameLength(`frontier: point ${index} of "${name}"`, point.x, point.y);
      const [x, y] = [finite(point.x), finite(point.y)];
      if (x.length === 0 || y.length === 0) throw new RangeError(`frontier: point ${index} of "${name}" has no finite values; give the values of one run at least.`);
      return { setting: point.setting ?? "", x: mean(x), ...meanInterval(y), runs: y.length };
    })
    .sort((a, b) => a.x - b.x);
}

/** True for a place that no other reaches with less cost and no less gain. */
const isOnFrontier = (place: Place, all: Place[]): boolean => !all.some((other) => other !== place && other.x <= place.x && other.mean >= place.mean && (other.x < place.x || other.mean > place.mean));

function methodTraces(name: string, places: Place[], all: Place[], index: number): Trace[] {
  const hue = colour(index);
  const back = [...places].reverse();
  const labelled = places.some(({ setting }) => setting !== "");
  const best = places.filter((place) => isOnFrontier(place, all));
  const words = places.map((place) => `${place.setting || "a point"} at ${short(place.x)} with ${short(place.mean)} (${short(place.low)} to ${short(place.high)})${best.includes(place) ? ", on the frontier" : ""}`).join("; ");
  return [
    {
      type: "scatter", mode: "lines", name: markup(`${name}, 95 % interval`), legendgroup: markup(name), showlegend: false, hoverinfo: "skip",
      x: plainNumbers([...places, ...back].map(({ x }) => x)), y: plainNumbers([...places.map(({ high }) => high), ...back.map(({ low }) => low)]),
      fill: "toself", fillcolor: withOpacity(hue, 0.18), line: { width: 0, color: hue },
    },
    {
      type: "scatter", mode: labelled ? "text+lines+markers" : "lines+markers", name: markup(name), legendgroup: markup(name), meta: { words },
      x: plainNumbers(places.map(({ x }) => x)), y: plainNumbers(places.map((place) => place.mean)),
      ...(labelled ? { text: places.map(({ setting }) => markup(setting)), textposition: "top center" as const, textfont: { color: INK } } : {}),
      line: { color: hue, width: 2, dash: DASHES[index % DASHES.length]! }, marker: { color: hue, size: 7 },
    },
  ];
}

/** Grey diamonds under the points of the frontier. */
function frontierTrace(all: Place[]): Trace {
  const best = all.filter((place) => isOnFrontier(place, all));
  return {
    type: "scatter", mode: "markers", name: BEST, hoverinfo: "skip", x: plainNumbers(best.map(({ x }) => x)), y: plainNumbers(best.map((place) => place.mean)),
    marker: { color: INK, size: 17, symbol: "diamond", opacity: 0.6 },
  };
}

/**
 * What each method gains against what it costs, as reward against KL to the reference (Gao et al. 2023, figure 1): each
 * point is the mean over a setting's runs, the band its 95 % interval by Student's t. Diamonds are the points that no
 * other beats in both.
 * @throws RangeError for a point without a finite value, or with more values on one axis than on the other
 */
export function frontierChart(options: FrontierOptions): Figure {
  const methods = options.methods.map((method) => placesOf(method));
  const all = methods.flat();
  return makeFigure(
    [...(all.length > 0 ? [frontierTrace(all)] : []), ...options.methods.flatMap(({ name }, index) => methodTraces(name, methods[index]!, all, index))],
    { ...baseLayout({ title: options.title, height: options.height, legend: [BEST, ...options.methods.map(({ name }) => name)] }), xaxis: axis(options.x), yaxis: axis(options.y) },
  );
}
