import type { Layout } from "plotly.js-dist-min";
import { describe } from "./describe";
import type { Figure, Trace } from "./figure";
import { renderSvg } from "./svg/render";

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

/** A figure that shows itself when it is a cell's last value. */
export function makeFigure(data: Trace[], layout: Partial<Layout>): Figure {
  return Object.defineProperty({ data, layout }, Symbol.for("Jupyter.display"), {
    value(this: Figure) {
      return figureBundle(this);
    },
  });
}
