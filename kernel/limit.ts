import { types } from "node:util";
import type { MimeBundle } from "../src/engine/host";

/** Characters printed by one cell that are shown as they come. */
const headCharacters = 5_000_000;
/** Of what a cell prints beyond, the last so many are shown at its end. */
const tailCharacters = 20_000;
/** Characters of one output's plain text. */
const textCharacters = 1_000_000;
/** Characters of one output under any other mime type. */
const contentCharacters = 20_000_000;

const grouped = (count: number): string => count.toLocaleString("en-US");

/** The first characters of a text, never half of one that is two UTF-16 units. */
function start(text: string, units: number): string {
  if (text.length <= units) return text;
  return text.slice(0, /[\ud800-\udbff]/.test(text[units - 1] ?? "") ? units - 1 : units);
}

/** The last characters of a text. */
function end(text: string, units: number): string {
  if (text.length <= units) return text;
  return text.slice(/[\udc00-\udfff]/.test(text[text.length - units]!) ? 1 - units : -units);
}

export interface Printed<Name> {
  name: Name;
  text: string;
}

/** What one cell prints, kept to what a browser and a notebook's file can hold: its head as it comes, its tail at the end. */
export class PrintLimit<Name> {
  private room = headCharacters;
  private tail: Printed<Name>[] = [];
  private kept = 0;
  private cut = 0;

  /** The part of `text` to show now, with a note where the cut begins. */
  take(name: Name, text: string): string {
    const shown = this.cut > 0 ? "" : start(text, this.room);
    if (shown.length === text.length) {
      this.room -= text.length;
      return text;
    }
    const begins = this.cut === 0;
    this.keep({ name, text: text.slice(shown.length) });
    return begins ? `${shown}\n[Cut here: this cell has printed ${grouped(headCharacters)} characters. Of what follows, its end is shown when the cell ends.]\n` : "";
  }

  private keep(piece: Printed<Name>): void {
    this.cut += piece.text.length;
    const text = end(piece.text, tailCharacters);
    this.tail.push({ name: piece.name, text });
    this.kept += text.length;
    while (this.kept - this.tail[0]!.text.length >= tailCharacters) this.kept -= this.tail.shift()!.text.length;
  }

  /** What is still to be shown when the cell ends: how much was cut, and the last of it. */
  close(): Printed<Name>[] {
    const [first, ...others] = this.tail;
    this.tail = [];
    if (!first) return [];
    const text = end(first.text, tailCharacters - (this.kept - first.text.length));
    const hidden = this.cut - (this.kept - first.text.length) - text.length;
    this.kept = 0;
    const note = hidden > 0 ? `[${grouped(hidden)} characters left out. Print less, or write it to a file.]\n` : "";
    return [{ name: first.name, text: note + text }, ...others];
  }
}

/** Cuts a long text and says so. */
export function limitText(text: string, most = textCharacters): string {
  if (text.length <= most) return text;
  const shown = start(text, most);
  return `${shown}\n[Cut here: ${grouped(shown.length)} of ${grouped(text.length)} characters are shown.]`;
}

/** One output, its plain text cut and what is too large under other types left out, with a note of it. */
export function limitBundle(bundle: MimeBundle): MimeBundle {
  const notes: string[] = [];
  const fits = ([type, value]: [string, unknown]): boolean => {
    const length = typeof value === "string" ? value.length : (JSON.stringify(value)?.length ?? 0);
    if (type === "text/plain" || length <= contentCharacters) return true;
    notes.push(`[${type} left out: it has ${grouped(length)} characters, and an output may have ${grouped(contentCharacters)}.]`);
    return false;
  };
  const limited = Object.fromEntries(Object.entries(bundle).filter(fits));
  const text = limited["text/plain"];
  if (typeof text === "string") limited["text/plain"] = limitText(text);
  if (notes.length > 0) limited["text/plain"] = [...(text === undefined ? [] : [limited["text/plain"]]), ...notes].join("\n");
  return limited;
}

/** How far `inspect` goes into a value: fully, or less deep and wide where that would be more than can be read. */
const views = [
  { depth: 4, maxArrayLength: 100 },
  { depth: 4, maxArrayLength: 20 },
  { depth: 4, maxArrayLength: 6 },
  { depth: 1, maxArrayLength: 100 },
];
const viewElements = 20_000;

/** The widest view of a value that stays readable. */
export function viewOf(value: unknown): (typeof views)[number] {
  return views.find((view) => countElements(value, view.depth, view.maxArrayLength, viewElements) <= viewElements) ?? views.at(-1)!;
}

/** How many values `inspect` would write; stops counting soon after `most`. */
function countElements(value: unknown, depth: number, width: number, most: number): number {
  if (typeof value !== "object" || value === null || depth < 0 || types.isProxy(value)) return 1;
  if (ArrayBuffer.isView(value)) return width;
  let count = 1;
  for (const inner of innerValues(value, width)) {
    count += countElements(inner, depth - 1, width, most - count);
    if (count > most) break;
  }
  return count;
}

function* innerValues(value: object, width: number): Generator<unknown> {
  if (Array.isArray(value)) return yield* value.slice(0, width);
  if (value instanceof Map || value instanceof Set) {
    let taken = 0;
    for (const inner of value.values()) {
      if (++taken > width) return;
      yield inner;
    }
  }
  // Not by reading them: a getter may do work.
  for (const key of Object.keys(value)) yield Object.getOwnPropertyDescriptor(value, key)?.value;
}
