import { createHash } from "node:crypto";
import { basename } from "node:path";
import { editionCells, type Edition, type EditionPlace } from "./editions";
import { gradeMarks, type GradeMark } from "./marks";
import { parsePercent, type SourceCell } from "./percent";

export interface Output {
  output_type: "stream" | "display_data" | "execute_result" | "error";
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  execution_count?: number | null;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

export interface Cell {
  cell_type: "code" | "markdown";
  id: string;
  metadata: Record<string, unknown>;
  source: string[];
  execution_count?: number | null;
  outputs?: Output[];
}

export interface Notebook {
  cells: Cell[];
  metadata: Record<string, unknown>;
  nbformat: number;
  nbformat_minor: number;
}

/** What a committed solution notebook says about the run its outputs come from (`metadata.alignlab`). */
export interface RunMetadata {
  /** sha256 of the source file. */
  source_sha256: string;
  /** sha256 of the source's code cells alone: the part that ran. */
  code_sha256: string;
  date: string;
  seed: number;
  backend: string;
  profile: string;
  /** The most memory that the kernel held, where the system told. */
  peak_memory_gib?: number;
  machine: { cores: number; memory_gib: number };
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** sha256 of what runs: a corrected sentence leaves it as it is, a changed code cell does not. */
export function codeHash(source: string): string {
  const code = parsePercent(source).filter((cell) => cell.kind === "code");
  return sha256(JSON.stringify(code.map((cell) => cell.text)));
}

/** Makes one edition of a notebook, without outputs. `name` is the source's file name; `place` is where it will lie, if not in its own folder. */
export function makeNotebook(source: string, edition: Edition, name: string, place?: EditionPlace): Notebook {
  const parsed = parsePercent(source, name);
  const cells = editionCells(parsed, edition, name, place);
  const ids = cellIds(cells);
  const marks = gradeMarks(parsed, basename(name).slice(0, 2));
  return {
    cells: cells.map((cell, index) => makeCell(cell, ids[index], marks[index])),
    metadata: {
      alignlab: { source: basename(name), edition },
      kernelspec: { name: "alignlab", display_name: "TypeScript (Alignlab)", language: "typescript" },
      language_info: {
        name: "typescript",
        file_extension: ".ts",
        mimetype: "text/typescript",
        codemirror_mode: { name: "javascript", typescript: true },
      },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
}

function makeCell(cell: SourceCell, id: string, mark: GradeMark | null): Cell {
  const { id: _, ...options } = cell.options;
  const metadata = mark ? { ...options, nbgrader: mark } : options;
  const source = cell.text.split(/(?<=\n)/);
  if (cell.kind === "markdown") return { cell_type: "markdown", id, metadata, source };
  return { cell_type: "code", id, metadata, source, execution_count: null, outputs: [] };
}

/** Ids that stay when a cell's text changes: the section's heading and the cell's place in it, or the option `id`. */
function cellIds(cells: SourceCell[]): string[] {
  const taken = new Set<string>();
  let section = "start";
  let place = 0;
  return cells.map((cell) => {
    const heading = cell.kind === "markdown" ? /^#{1,3} (.+)$/m.exec(cell.text) : null;
    if (heading) {
      section = slug(heading[1]);
      place = 0;
    }
    place++;
    let id = typeof cell.options.id === "string" ? cell.options.id : `${section}-${place}`;
    while (taken.has(id)) id = `${id}-again`;
    taken.add(id);
    return id;
  });
}

function slug(heading: string): string {
  return heading.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 48).replace(/-$/, "") || "section";
}

/** The file's text: one space of indentation and a final line break, as nbformat writes it. */
export function formatNotebook(notebook: Notebook): string {
  return `${JSON.stringify(notebook, sortKeys, 1)}\n`;
}

function sortKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A text of a notebook: nbformat allows a string or its lines. */
export function joined(text: string | string[] | undefined): string {
  return Array.isArray(text) ? text.join("") : (text ?? "");
}
