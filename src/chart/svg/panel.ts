import type { Axis, Figure, Trace } from "../figure";
import { type Letter, makeScale, type Scale } from "./scale";

/** A rectangle of the drawing, in pixels from its top left corner. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** One pair of axes and what is drawn on it. */
export interface Panel {
  x: Scale;
  y: Scale;
  traces: Trace[];
  /** The names under which traces and notes refer to the two axes. */
  ids: [x: string, y: string];
  /** The part of the plot area that the panel takes: from 0 at the left and at the bottom to 1. */
  domain: { x: [number, number]; y: [number, number] };
}

/** The `x2`, `y3` under which a trace names its axes. */
function axisIds(trace: Trace): [string, string] {
  return [String(trace.xaxis ?? "x"), String(trace.yaxis ?? "y")];
}

/** The options of the axis that traces name `x2`. */
export function axisOptions(figure: Figure, id: string): Axis {
  const key = `${id[0]}axis${id.slice(1)}` as "xaxis2";
  return figure.layout[key] ?? {};
}

/** Every pair of axes: those that traces use, then those of the layout that have no trace yet. */
function axisPairs(figure: Figure): [string, string][] {
  const pairs = new Map<string, [string, string]>();
  for (const trace of figure.data) {
    const [x, y] = axisIds(trace);
    pairs.set(x + y, [x, y]);
  }
  const used = new Set([...pairs.values()].map(([x]) => x));
  for (const key of Object.keys(figure.layout)) {
    const match = /^xaxis(\d*)$/.exec(key);
    if (!match || used.has(`x${match[1]}`)) continue;
    const anchor = String(axisOptions(figure, `x${match[1]}`).anchor ?? `y${match[1]}`);
    pairs.set(`x${match[1]}${anchor}`, [`x${match[1]}`, anchor]);
  }
  if (pairs.size === 0) pairs.set("xy", ["x", "y"]);
  return [...pairs.values()];
}

/** The figure's panels with their scales. An axis that several panels share has one range for all. */
export function panelsOf(figure: Figure): Panel[] {
  const scales = new Map<string, Scale>();
  const scaleOf = (id: string): Scale => {
    const known = scales.get(id);
    if (known) return known;
    const options = axisOptions(figure, id);
    const group = String(options.matches ?? id);
    const members = figure.data.filter((trace) =>
      axisIds(trace).some((other) => other === id || other === group || axisOptions(figure, other).matches === group),
    );
    const scale = makeScale(options, members, id[0] as Letter);
    scales.set(id, scale);
    return scale;
  };
  return axisPairs(figure).map(([x, y]) => ({
    ids: [x, y],
    x: scaleOf(x),
    y: scaleOf(y),
    traces: figure.data.filter((trace) => axisIds(trace).join() === `${x},${y}` && trace.visible !== false),
    domain: {
      x: (axisOptions(figure, x).domain as [number, number] | undefined) ?? [0, 1],
      y: (axisOptions(figure, y).domain as [number, number] | undefined) ?? [0, 1],
    },
  }));
}

/** A panel's place inside the plot area. */
export function panelBox(panel: Panel, area: Box): Box {
  const { x, y } = panel.domain;
  return {
    left: area.left + x[0] * area.width,
    top: area.top + (1 - y[1]) * area.height,
    width: (x[1] - x[0]) * area.width,
    height: (y[1] - y[0]) * area.height,
  };
}
