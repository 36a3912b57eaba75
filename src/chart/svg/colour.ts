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
