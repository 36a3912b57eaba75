import { escapeXml } from "./text";

/** A number in as few characters as a drawing needs: a tenth of a pixel. */
export function pixels(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  return Object.is(rounded, -0) ? "0" : String(rounded);
}

export type Attributes = Record<string, string | number | undefined>;

/** One XML element. Attributes that are undefined are left out; numbers are rounded; children are XML already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  let open = `<${name}`;
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    open += ` ${key}="${typeof value === "number" ? pixels(value) : escapeXml(value)}"`;
  }
  return children.length > 0 ? `${open}>${children.join("")}</${name}>` : `${open}/>`;
}

/** A text element, written as the reader is to see it. */
export function textElement(attributes: Attributes, text: string): string {
  return element("text", attributes, escapeXml(text));
}

/** Opacity that an `rgba()` colour carries, apart from the colour: older SVG readers know no `rgba()`. */
export function paint(kind: "fill" | "stroke", colour: string, opacity = 1): Attributes {
  const match = /^rgba\((\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)\)$/.exec(colour);
  const total = opacity * (match ? Number(match[4]) : 1);
  const solid = match
    ? `#${[match[1], match[2], match[3]].map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`
    : colour;
  return { [kind]: solid, [`${kind}-opacity`]: total < 1 ? String(Math.round(total * 100) / 100) : undefined };
}
