import { FONT_SIZE, GRID, INK } from "../theme";
import type { Box, Panel } from "./panel";
import type { Letter, Scale } from "./scale";
import { fitText, plainText, textWidth } from "./text";
import type { Tick } from "./ticks";
import { element, paint, pixels, textElement } from "./xml";

/** What surrounds a panel's marks: grid, axis lines, ticks, their labels and the axes' titles. */

const TICK = 4;
const LABEL_GAP = 8;
const TITLE_HEIGHT = 20;
const LONGEST_LABEL = 190;

const sizeOf = (scale: Scale): number => Number(scale.options.tickfont?.size ?? FONT_SIZE);
const titleOf = (scale: Scale): string => plainText(String((scale.options.title as { text?: string } | undefined)?.text ?? ""));
const hidden = (scale: Scale): boolean => scale.options.visible === false;

function labelsOf(scale: Scale, length: number): Tick[] {
  if (hidden(scale) || scale.options.showticklabels === false) return [];
  return scale.ticks(length).map((tick) => ({ at: tick.at, label: fitText(plainText(tick.label), LONGEST_LABEL, sizeOf(scale)) }));
}

function widest(ticks: Tick[], size: number): number {
  return Math.max(0, ...ticks.map((tick) => textWidth(tick.label, size)));
}

/** Labels under the axis that would touch are turned; where even that is too dense, some are left out. */
function turned(scale: Scale, width: number): boolean {
  const ticks = labelsOf(scale, width);
  const places = ticks.map((tick) => position(scale, tick.at, width));
  return ticks.some((tick, index) => {
    const next = ticks[index + 1];
    if (!next) return false;
    const room = Math.abs(places[index + 1]! - places[index]!);
    return (textWidth(tick.label, sizeOf(scale)) + textWidth(next.label, sizeOf(scale))) / 2 + 6 > room;
  });
}

function position(scale: Scale, unit: number, length: number): number {
  return ((unit - scale.low) / (scale.high - scale.low)) * length;
}

/** Room that an axis needs outside its panel, in pixels. */
export function frameRoom(scale: Scale, letter: Letter, length: number): number {
  const ticks = labelsOf(scale, length);
  const title = titleOf(scale) && !hidden(scale) ? TITLE_HEIGHT : 0;
  if (letter === "y") return (ticks.length > 0 ? widest(ticks, sizeOf(scale)) + LABEL_GAP + 4 : 6) + title;
  const labels = turned(scale, length) ? widest(ticks, sizeOf(scale)) * 0.7 + 16 : FONT_SIZE + LABEL_GAP;
  return (ticks.length > 0 ? labels : 6) + title + 4;
}

/** Room that turned labels under an x axis need to the left of its panel. */
export function turnedRoom(scale: Scale, length: number): number {
  if (!turned(scale, length)) return 0;
  const reach = labelsOf(scale, length).map((tick) => textWidth(tick.label, sizeOf(scale)) * 0.8 + sizeOf(scale) - position(scale, tick.at, length));
  return Math.max(0, ...reach);
}

/** Grid lines, behind the marks; within the panel's own coordinates. */
export function drawGrid(panel: Panel, box: Box): string {
  let path = "";
  if (panel.x.options.showgrid !== false && !hidden(panel.x)) {
    for (const tick of panel.x.ticks(box.width)) path += `M${pixels(position(panel.x, tick.at, box.width))} 0V${pixels(box.height)}`;
  }
  if (panel.y.options.showgrid !== false && !hidden(panel.y)) {
    for (const tick of panel.y.ticks(box.height)) path += `M0 ${pixels(box.height - position(panel.y, tick.at, box.height))}H${pixels(box.width)}`;
  }
  return path ? element("path", { d: path, fill: "none", ...paint("stroke", GRID), "stroke-width": 1 }) : "";
}

function xAxis(scale: Scale, box: Box): string {
  const bottom = box.top + box.height;
  const ticks = labelsOf(scale, box.width);
  const tilt = turned(scale, box.width);
  let marks = scale.options.showline === false ? "" : `M${pixels(box.left)} ${pixels(bottom)}h${pixels(box.width)}`;
  let labels = "";
  let lastEnd = -Infinity;
  for (const tick of ticks) {
    const x = box.left + position(scale, tick.at, box.width);
    if (scale.options.ticks !== "") marks += `M${pixels(x)} ${pixels(bottom)}v${TICK}`;
    if (tilt) {
      if (x - lastEnd < sizeOf(scale)) continue;
      lastEnd = x;
      const y = bottom + LABEL_GAP + 6;
      labels += textElement({ x, y, "text-anchor": "end", transform: `rotate(-40 ${pixels(x)} ${pixels(y)})` }, tick.label);
    } else labels += textElement({ x, y: bottom + LABEL_GAP + FONT_SIZE - 1, "text-anchor": "middle" }, tick.label);
  }
  const title = titleOf(scale);
  const y = bottom + frameRoom(scale, "x", box.width) - 4;
  const words = title ? textElement({ x: box.left + box.width / 2, y, "text-anchor": "middle" }, fitText(title, box.width + 40, FONT_SIZE)) : "";
  return element("path", { d: marks || "M0 0", fill: "none", ...paint("stroke", INK) }) + labelGroup(scale, labels) + words;
}

function yAxis(scale: Scale, box: Box): string {
  const ticks = labelsOf(scale, box.height);
  let marks = scale.options.showline === false ? "" : `M${pixels(box.left)} ${pixels(box.top)}v${pixels(box.height)}`;
  let labels = "";
  for (const tick of ticks) {
    const y = box.top + box.height - position(scale, tick.at, box.height);
    if (scale.options.ticks !== "") marks += `M${pixels(box.left)} ${pixels(y)}h-${TICK}`;
    labels += textElement({ x: box.left - LABEL_GAP, y: y + sizeOf(scale) * 0.35, "text-anchor": "end" }, tick.label);
  }
  const title = titleOf(scale);
  const x = box.left - frameRoom(scale, "y", box.height) + FONT_SIZE;
  const y = box.top + box.height / 2;
  const words = title
    ? textElement({ x, y, "text-anchor": "middle", transform: `rotate(-90 ${pixels(x)} ${pixels(y)})` }, fitText(title, box.height + 30, FONT_SIZE))
    : "";
  return element("path", { d: marks || "M0 0", fill: "none", ...paint("stroke", INK) }) + labelGroup(scale, labels) + words;
}

function labelGroup(scale: Scale, labels: string): string {
  const size = sizeOf(scale);
  return size === FONT_SIZE || !labels ? labels : element("g", { "font-size": size }, labels);
}

/** Axis lines, ticks, labels and titles around a panel. */
export function drawAxes(panel: Panel, box: Box): string {
  return (hidden(panel.x) ? "" : xAxis(panel.x, box)) + (hidden(panel.y) ? "" : yAxis(panel.y, box));
}
