/** Colours between the stops of a scale, and the ink that reads on them. */

export type Rgb = [number, number, number];

export function parseHex(hex: string): Rgb {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16)) as Rgb;
}

export function toHex(colour: Rgb): string {
  return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

/** The colour at a share (0 to 1) of a scale of `[stop, colour]` pairs. */
export function colourAt(scale: [number, string][], share: number): string {
  const upper = scale.findIndex(([stop]) => stop >= share);
  if (upper === 0) return scale[0]![1];
  if (upper < 0) return scale.at(-1)![1];
  const [from, to] = [scale[upper - 1]!, scale[upper]!];
  const mix = (share - from[0]) / (to[0] - from[0]);
  const [a, b] = [parseHex(from[1]), parseHex(to[1])];
  return toHex([0, 1, 2].map((part) => a[part]! + (b[part]! - a[part]!) * mix) as Rgb);
}

/** White or near-black, whichever contrasts more with a ground (WCAG's relative luminance). */
export function inkOn(ground: string): string {
  const [r, g, b] = parseHex(ground).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#111111" : "#ffffff";
}

const SHADES = 64;

/** A scale of colours over a range of values, in steps that the eye does not tell apart, so that equal shades are drawn as one. */
export interface ColourScale {
  low: number;
  high: number;
  /** The colours from the low end to the high one. */
  shades: string[];
  colourOf(value: number): string;
}

export function colourScale(stops: [number, string][], low: number, high: number): ColourScale {
  const shades = Array.from({ length: SHADES }, (_, shade) => colourAt(stops, shade / (SHADES - 1)));
  return { low, high, shades, colourOf: (value) => shades[Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * (SHADES - 1))]! };
}
