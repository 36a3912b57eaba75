import { display } from "../engine/host";
import { figureBundle } from "./bundle";
import { type Figure, isFigure } from "./figure";

/**
 * Shows a figure in the notebook: interactive where plotly is at hand, as a drawing elsewhere, in words in a terminal.
 * @throws TypeError when the value is not a figure.
 */
export function show(figure: Figure): void {
  if (!isFigure(figure)) {
    throw new TypeError("show: this is not a figure; give what lineChart, histogram, trainingCurves … return, or { data, layout }.");
  }
  display(figureBundle(figure));
}
