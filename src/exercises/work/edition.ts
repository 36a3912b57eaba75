import { createHash } from "node:crypto";

/** A cell as nbformat 4.5 stores it; fields that are not named here are kept as they are. */
export interface NotebookCell {
  cell_type: string;
  id?: string;
  source: string | string[];
  metadata?: Record<string, unknown>;
  outputs?: unknown[];
  execution_count?: number | null;
}

/** A notebook's file. */
export interface NotebookFile {
  cells: NotebookCell[];
  metadata: Record<string, unknown>;
  nbformat: number;
  nbformat_minor: number;
}

/** One cell of an edition as a copy remembers it. */
export interface CellPrint {
  id: string;
  /** Of the cell's kind and text, cut to 16 digits. */
  sha256: string;
  /** The heading above the cell. */
  part: string;
  /** "text", "code", "exercise dpoLoss" or "question beta-large". */
  what: string;
}

/** The fingerprint of an edition, kept in a copy's `metadata.alignlab.copied_from`. */
export interface EditionStamp {
  sha256: string;
  /** The day on which the copy was made. */
  date: string;
  cells: CellPrint[];
}

/** What became of a cell from one edition to the next; `index` is its place in the newer one. */
export type Change =
  | { kind: "same" | "changed"; was: CellPrint; is: CellPrint; index: number }
  | { kind: "new"; is: CellPrint; index: number }
  | { kind: "gone"; was: CellPrint };

/** A cell's text. */
export function textOf(cell: NotebookCell): string {
  return Array.isArray(cell.source) ? cell.source.join("") : cell.source;
}

/** A cell's fingerprint; blanks at its end do not count. */
export function cellHash(cell: NotebookCell): string {
  return sha256(`${cell.cell_type}\0${textOf(cell).trimEnd()}`).slice(0, 16);
}

/** Reads what identifies each cell of an edition. */
export function stampEdition(edition: NotebookFile, date: string): EditionStamp {
  let part = "the beginning";
  const cells = edition.cells.map((cell, index) => {
    if (cell.cell_type === "markdown") part = headingOf(textOf(cell)) ?? part;
    return { id: cell.id ?? String(index), sha256: cellHash(cell), part, what: whatIs(cell) };
  });
  return { sha256: sha256(JSON.stringify(cells.map(({ id, sha256 }) => [id, sha256]))), date, cells };
}

/** The stamp in a copy's metadata, or null where the file is no copy of an edition. */
export function readStamp(copy: NotebookFile): EditionStamp | null {
  const stamp = (copy.metadata?.alignlab as { copied_from?: EditionStamp } | undefined)?.copied_from;
  return stamp && Array.isArray(stamp.cells) ? stamp : null;
}

/**
 * Compares the edition a copy was made from with a newer one. Cells belong together when their texts are equal, else when
 * they hold the same exercise or question, else by their id.
 */
export function compareEditions(old: EditionStamp, edition: NotebookFile): Change[] {
  const now = stampEdition(edition, "").cells;
  const rest = new Set(old.cells);
  const found = new Map<CellPrint, CellPrint>();
  const pair = (belongs: (was: CellPrint, is: CellPrint) => boolean) => {
    for (const is of now) {
      if (found.has(is)) continue;
      const was = [...rest].find((candidate) => belongs(candidate, is));
      if (!was) continue;
      found.set(is, was);
      rest.delete(was);
    }
  };
  pair((was, is) => was.id === is.id && was.sha256 === is.sha256);
  pair((was, is) => was.sha256 === is.sha256);
  pair((was, is) => was.what === is.what && / /.test(is.what));
  pair((was, is) => was.id === is.id && !/ /.test(was.what) && !/ /.test(is.what));
  const changes = now.map((is, index): Change => {
    const was = found.get(is);
    return was ? { kind: was.sha256 === is.sha256 ? "same" : "changed", was, is, index } : { kind: "new", is, index };
  });
  return [...changes, ...[...rest].map((was): Change => ({ kind: "gone", was }))];
}

function headingOf(text: string): string | null {
  return /^#{1,3} (.+)$/m.exec(text)?.[1].trim() ?? null;
}

function whatIs(cell: NotebookCell): string {
  const text = textOf(cell);
  if (cell.cell_type !== "code") return "text";
  const asked = /\bquestion\(\s*"([^"]+)"/.exec(text);
  if (asked) return `question ${asked[1]}`;
  if (!/^\s*todo\(/m.test(text)) return "code";
  const exercise = /\bfunction\*?\s+(\w+)/.exec(text) ?? /\bcheck\(\s*"([^"]+)"/.exec(text);
  return exercise ? `exercise ${exercise[1]}` : "exercise";
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
