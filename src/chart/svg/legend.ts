import type { Figure, Trace } from "../figure";
import { FONT_SIZE, INK, LEGEND_ROW } from "../theme";
import { DASH_ARRAYS, dot } from "./scatter";
import { fitText, plainText, textWidth } from "./text";
import { element, paint, textElement } from "./xml";

const SWATCH = 26;
const GAP = 20;

type Scatter = Extract<Trace, { type?: "scatter" }>;

/** The traces that the legend names: one for each group. */
function entries(figure: Figure): Trace[] {
  if (figure.layout.showlegend === false) return [];
  const groups = new Set<string>();
  const named = figure.data.filter((trace) => {
    const { name, showlegend, legendgroup } = trace as Scatter;
    if (!name || showlegend === false || trace.type === "heatmap") return false;
    if (!legendgroup) return true;
    if (groups.has(legendgroup)) return false;
    groups.add(legendgroup);
    return true;
  });
  return named.length > 1 || figure.layout.showlegend === true ? named : [];
}

function swatch(trace: Trace, x: number, y: number): string {
  if (trace.type === "bar") {
    const bar = trace as Extract<Trace, { type?: "bar" }>;
    const fill = paint("fill", String(bar.marker?.color ?? INK), Number(bar.marker?.opacity ?? bar.opacity ?? 1));
    return element("rect", { x: x + 6, y: y - 6, width: 14, height: 12, ...fill });
  }
  const scatter = trace as Scatter;
  const mode = scatter.mode ?? "lines";
  const line = mode.includes("lines")
    ? element("path", {
        d: `M${x} ${y}h${SWATCH - 4}`, fill: "none", ...paint("stroke", String(scatter.line?.color ?? INK), Number(scatter.opacity ?? 1)),
        "stroke-width": 2, "stroke-dasharray": DASH_ARRAYS[String(scatter.line?.dash)],
      })
    : "";
  if (!mode.includes("markers")) return line;
  const fill = String(scatter.marker?.color ?? scatter.line?.color ?? INK);
  return line + element("path", { d: dot(x + SWATCH / 2 - 2, y, 7, String(scatter.marker?.symbol ?? "circle")), ...paint("fill", fill) });
}

/** The legend in rows from (left, top), no wider than `width`, and its height. */
export function drawLegend(figure: Figure, left: number, top: number, width: number): { svg: string; height: number } {
  const shown = entries(figure);
  let [x, y, svg] = [left, top + LEGEND_ROW / 2, ""];
  for (const trace of shown) {
    const name = fitText(plainText((trace as Scatter).name ?? ""), width - SWATCH - 4, FONT_SIZE);
    const size = SWATCH + textWidth(name, FONT_SIZE) + GAP;
    if (x > left && x + size - GAP > left + width) {
      x = left;
      y += LEGEND_ROW;
    }
    svg += swatch(trace, x, y) + textElement({ x: x + SWATCH, y: y + 4, fill: INK }, name);
    x += size;
  }
  return { svg, height: shown.length > 0 ? y + LEGEND_ROW / 2 - top : 0 };
}
