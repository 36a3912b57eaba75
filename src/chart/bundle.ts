import type { Layout } from "plotly.js-dist-min";
import { describe } from "./describe";
import { displayMethod } from "../engine/host";
import { type Figure, isDrawn, type Trace } from "./figure";
import { renderSvg } from "./svg/render";
import { INK } from "./theme";

/** The figure as plain JSON: no gaps that JSON lacks, no typed arrays, no methods. */
function plainFigure(figure: Figure): Record<string, unknown> {
  const text = JSON.stringify({ data: figure.data, layout: figure.layout }, (_key, value: unknown) =>
    ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value,
  );
  return {
    ...(JSON.parse(text) as Record<string, unknown>),
    config: { displaylogo: false, responsive: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] },
  };
}

/** Everything a reader may be able to show: plotly's JSON, an SVG drawing, and words. */
export function figureBundle(figure: Figure): Record<string, unknown> {
  return {
    "application/vnd.plotly.v1+json": plainFigure(figure),
    "image/svg+xml": renderSvg(figure),
    "text/plain": describe(figure),
  };
}

/** What is sent while a run is on: drawing and words, since plotly's renderer redraws nothing that is updated. */
export function drawingBundle(figure: Figure): Record<string, unknown> {
  return { "image/svg+xml": renderSvg(figure), "text/plain": describe(figure) };
}

/** Says in a panel without data that it waits for some. */
export function emptyNote(x: number, y: number): NonNullable<Layout["annotations"]>[number] {
  return { text: "no data yet", showarrow: false, xref: "paper", yref: "paper", x, y, font: { color: INK } };
}

/** A figure that shows itself when it is a cell's last value. Traces without a value are left out. */
export function makeFigure(data: Trace[], layout: Partial<Layout>): Figure {
  const drawn = data.filter(isDrawn);
  const notes = drawn.length === 0 && !layout.annotations ? { annotations: [emptyNote(0.5, 0.5)] } : {};
  return Object.defineProperty({ data: drawn, layout: { ...layout, ...notes } }, displayMethod, {
    value(this: Figure) {
      return figureBundle(this);
    },
  });
}
