/** Text in a drawing: how wide it will be, where to break it, how to write it into XML. */

const NARROW = new Set("iljtfrI.,:;'|![]()- /\u2019");
const WIDE = new Set("mwMW@%—…");

/** Roughly how many pixels a text takes in a sans-serif font of `size` pixels; no font is at hand to ask. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const character of text) {
    if (NARROW.has(character)) units += 0.34;
    else if (WIDE.has(character)) units += 0.87;
    else if (character.codePointAt(0)! > 0x2e80) units += 1.1;
    else if (character >= "A" && character <= "Z") units += 0.7;
    else units += 0.6;
  }
  return units * size;
}

/** Breaks a text at spaces (and where it holds `<br>`) into lines no wider than `width` pixels. */
export function wrapText(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split(/<br\s*\/?>|\n/)) {
    let line = "";
    for (const word of paragraph.split(/\s+/).filter(Boolean)) {
      const longer = line ? `${line} ${word}` : word;
      if (line && textWidth(longer, size) > width) {
        lines.push(line);
        line = word;
      } else line = longer;
    }
    lines.push(line);
  }
  return lines;
}

/** Cuts a text to `width` pixels, with an ellipsis where something is gone. */
export function fitText(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 1 && textWidth(`${characters.join("")}…`, size) > width) characters.pop();
  return `${characters.join("")}…`;
}

/** A text as XML holds it; characters that XML cannot hold at all are left out. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
}

/** plotly's text markup (`<b>`, `<br>`, entities) as plain text. */
export function plainText(text: string): string {
  return text
    .replace(/<br\s*\/?>/g, "\n")
    .replace(/<\/?[a-z][^>]*>/gi, "")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
}
