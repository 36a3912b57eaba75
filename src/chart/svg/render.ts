import { describe } from "../describe";
import type { Figure } from "../figure";
import { FONT, FONT_SIZE, HEIGHT, INK, TITLE_LINE, TITLE_SIZE, WIDTH } from "../theme";
import { drawBars } from "./bar";
import { drawColourBar } from "./colourBar";
import { drawAxes, drawGrid, frameRoom, turnedRoom } from "./frame";
import { drawHeatmap } from "./heatmap";
import { drawLegend } from "./legend";
import { drawNotes } from "./notes";
import { type Box, type Panel, panelBox, panelsOf } from "./panel";
import { drawScatter } from "./scatter";
import { escapeXml, plainText } from "./text";
import { element, textElement } from "./xml";

/** The plot area: what margins, axis labels, title and legend leave of the drawing. */
function plotArea(figure: Figure, panels: Panel[], top: number): Box {
  const width = figure.layout.width ?? WIDTH;
  const height = figure.layout.height ?? HEIGHT;
  const margin = { l: 50, r: 20, t: 30, b: 40, ...figure.layout.margin };
  const rough: Box = { left: margin.l, top, width: width - margin.l - margin.r, height: height - top - margin.b };
  let [left, bottom] = [margin.l, margin.b];
  for (const panel of panels) {
    const box = panelBox(panel, rough);
    if (panel.domain.x[0] < 0.01) left = Math.max(left, frameRoom(panel.y, "y", box.height) + 4, turnedRoom(panel.x, box.width) + 4);
    if (panel.domain.y[0] < 0.01) bottom = Math.max(bottom, frameRoom(panel.x, "x", box.width) + 4);
  }
  return { left, top, width: Math.max(40, width - left - margin.r), height: Math.max(40, height - top - bottom) };
}

/** A panel's marks, clipped to it by an inner drawing of its own: no ids that could clash on one page. */
function marks(panel: Panel, box: Box, figure: Figure): string {
  const drawn = panel.traces.map((trace) => {
    if (trace.type === "bar") return drawBars(trace, panel, box, figure.layout.barmode);
    if (trace.type === "heatmap") return drawHeatmap(trace, panel, box);
    return drawScatter(trace, panel, box);
  });
  const inner = [drawGrid(panel, box), ...drawn].join("");
  return element("svg", { x: box.left, y: box.top, width: box.width, height: box.height, overflow: "hidden" }, inner);
}

/** Draws a figure as SVG text: static, whole in itself, the same bytes for the same figure. No browser is needed. */
export function renderSvg(figure: Figure): string {
  const { layout } = figure;
  const width = layout.width ?? WIDTH;
  const height = layout.height ?? HEIGHT;
  const title = plainText(String(layout.title?.text ?? ""));
  const panels = panelsOf(figure);
  const area = plotArea(figure, panels, layout.margin?.t ?? 40);
  const titleLines = title ? title.split("\n") : [];
  const heading = titleLines.map((line, index) =>
    textElement({ x: area.left, y: 14 + TITLE_SIZE * 0.8 + index * TITLE_LINE, "font-size": TITLE_SIZE, "font-weight": "600" }, line),
  );
  const legendTop = 14 + titleLines.length * TITLE_LINE + 2;
  const legend = drawLegend(figure, area.left, legendTop, width - area.left - (layout.margin?.r ?? 20));
  const body = panels.map((panel) => {
    const box = panelBox(panel, area);
    return marks(panel, box, figure) + drawAxes(panel, box) + panel.traces.map((trace) => drawColourBar(trace, box)).join("");
  });
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": title.replace(/\n/g, " ") || "Chart", "font-family": FONT, "font-size": FONT_SIZE, fill: INK,
      style: "max-width:100%;height:auto",
    },
    element("title", {}, escapeXml(title.replace(/\n/g, " ") || "Chart")),
    element("desc", {}, escapeXml(describe(figure))),
    ...body,
    drawNotes(figure, panels, area),
    ...heading,
    legend.svg,
  );
}
