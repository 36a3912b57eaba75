import type { Layout } from "plotly.js-dist-min";
import { finite } from "./bins";
import { makeFigure } from "./bundle";
import { short } from "./describe";
import { type Figure, markup, type Numbers, plainNumbers, requireSameLength, type Trace } from "./figure";
import { DIVERGING, SEQUENTIAL } from "./heatmap";
import { baseLayout, CLEAR, colourBarMargin, FONT_SIZE, INK, MONO, WIDTH } from "./theme";

export interface TokenPassage {
  /** Stands over the text: "chosen", "after DPO". */
  name?: string;
  /** The text of each token, with its blanks and line breaks. */
  tokens: readonly string[];
  /** One value for each token; NaN leaves a token without colour. */
  values: Numbers;
}

export interface TokenHeatmapOptions {
  title: string;
  /** One text, or several under each other with one scale of colours. */
  passages: TokenPassage[];
  /** What the colours measure: "log π/π_ref". */
  value: { label: string; unit?: string; range?: [number, number] };
  /** "diverging" around zero, for differences (the default); "sequential" from the lowest value to the highest. */
  colours?: "sequential" | "diverging";
}

const SIZE = 13;
/** A character of a monospaced font takes 0.6 of its size. */
const CHARACTER = SIZE * 0.602;
const LINE = 25;
const MARGIN = { l: 14, t: 14, b: 10 };

/** Where a piece of a token stands: in which line, from which column, how many columns wide. */
interface Piece {
  token: number;
  text: string;
  line: number;
  from: number;
  columns: number;
}

const columnsOf = (text: string): number => Array.from(text).reduce((sum, character) => sum + (character.codePointAt(0)! > 0x2e80 ? 2 : 1), 0);

/** Lays tokens out as text in lines of so many columns. A token longer than a line is cut over several; a line break ends its line. */
export function layTokens(tokens: readonly string[], columns: number): { pieces: Piece[]; lines: number } {
  const pieces: Piece[] = [];
  let [line, from] = [0, 0];
  tokens.forEach((raw, token) => {
    const written = raw.replaceAll("\r", "").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
    for (const part of written.match(/[^⏎]*⏎|[^⏎]+/g)!) {
      const rest = Array.from(part);
      if (from > 0 && from + columnsOf(part) > columns) [line, from] = [line + 1, 0];
      while (rest.length > 0) {
        let piece = "";
        while (rest.length > 0 && columnsOf(piece + rest[0]!) <= columns) piece += rest.shift()!;
        pieces.push({ token, text: piece, line, from, columns: columnsOf(piece) });
        from += columnsOf(piece);
        if (rest.length > 0) [line, from] = [line + 1, 0];
      }
      if (part.endsWith("⏎")) [line, from] = [line + 1, 0];
    }
  });
  return { pieces, lines: from > 0 || line === 0 ? line + 1 : line };
}

interface Placed extends Piece {
  value: number | null;
  row: number;
}

const blank = (text: string): string => text.replaceAll(" ", "\u00a0");

/** The tokens' grounds and texts, as bars that lie: from which column, how long, in which line. */
function pieceTrace(name: string, pieces: Placed[], passage: TokenPassage, colouring: Record<string, unknown>, words: string | undefined): Trace {
  return {
    type: "bar", orientation: "h", name: markup(name),
    base: pieces.map(({ from }) => from + 0.06), x: pieces.map(({ columns }) => columns - 0.12), y: pieces.map(({ row }) => row), width: 0.8,
    marker: { ...colouring, line: { width: 0 } } as never,
    text: pieces.map(({ text }) => markup(blank(text))), textposition: "inside", insidetextanchor: "middle", textangle: 0, constraintext: "none", cliponaxis: false,
    insidetextfont: { family: MONO, size: SIZE, ...("colorscale" in colouring ? {} : { color: INK }) },
    hovertext: pieces.map(({ token, value }) => markup(`${JSON.stringify(passage.tokens[token])}: ${value === null ? "no value" : short(value)}`)), hoverinfo: "text",
    showlegend: false, ...(words ? { meta: { words } } : {}),
  };
}

/** The tokens in words: how many, and those with the lowest and the highest values. */
function inWords(passage: TokenPassage): string {
  const ranked = Array.from(passage.tokens, (text, at) => ({ text, value: passage.values[at] }))
    .filter((entry): entry is { text: string; value: number } => typeof entry.value === "number" && Number.isFinite(entry.value))
    .sort((a, b) => a.value - b.value);
  if (ranked.length === 0) return `${passage.tokens.length} tokens without values: ${passage.tokens.join("")}`;
  const list = (entries: typeof ranked): string => entries.map(({ text, value }) => `${JSON.stringify(text)} ${short(value)}`).join(", ");
  const mean = ranked.reduce((sum, { value }) => sum + value, 0) / ranked.length;
  return `${passage.tokens.length} tokens, mean ${short(mean)}; lowest ${list(ranked.slice(0, 3))}; highest ${list(ranked.slice(-3).reverse())}; text: ${passage.tokens.join("")}`;
}

/**
 * A text with each token on the colour of its value: which tokens of an answer training made likelier (vermilion) and which
 * less likely (blue), from log π(token) − log π_ref(token).
 * @throws RangeError when a passage has not one value for each token
 */
export function tokenHeatmap(options: TokenHeatmapOptions): Figure {
  options.passages.forEach(({ name, tokens, values }, at) => requireSameLength(`tokenHeatmap: passage ${name ?? at}, tokens as x and values as y`, tokens, values));
  const label = options.value.unit ? `${options.value.label} (${options.value.unit})` : options.value.label;
  const margin = { ...MARGIN, ...colourBarMargin(label) };
  const columns = Math.floor((WIDTH - margin.l - margin.r) / CHARACTER);
  const all = finite(options.passages.flatMap(({ values }) => Array.from(values)));
  const [least, most] = [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
  const reach = Math.max(Math.abs(least), Math.abs(most)) || 1;
  const isDiverging = (options.colours ?? "diverging") === "diverging";
  const [cmin, cmax] = options.value.range ?? (all.length === 0 ? [0, 1] : isDiverging ? [-reach, reach] : [least, most > least ? most : least + 1]);
  const data: Trace[] = [];
  const annotations: Layout["annotations"] = [];
  let row = 0;
  for (const [at, passage] of options.passages.entries()) {
    if (passage.name) {
      annotations.push({ text: `<b>${markup(passage.name)}</b>`, showarrow: false, xref: "x", yref: "y", x: 0, y: row, xanchor: "left", yanchor: "middle", font: { size: FONT_SIZE, color: INK } });
      row++;
    }
    const { pieces, lines } = layTokens(passage.tokens, columns);
    const values = plainNumbers(passage.values);
    const placed = pieces.map((piece): Placed => ({ ...piece, value: values[piece.token]!, row: row + piece.line }));
    const [known, unknown] = [placed.filter(({ value }) => value !== null), placed.filter(({ value }) => value === null)];
    const colourbar = { title: { text: markup(label), side: "top", font: { size: FONT_SIZE } }, thickness: 12, outlinewidth: 0, len: 1, exponentformat: "power" };
    const colouring = { color: known.map(({ value }) => value), colorscale: isDiverging ? DIVERGING : SEQUENTIAL, cmin, cmax, showscale: data.length === 0, ...(data.length === 0 ? { colorbar: colourbar } : {}) };
    const name = passage.name ?? `text ${at + 1}`;
    if (known.length > 0) data.push(pieceTrace(name, known, passage, colouring, inWords(passage)));
    if (unknown.length > 0) data.push(pieceTrace(`${name}, without value`, unknown, passage, { color: CLEAR }, known.length === 0 ? inWords(passage) : `${unknown.length} pieces`));
    row += lines + (at + 1 < options.passages.length ? 0.5 : 0);
  }
  const hidden = { visible: false } as const;
  const plotHeight = Math.max(110, row * LINE);
  const layout = baseLayout({ title: options.title, height: plotHeight + MARGIN.t + MARGIN.b + 52, margin: { ...margin, t: margin.t + 24 } });
  return makeFigure(data, {
    ...layout, barmode: "overlay",
    xaxis: { ...hidden, range: [0, columns] },
    yaxis: { ...hidden, range: [Math.max(row, plotHeight / LINE) - 0.5, -0.5] },
    ...(annotations.length > 0 ? { annotations } : {}),
  });
}
