import type { Figure } from "../figure";
import { FONT_SIZE, INK } from "../theme";
import { type Box, type Panel, panelBox } from "./panel";
import type { Scale, Value } from "./scale";
import { DASH_ARRAYS } from "./scatter";
import { plainText } from "./text";
import { element, paint, pixels, textElement } from "./xml";

/** Shapes and annotations: marks set by hand on a panel, or on the whole drawing. */

type Note = NonNullable<Figure["layout"]["annotations"]>[number];
type Form = NonNullable<Figure["layout"]["shapes"]>[number];

/** The panel whose axes a note names, counting the axes as the layout does. */
function panelFor(panels: { id: string; panel: Panel; box: Box }[], ...references: (string | undefined)[]) {
  for (const reference of references) {
    const id = reference?.split(" ")[0];
    if (!id || id === "paper") continue;
    const found = panels.find((entry) => entry.id.split("|").includes(id));
    if (found) return found;
  }
  return panels[0]!;
}

/** A coordinate in pixels: on an axis, as a share of that axis's panel (`x domain`), or of the plot area (`paper`). */
function place(reference: string | undefined, value: Value, scale: Scale, from: number, length: number, area: [number, number]): number {
  if (reference === "paper") return area[0] + Number(value) * area[1];
  if (reference?.endsWith(" domain")) return from + Number(value) * length;
  const unit = typeof value === "number" && scale.kind !== "category" ? value : scale.unit(value);
  return from + ((unit - scale.low) / (scale.high - scale.low)) * length;
}

function at(entry: { panel: Panel; box: Box }, area: Box, note: { xref?: string; yref?: string }, x: Value, y: Value): [number, number] {
  const { panel, box } = entry;
  const left = place(note.xref, x, panel.x, box.left, box.width, [area.left, area.width]);
  const height = place(note.yref, y, panel.y, 0, box.height, [area.top + area.height - box.top - box.height, 0]);
  const paper = note.yref === "paper" ? area.top + (1 - Number(y)) * area.height : undefined;
  return [left, paper ?? box.top + box.height - height];
}

function drawShape(shape: Form, panels: { id: string; panel: Panel; box: Box }[], area: Box): string {
  const references = { xref: shape.xref as string | undefined, yref: shape.yref as string | undefined };
  const entry = panelFor(panels, references.xref, references.yref);
  const [x0, y0] = at(entry, area, references, shape.x0 as Value, shape.y0 as Value);
  const [x1, y1] = at(entry, area, references, shape.x1 as Value, shape.y1 as Value);
  if (![x0, x1, y0, y1].every(Number.isFinite)) return "";
  const line = {
    ...paint("stroke", String(shape.line?.color ?? INK)),
    "stroke-width": Number(shape.line?.width ?? 2),
    "stroke-dasharray": DASH_ARRAYS[String(shape.line?.dash)],
  };
  if (shape.type === "line") return element("path", { d: `M${pixels(x0)} ${pixels(y0)}L${pixels(x1)} ${pixels(y1)}`, fill: "none", ...line });
  const rectangle = { x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) };
  return element("rect", { ...rectangle, ...paint("fill", String(shape.fillcolor ?? "none")), ...(shape.line?.width === 0 ? {} : line) });
}

function drawNote(note: Note, panels: { id: string; panel: Panel; box: Box }[], area: Box): string {
  const references = { xref: note.xref as string | undefined, yref: note.yref as string | undefined };
  const [x, y] = at(panelFor(panels, references.xref, references.yref), area, references, note.x as Value, note.y as Value);
  if (!Number.isFinite(x) || !Number.isFinite(y)) return "";
  const size = Number(note.font?.size ?? FONT_SIZE);
  const anchor = note.xanchor === "left" ? "start" : note.xanchor === "right" ? "end" : "middle";
  const lines = plainText(String(note.text ?? "")).split("\n");
  const drop = note.yanchor === "bottom" ? -4 - (lines.length - 1) * size * 1.3 : note.yanchor === "top" ? size + 2 : size * 0.35;
  const bold = String(note.text ?? "").startsWith("<b>") ? "600" : undefined;
  return lines
    .map((line, index) =>
      textElement(
        {
          x: x + Number(note.xshift ?? 0), y: y - Number(note.yshift ?? 0) + drop + index * size * 1.3, "text-anchor": anchor,
          fill: String(note.font?.color ?? INK), "font-size": size === FONT_SIZE ? undefined : size, "font-weight": bold,
        },
        line,
      ),
    )
    .join("");
}

/** All shapes and annotations of a figure. */
export function drawNotes(figure: Figure, panels: Panel[], area: Box): string {
  const entries = panels.map((panel) => ({ id: panel.ids.join("|"), panel, box: panelBox(panel, area) }));
  if (entries.length === 0) return "";
  return (
    (figure.layout.shapes ?? []).map((shape) => drawShape(shape, entries, area)).join("") +
    (figure.layout.annotations ?? []).map((note) => drawNote(note, entries, area)).join("")
  );
}
