import type { Trace } from "../figure";
import { FONT_SIZE, INK } from "../theme";
import { type ColourScale, colourScale, inkOn } from "./colour";
import type { Box, Panel } from "./panel";
import type { Extent, Letter, Value } from "./scale";
import { errorBars } from "./scatter";
import { plainText } from "./text";
import { errorsOf, valuesOf } from "./values";
import { element, paint, pixels, textElement } from "./xml";

type Bar = Extract<Trace, { type?: "bar" }>;

/** The axis along which the bars stand side by side. */
function placeLetter(trace: Trace): Letter {
  return (trace as Bar).orientation === "h" ? "y" : "x";
}

/** Each bar's width in units of its place axis. */
function widthAt(trace: Bar, index: number): number {
  const width = trace.width as number | number[] | undefined;
  return (Array.isArray(width) ? width[index] : width) ?? 0.8;
}

const basesOf = (trace: Bar): number[] | undefined => (Array.isArray(trace.base) ? (trace.base as number[]) : undefined);

/** The scale that gives each bar the colour of a value of its own; undefined where all bars have one colour. */
export function barColours(trace: Trace): ColourScale | undefined {
  const { colorscale, cmin, cmax } = (trace as Bar).marker ?? {};
  return Array.isArray(colorscale) ? colourScale(colorscale as [number, string][], Number(cmin), Number(cmax)) : undefined;
}

export function barExtent(trace: Trace, letter: Letter): Extent {
  const values = valuesOf(trace, letter);
  if (letter === placeLetter(trace)) {
    if (values.some((value) => typeof value === "string")) return { values, edges: true };
    const sides = values.flatMap((value, index) => {
      const half = widthAt(trace as Bar, index) / 2;
      return typeof value === "number" ? [value - half, value + half] : [];
    });
    return { values: sides };
  }
  const bases = basesOf(trace as Bar);
  if (bases) return { values: values.flatMap((value, index) => [bases[index]!, bases[index]! + Number(value)]) };
  const errors = errorsOf(trace, letter);
  const ends = errors
    ? values.flatMap((value, index) =>
        typeof value === "number" ? [value + errors.up[index]!, value - errors.down[index]!] : [],
      )
    : [];
  return { values: [...values, ...ends, 0], zero: true, room: (trace as Bar).text ? 0.07 : 0 };
}

/** Where the bars of one trace stand among those of its panel: shift and width, in units of the place axis. */
function slot(trace: Bar, panel: Panel, barmode: string | undefined, index: number): { shift: number; width: number } {
  const width = widthAt(trace, index);
  if (barmode === "overlay") return { shift: 0, width };
  const bars = panel.traces.filter((other) => other.type === "bar");
  const each = width / bars.length;
  return { shift: (bars.indexOf(trace) - (bars.length - 1) / 2) * each, width: each * (bars.length > 1 ? 0.94 : 1) };
}

/** The bars of one trace, their numbers and their error bars. */
export function drawBars(trace: Trace, panel: Panel, box: Box, barmode: string | undefined): string {
  const bar = trace as Bar;
  const letter = placeLetter(trace);
  const [place, length] = letter === "x" ? [panel.x, panel.y] : [panel.y, panel.x];
  const [along, across] = letter === "x" ? [box.width, box.height] : [box.height, box.width];
  const places = valuesOf(trace, letter);
  const lengths = valuesOf(trace, letter === "x" ? "y" : "x");
  const texts = Array.isArray(bar.text) ? (bar.text as string[]) : undefined;
  const bases = basesOf(bar);
  const floor = clamp(length.share(length.kind === "log" ? 10 ** length.low : 0)) * across;
  const colours = barColours(bar);
  const values = bar.marker?.color as unknown as number[];
  const ends: [number, number][] = [];
  const paths = new Map<string, string>();
  let words = "";
  places.forEach((at: Value, index) => {
    const { shift, width } = slot(bar, panel, barmode, index);
    const centre = place.unit(at) + shift;
    const toPixels = (unit: number): number => ((unit - place.low) / (place.high - place.low)) * along;
    const [from, to] = [toPixels(centre - width / 2), toPixels(centre + width / 2)];
    const foot = bases ? length.share(bases[index]) * across : floor;
    const end = length.share(bases ? bases[index]! + Number(lengths[index]) : lengths[index]) * across;
    const fill = colours ? colours.colourOf(values[index]!) : String(bar.marker?.color ?? INK);
    let path = paths.get(fill) ?? "";
    if (![from, to, end].every(Number.isFinite)) {
      ends.push([NaN, NaN]);
      return;
    }
    const middle = (from + to) / 2;
    if (letter === "x") {
      ends.push([middle, across - end]);
      path += `M${pixels(from)} ${pixels(across - foot)}H${pixels(to)}V${pixels(across - end)}H${pixels(from)}z`;
    } else {
      ends.push([end, along - middle]);
      path += `M${pixels(foot)} ${pixels(along - from)}V${pixels(along - to)}H${pixels(end)}V${pixels(along - from)}z`;
    }
    paths.set(fill, path);
    if (!texts?.[index]) return;
    if (bar.insidetextanchor === "middle") words += middleText(texts[index]!, (foot + end) / 2, along - middle, bar.insidetextfont, fill);
    else if (bar.textposition === "inside") words += footText(texts[index]!, letter, middle, foot, { along, across }, fill);
    else words += barText(texts[index]!, letter, ends.at(-1)!, end < foot);
  });
  const opacity = Number(bar.marker?.opacity ?? bar.opacity ?? 1);
  return (
    [...paths].map(([fill, d]) => element("path", { d, ...paint("fill", fill, opacity) })).join("") +
    errorBars(trace, letter === "x" ? "y" : "x", ends, panel, box) +
    (words && bar.insidetextfont ? element("g", { "font-family": String(bar.insidetextfont.family), "font-size": Number(bar.insidetextfont.size) }, words) : words)
  );
}

/** A text in the middle of a bar that lies, as wide as the bar, in its own font. */
function middleText(text: string, x: number, y: number, font: Bar["insidetextfont"], ground: string): string {
  const size = Number(font?.size ?? FONT_SIZE);
  return textElement({ x, y: y + size * 0.35, "text-anchor": "middle", fill: String(font?.color ?? inkOn(ground)) }, plainText(text));
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** A bar's number at its foot, inside it, where an error bar has the end. */
function footText(text: string, letter: Letter, middle: number, foot: number, size: { along: number; across: number }, ground: string): string {
  const style = { fill: inkOn(ground), "font-size": FONT_SIZE - 1 };
  if (letter === "x") return textElement({ x: middle, y: size.across - foot - 6, "text-anchor": "middle", ...style }, text);
  return textElement({ x: foot + 6, y: size.along - middle + 4, ...style }, text);
}

/** A bar's number just beyond its end. */
function barText(text: string, letter: Letter, [x, y]: [number, number], below: boolean): string {
  const style = { fill: INK, "font-size": FONT_SIZE - 1 };
  if (letter === "x") return textElement({ x, y: below ? y + 12 : y - 4, "text-anchor": "middle", ...style }, text);
  return textElement({ x: below ? x - 4 : x + 4, y: y + 4, "text-anchor": below ? "end" : "start", ...style }, text);
}
