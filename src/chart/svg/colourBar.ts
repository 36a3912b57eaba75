import type { Trace } from "../figure";
import { INK } from "../theme";
import { barColours } from "./bar";
import type { ColourScale } from "./colour";
import { heatmapColours } from "./heatmap";
import type { Box } from "./panel";
import { plainText } from "./text";
import { linearTicks } from "./ticks";
import { element, textElement } from "./xml";

const WIDTH = 12;

type Scaled = { showscale?: boolean; colorbar?: { title?: { text?: string } } };

/** A trace's scale of colours and what it measures; undefined where it has none or hides it. */
function shownScale(trace: Trace): { colours: ColourScale; title: string } | undefined {
  const part = (trace.type === "heatmap" ? trace : (trace as { marker?: Scaled }).marker) as Scaled | undefined;
  const colours = trace.type === "heatmap" ? heatmapColours(trace) : trace.type === "bar" ? barColours(trace) : undefined;
  if (!colours || part?.showscale === false) return undefined;
  return { colours, title: plainText(part?.colorbar?.title?.text ?? "") };
}

/** The scale of colours at the right of a panel, or nothing where the trace shows none. */
export function drawColourBar(trace: Trace, box: Box): string {
  const shown = shownScale(trace);
  if (!shown) return "";
  const { colours: { low, high, shades }, title } = shown;
  const left = box.left + box.width + 14;
  const step = box.height / shades.length;
  const bar = shades.map((fill, shade) => element("rect", { x: left, y: box.top + box.height - (shade + 1) * step, width: WIDTH, height: step + 0.3, fill }));
  const ticks = linearTicks(low, high, Math.max(3, Math.floor(box.height / 42))).map((tick) =>
    textElement({ x: left + WIDTH + 5, y: box.top + (1 - (tick.at - low) / (high - low)) * box.height + 4, fill: INK }, tick.label),
  );
  const words = title ? textElement({ x: left, y: box.top - 8, fill: INK }, title) : "";
  return bar.join("") + ticks.join("") + words;
}
