import { afterEach, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyOfEdition } from "../../../src/exercises/work/copy";
import type { NotebookFile } from "../../../src/exercises/work/edition";
import { showEditionNews } from "../../../src/exercises/work/news";

let shown: Record<string, string>[] = [];
let folder = "";
const kernel = Symbol.for("alignlab.kernel");
const edition: NotebookFile = {
  cells: [{ cell_type: "markdown", id: "a", metadata: {}, source: ["# A <b>title</b>"] }],
  metadata: { alignlab: { source: "09-x.ts", edition: "student" } }, nbformat: 4, nbformat_minor: 5,
};

beforeEach(() => {
  shown = [];
  folder = mkdtempSync(join(tmpdir(), "alignlab-news-"));
  for (const name of ["notebooks", "work"]) mkdirSync(join(folder, name));
  (globalThis as Record<symbol, unknown>)[kernel] = { display: (data: Record<string, string>) => shown.push(data), clearOutput() {}, signal: new AbortController().signal };
  save("notebooks", edition);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  delete (globalThis as Record<symbol, unknown>)[kernel];
});

function save(place: string, file: unknown): string {
  const path = join(folder, place, "09-x.ipynb");
  writeFileSync(path, typeof file === "string" ? file : JSON.stringify(file));
  return path;
}

test("a copy of an older edition says what changed and how to take it over, with markup shown as text", () => {
  const path = save("work", copyOfEdition({ ...edition, cells: [{ ...edition.cells[0], source: "# Before" }] }, "2026-09-01"));
  showEditionNews(path, folder);
  assert.equal(shown.length, 1);
  assert.match(shown[0]["text/plain"], /newer edition of this notebook\.\n {2}A <b>title<\/b>: text changed\n[\s\S]*npm run renew -- 09/);
  assert.match(shown[0]["text/html"], /<li>A &#60;b&#62;title&#60;\/b&#62;: text changed<\/li>/);
});

test("a copy of the newest edition, a file that cannot be read, an unknown and no file say nothing", () => {
  showEditionNews(save("work", copyOfEdition(edition, "2026-09-01")), folder);
  showEditionNews(save("work", "not a notebook"), folder);
  showEditionNews(join(folder, "work", "none.ipynb"), folder);
  showEditionNews(undefined, folder);
  assert.deepEqual(shown, []);
});

test("the course's own file opened for work points at the copy; run without a browser it says nothing", () => {
  const path = join(folder, "notebooks", "09-x.ipynb");
  showEditionNews(path, folder);
  assert.match(shown[0]["text/plain"], /Work on your copy: work\/09-x\.ipynb/);
  process.env.ALIGNLAB_RUN_DIR = "runs/x";
  try {
    showEditionNews(path, folder);
    assert.equal(shown.length, 1);
  } finally {
    delete process.env.ALIGNLAB_RUN_DIR;
  }
});
