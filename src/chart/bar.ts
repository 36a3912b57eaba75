import { makeFigure } from "./bundle";
import { type Figure, markup, type Numbers, plainNumbers, requireSameLength, type Trace } from "./figure";
import { textWidth } from "./svg/text";
import { axis, baseLayout, categoryAxis, colour, FONT_SIZE, INK, WIDTH } from "./theme";

export interface BarSeries {
  name: string;
  values: Numbers;
  /** Half the height of each bar's error bar, or its distances down and up: `{ low, high }` as bounds in the values' units. */
  interval?: { low: Numbers; high: Numbers };
}

export interface BarChartOptions {
  title: string;
  /** What the bars are of: the label of the axis of categories. */
  categories: { label: string; names: string[] };
  /** What their lengths measure. */
  value: { label: string; unit?: string; range?: [number, number] };
  /** One series, or several that stand side by side in each category. */
  series: BarSeries[];
  /** Bars that lie; by default where the categories' names are too long to stand under the bars. */
  horizontal?: boolean;
  /** Writes each value at its bar; by default where there are at most 20 bars. */
  numbers?: boolean;
  height?: number;
}

const short = (value: number): string => String(Number(value.toPrecision(3))).replace("-", "\u2212");

function barTrace(series: BarSeries, index: number, names: string[], lying: boolean, numbers: boolean): Trace {
  requireSameLength(`bars "${series.name}"`, names, series.values);
  const values = plainNumbers(series.values);
  const { interval } = series;
  if (interval) {
    requireSameLength(`the interval's low bounds of "${series.name}"`, names, interval.low);
    requireSameLength(`the interval's high bounds of "${series.name}"`, names, interval.high);
  }
  const distance = (bounds: Numbers, sign: number): number[] => values.map((value, at) => sign * ((bounds[at] ?? 0) - (value ?? 0)));
  const error = interval && {
    type: "data" as const, array: distance(interval.high, 1), arrayminus: distance(interval.low, -1), symmetric: false,
    color: INK, thickness: 1.5, width: 4,
  };
  return {
    type: "bar",
    name: markup(series.name),
    orientation: lying ? "h" : "v",
    x: lying ? values : names.map(markup),
    y: lying ? names.map(markup) : values,
    marker: { color: colour(index) },
    ...(error ? (lying ? { error_x: error } : { error_y: error }) : {}),
    ...(numbers
      ? {
          text: values.map((value) => (value === null ? "" : short(value))),
          textposition: error ? "inside" : "outside",
          ...(error ? { insidetextanchor: "start" } : {}),
          cliponaxis: false,
          textangle: 0,
        }
      : {}),
  };
}

/** Bars for named categories, one series or several, with intervals and numbers. */
export function barChart(options: BarChartOptions): Figure {
  const { names } = options.categories;
  const widest = Math.max(0, ...names.map((name) => textWidth(name, FONT_SIZE)));
  const lying = options.horizontal ?? widest > (WIDTH - 90) / Math.max(1, names.length) - 8;
  const numbers = options.numbers ?? names.length * options.series.length <= 20;
  const legend = options.series.length > 1 ? options.series.map((series) => series.name) : [];
  const height = options.height ?? (lying ? Math.max(200, 110 + names.length * Math.max(24, 18 * options.series.length)) : undefined);
  const categories = categoryAxis(options.categories.label);
  const value = { ...axis(options.value), ...(options.value.range ? {} : { rangemode: "tozero" as const }) };
  return makeFigure(
    options.series.map((series, index) => barTrace(series, index, names, lying, numbers)),
    {
      ...baseLayout({ title: options.title, height, legend }),
      barmode: "group",
      bargap: 0.2,
      xaxis: lying ? value : categories,
      yaxis: lying ? { ...categories, autorange: "reversed" } : value,
    },
  );
}
