import type { Layout } from "plotly.js-dist-min";
import { makeFigure } from "./bundle";
import type { TraceWords } from "./describe";
import type { Axis, Figure, Trace } from "./figure";
import { plainText } from "./svg/text";
import { baseLayout, FONT_SIZE, INK } from "./theme";

export interface BesideOptions {
  title: string;
  /** Charts of one panel each; their titles stand over their panels. */
  figures: Figure[];
  height?: number;
}

type Scatter = Extract<Trace, { type?: "scatter" }>;
type Heatmap = Extract<Trace, { type?: "heatmap" }>;
type Reference = { xref?: string; yref?: string };

const GAP = 72;
const SHARED_GAP = 30;

const words = (part: unknown): string => plainText(String((part as { text?: string } | undefined)?.text ?? "")).replace(/\s+/g, " ");
const idOf = (index: number): string => (index === 0 ? "" : String(index + 1));

/** True where all axes of that letter measure one thing: then they share one range, and only the first is named. */
function areShared(figures: Figure[], letter: "x" | "y"): boolean {
  const axes = figures.map(({ layout }) => layout[`${letter}axis`] ?? {});
  return axes.every((axis) => words(axis.title) === words(axes[0]!.title) && axis.type === axes[0]!.type && !axis.ticktext);
}

function moved<Part extends Reference>(part: Part, id: string): Part {
  const to = (reference: string | undefined, letter: "x" | "y"): string | undefined =>
    reference === undefined || reference === "paper" ? `${letter}${id} domain` : reference.replace(/^[xy]/, `${letter}${id}`);
  return { ...part, xref: to(part.xref, "x"), yref: to(part.yref, "y") };
}

/** One scale of colours for all heat maps, shown once, at the right. */
function oneColourRange(figures: Figure[]): { zmin: number; zmax: number } | undefined {
  const maps = figures.flatMap(({ data }) => data.filter((trace): trace is Heatmap => trace.type === "heatmap"));
  if (maps.length === 0) return undefined;
  return { zmin: Math.min(...maps.map((map) => Number(map.zmin))), zmax: Math.max(...maps.map((map) => Number(map.zmax))) };
}

function panelTraces({ data }: Figure, index: number, context: { figures: Figure[]; listed: Set<string>; range: ReturnType<typeof oneColourRange> }): Trace[] {
  const { figures, listed, range } = context;
  return data.map((trace): Trace => {
    const { name = "", showlegend, meta } = trace as Scatter;
    const place = { xaxis: `x${idOf(index)}` as "x", yaxis: `y${idOf(index)}` as "y", meta: { panel: words(figures[index]!.layout.title), ...(meta as TraceWords | undefined) } };
    if (trace.type === "heatmap") {
      const { colorbar, ...map } = trace as Heatmap;
      return { ...map, ...place, ...range, ...(index === figures.length - 1 ? { colorbar } : { showscale: false }) } as Trace;
    }
    const shown = showlegend !== false && !listed.has(name);
    if (shown) listed.add(name);
    return { ...trace, ...place, legendgroup: (trace as Scatter).legendgroup ?? name, showlegend: shown } as Trace;
  });
}

function panelAxes({ layout }: Figure, index: number, domain: [number, number], shared: { x: boolean; y: boolean }): Record<string, Axis> {
  const id = idOf(index);
  const follow = (letter: "x" | "y"): Axis => (shared[letter] && index > 0 ? { matches: letter } : {});
  const untitled: Axis = shared.y && index > 0 ? { title: { text: "" } } : {};
  return {
    [`xaxis${id}`]: { ...layout.xaxis, ...follow("x"), domain, anchor: `y${id}` } as Axis,
    [`yaxis${id}`]: { ...layout.yaxis, ...follow("y"), ...untitled, anchor: `x${id}` } as Axis,
  };
}

/**
 * Charts beside each other, as of before and after: axes that carry one label share one range, series of one name one
 * entry of the legend, heat maps one scale of colours.
 * @throws RangeError unless there are two to four charts of one panel each
 */
export function beside({ title, figures, height }: BesideOptions): Figure {
  if (figures.length < 2 || figures.length > 4) throw new RangeError(`beside: there are ${figures.length} figures; give two to four.`);
  const grid = figures.findIndex(({ layout }) => Object.keys(layout).some((key) => /^[xy]axis\d/.test(key)));
  if (grid >= 0) throw new RangeError(`beside: figure ${grid} has panels of its own; give charts of one panel.`);
  const shared = { x: areShared(figures, "x"), y: areShared(figures, "y") };
  const range = oneColourRange(figures);
  const names = [...new Set(figures.flatMap(({ data, layout }) => (layout.showlegend === false ? [] : data.filter((trace) => (trace as Scatter).showlegend !== false && trace.type !== "heatmap").map((trace) => plainText((trace as Scatter).name ?? "")))))];
  const layout = baseLayout({ title, height, legend: names, panelTitles: true, margin: range ? { r: Math.max(...figures.map((figure) => figure.layout.margin?.r ?? 0)) } : {} });
  const gap = (shared.y ? SHARED_GAP : GAP) / (layout.width - layout.margin.l - layout.margin.r);
  const width = (1 - gap * (figures.length - 1)) / figures.length;
  const domains = figures.map((_, index): [number, number] => [Number((index * (width + gap)).toFixed(5)), Number(Math.min(1, index * (width + gap) + width).toFixed(5))]);
  const listed = new Set<string>();
  const data = figures.flatMap((figure, index) => panelTraces(figure, index, { figures, listed, range }));
  const heads = figures.map((figure, index): NonNullable<Layout["annotations"]>[number] => ({
    text: String(figure.layout.title?.text ?? "").replace(/<br>/g, " "), showarrow: false, xref: "paper", yref: "paper",
    x: domains[index]![0], y: 1, xanchor: "left", yanchor: "bottom", font: { size: FONT_SIZE, color: INK },
  }));
  const { barmode, bargap } = figures.map((figure) => figure.layout).find((part) => part.barmode) ?? {};
  return makeFigure(data, {
    ...layout,
    ...(barmode ? { barmode, ...(bargap === undefined ? {} : { bargap }) } : {}),
    ...Object.assign({}, ...figures.map((figure, index) => panelAxes(figure, index, domains[index]!, shared))),
    annotations: [...heads, ...figures.flatMap((figure, index) => (figure.layout.annotations ?? []).map((note) => moved(note as Reference, idOf(index))))] as Layout["annotations"],
    shapes: figures.flatMap((figure, index) => (figure.layout.shapes ?? []).map((shape) => moved(shape as Reference, idOf(index)))) as Layout["shapes"],
  });
}
