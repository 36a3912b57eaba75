import { test } from "node:test";
import assert from "node:assert/strict";
import { editionNews } from "../../../src/exercises/work/changes";
import { copyOfEdition, isUntouched, takeOver } from "../../../src/exercises/work/copy";
import { compareEditions, readStamp, stampEdition, textOf, type NotebookCell, type NotebookFile } from "../../../src/exercises/work/edition";

const code = (id: string, source: string): NotebookCell => ({ cell_type: "code", id, source, metadata: {}, outputs: [], execution_count: null });
const text = (id: string, source: string): NotebookCell => ({ cell_type: "markdown", id, source, metadata: {} });
const notebook = (...cells: NotebookCell[]): NotebookFile => ({ cells, metadata: { alignlab: { source: "09-x.ts", edition: "student" } }, nbformat: 4, nbformat_minor: 5 });

const importing = code("start-2", 'import { todo } from "../src";');
const padding = code("pad-2", 'function pad() {\n  todo("pad");\n}\nawait check("pad", pad);');
const loss = code("loss-2", 'function dpoLoss() {\n  todo("the loss");\n}\nawait check("dpo-loss", dpoLoss);');
const asked = code("loss-3", 'const why = ``;\nquestion("beta-large", why);');
const edition = notebook(text("start-1", "# Title"), importing, text("pad-1", "## Padding"), padding, text("loss-1", "## Loss"), loss, asked);

/** A copy of the edition with some cells rewritten, and run. */
function studentsCopy(answers: Record<string, string>): NotebookFile {
  const copy = copyOfEdition(structuredClone(edition), "2026-09-01");
  const cells = copy.cells.map((cell) => (answers[cell.id!] ? { ...cell, source: answers[cell.id!], execution_count: 3, outputs: [{ output_type: "stream" }] } : cell));
  return { ...copy, cells };
}
/** The edition with cells replaced (by id), in the same order. */
const newer = (...changed: NotebookCell[]): NotebookFile => notebook(...edition.cells.map((cell) => changed.find(({ id }) => id === cell.id) ?? cell));
const texts = (file: NotebookFile): string[] => file.cells.map(textOf);

test("a copy remembers its edition; untouched means no edit, no run, no other cell", () => {
  const copy = copyOfEdition(edition, "2026-09-01");
  const stamp = readStamp(copy)!;
  assert.deepEqual(texts(copy), texts(edition));
  assert.deepEqual([stamp.date, stamp.sha256, stamp.cells[5].what, stamp.cells[6].what, stamp.cells[5].part], ["2026-09-01", stampEdition(edition, "").sha256, "exercise dpoLoss", "question beta-large", "Loss"]);
  assert.equal(readStamp(edition), null);
  assert.ok(isUntouched(copy, stamp));
  assert.ok(!isUntouched(studentsCopy({ "pad-2": "mine" }), stamp));
  assert.ok(!isUntouched({ ...copy, cells: copy.cells.map((cell, index) => (index === 1 ? { ...cell, execution_count: 1 } : cell)) }, stamp), "it was run");
  assert.ok(!isUntouched({ ...copy, cells: [...copy.cells, code("own", "1")] }, stamp), "a cell of the student's own");
  assert.ok(!isUntouched({ ...copy, cells: [copy.cells[1], copy.cells[0], ...copy.cells.slice(2)] }, stamp), "cells were moved");
});

test("JupyterLab's own way of writing a file, lines and blanks at the end, is no edit", () => {
  const copy = copyOfEdition(edition, "2026-09-01");
  const saved = { ...copy, cells: copy.cells.map((cell) => ({ ...cell, source: `${textOf(cell)}\n`.split(/(?<=\n)/) })) };
  assert.ok(isUntouched(saved, readStamp(copy)!));
});

test("answers stay where the exercise is as it was, with their outputs; the rest is new", () => {
  const mine = "function dpoLoss() { return 1; }";
  const taken = takeOver(studentsCopy({ "loss-2": mine }), newer(text("pad-1", "## Padding\n\nA better text."), code("start-2", 'import { todo, tf } from "../src";')), "2026-10-01");
  assert.deepEqual([taken.kept, taken.former], [["exercise dpoLoss"], []]);
  const after = new Map(taken.notebook.cells.map((cell) => [cell.id, cell]));
  assert.equal(after.get("loss-2")!.source, mine);
  assert.deepEqual([after.get("loss-2")!.execution_count, after.get("loss-2")!.outputs?.length], [3, 1]);
  assert.match(textOf(after.get("pad-1")!), /A better text/);
  assert.match(textOf(after.get("start-2")!), /tf/);
  assert.equal(readStamp(taken.notebook)!.date, "2026-10-01");
  assert.equal(editionNews(taken.notebook, edition).length, 2, "it is of the newer edition now");
});

test("where the exercise changed, the new one comes and the answer stands below as text, whatever fences it holds", () => {
  const mine = "function pad() { return `a```b`; }";
  const { notebook: file, former } = takeOver(studentsCopy({ "pad-2": mine }), newer(code("pad-2", 'function pad(side) {\n  todo("pad");\n}\nawait check("pad", pad);')), "2026-10-01");
  const at = file.cells.findIndex(({ id }) => id === "pad-2");
  assert.deepEqual(former, ["exercise pad"]);
  assert.match(textOf(file.cells[at]), /pad\(side\)/);
  assert.equal(file.cells[at + 1].cell_type, "markdown");
  assert.ok(textOf(file.cells[at + 1]).includes(`\n\`\`\`\`ts\n${mine}\n\`\`\`\``));
});

test("an exercise that moved, under another heading and so with another id, takes its answer along", () => {
  const moved = notebook(...edition.cells.slice(0, 4), text("inserted", "## New part"), code("new-part-2", textOf(loss)), asked);
  const { notebook: file, kept } = takeOver(studentsCopy({ "loss-2": "mine" }), moved, "2026-10-01");
  assert.deepEqual(kept, ["exercise dpoLoss"]);
  assert.equal(textOf(file.cells.find(({ id }) => id === "new-part-2")!), "mine");
});

test("an inserted cell that takes over an exercise's id does not take over its answer", () => {
  const inserted = code("loss-2", "console.log('look first');");
  const shifted = notebook(...edition.cells.slice(0, 5), inserted, code("loss-3", `${textOf(loss)} // changed`), code("loss-4", textOf(asked)));
  const { notebook: file, former } = takeOver(studentsCopy({ "loss-2": "mine" }), shifted, "2026-10-01");
  const at = file.cells.findIndex((cell) => textOf(cell).endsWith("// changed"));
  assert.deepEqual(former, ["exercise dpoLoss"]);
  assert.match(textOf(file.cells[at + 1]), /mine/);
  assert.deepEqual(file.cells.filter((cell) => /mine/.test(textOf(cell))).length, 1);
});

test("the student's own cells stay behind the cell they stood behind; a removed cell stays away, an answer to a dropped exercise as text", () => {
  const copy = studentsCopy({ "pad-2": "my pad" });
  const cells = [code("first", "my first"), ...copy.cells.flatMap((cell) => (cell.id === "loss-2" ? [cell, code("tries", "my tries")] : cell.id === "loss-3" ? [] : [cell]))];
  const without = notebook(...edition.cells.filter(({ id }) => id !== "pad-2"));
  const { notebook: file, former } = takeOver({ ...copy, cells }, without, "2026-10-01");
  assert.deepEqual(file.cells.map(({ id }) => id), ["first", "start-1", "start-2", "pad-1", "pad-2-former", "loss-1", "loss-2", "tries"]);
  assert.deepEqual(former, ["exercise pad"]);
  assert.equal(new Set(file.cells.map(({ id }) => id)).size, file.cells.length);
});

test("taking over the same edition again changes nothing but the stamp's day", () => {
  const copy = studentsCopy({ "pad-2": "mine" });
  const again = takeOver(copy, edition, "2026-09-01").notebook;
  assert.deepEqual(again, copy);
});

test("the news name parts and exercises, and what becomes of an edited one", () => {
  const changed = newer(text("pad-1", "## Padding\n\nBetter."), code("loss-2", `${textOf(loss)}\n// harder`));
  changed.cells.push(code("loss-4", "console.log(1)"));
  assert.deepEqual(editionNews(studentsCopy({ "loss-2": "mine" }), changed), [
    "Padding: text changed",
    "Loss: exercise dpoLoss changed (yours will stand below it), code is new",
  ]);
  assert.deepEqual(editionNews(studentsCopy({ "loss-2": "mine" }), edition), [], "the same edition");
  assert.deepEqual(editionNews(edition, changed), [], "no copy");
  const reversed = notebook(...edition.cells.slice(2), ...edition.cells.slice(0, 2));
  assert.deepEqual(editionNews(studentsCopy({}), reversed), ["the cells stand in another order"]);
  assert.deepEqual(compareEditions(stampEdition(edition, ""), reversed).map(({ kind }) => kind), edition.cells.map(() => "same"));
});

test("a file without a stamp is refused", () => {
  assert.throws(() => takeOver(edition, edition, "2026-10-01"), /does not say which edition it was copied from/);
});
