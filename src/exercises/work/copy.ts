import { cellHash, compareEditions, readStamp, stampEdition, textOf, type Change, type EditionStamp, type NotebookCell, type NotebookFile } from "./edition";

/** What taking over a newer edition did to a copy's cells. */
export interface TakeOver {
  notebook: NotebookFile;
  /** What stayed as the student wrote it, by the names of stamps ("exercise dpoLoss"). */
  kept: string[];
  /** What changed in the edition and had been edited: the former text stands below the new one. */
  former: string[];
}

/** A student's copy of an edition: the same cells, and in its metadata what they were. */
export function copyOfEdition(edition: NotebookFile, date: string): NotebookFile {
  return withStamp(edition, edition, date);
}

function withStamp(notebook: NotebookFile, edition: NotebookFile, date: string): NotebookFile {
  const alignlab = { ...(edition.metadata.alignlab as object | undefined), copied_from: stampEdition(edition, date) };
  return { ...notebook, metadata: { ...notebook.metadata, ...edition.metadata, alignlab } };
}

/** Whether a copy holds nothing of a student's: no cell edited, added, removed, moved or run. */
export function isUntouched(copy: NotebookFile, stamp: EditionStamp): boolean {
  return (
    copy.cells.length === stamp.cells.length &&
    copy.cells.every((cell, index) => {
      const ran = (cell.outputs?.length ?? 0) > 0 || cell.execution_count != null;
      return !ran && cell.id === stamp.cells[index].id && cellHash(cell) === stamp.cells[index].sha256;
    })
  );
}

/** The cells of a copy by the id they had in the edition, and whether the student edited each. */
export function editedCells(copy: NotebookFile, stamp: EditionStamp): Map<string, { cell: NotebookCell; edited: boolean }> {
  const prints = new Map(stamp.cells.map((print) => [print.id, print]));
  const found = new Map<string, { cell: NotebookCell; edited: boolean }>();
  for (const cell of copy.cells) {
    const print = cell.id === undefined ? undefined : prints.get(cell.id);
    if (print && !found.has(print.id)) found.set(print.id, { cell, edited: cellHash(cell) !== print.sha256 });
  }
  return found;
}

/**
 * Brings a copy to a newer edition. A cell that the student edited stays where the edition's cell is as it was; where that
 * changed too, the new cell comes and the former one follows it as text. The student's own cells stay behind the cell
 * they stood behind; cells that the student removed stay away unless they changed.
 * @param date the day, for the new stamp and for the former cells
 * @throws Error when the file is no copy of an edition
 */
export function takeOver(copy: NotebookFile, edition: NotebookFile, date: string): TakeOver {
  const stamp = readStamp(copy);
  if (!stamp) throw new Error("This notebook does not say which edition it was copied from, so your changes cannot be told from the edition's.");
  const changes = compareEditions(stamp, edition);
  const before = editedCells(copy, stamp);
  const result: TakeOver = { notebook: copy, kept: [], former: [] };
  const followers = ownCells(copy, changes, before, result, date);
  const cells = [...(followers.get(-1) ?? [])];
  edition.cells.forEach((fresh, index) => {
    cells.push(...cellsAt(changes[index], fresh, before, result, date), ...(followers.get(index) ?? []));
  });
  result.notebook = withStamp({ ...copy, cells: uniqueIds(cells) }, edition, date);
  return result;
}

type Before = ReturnType<typeof editedCells>;

/** What stands at the place of one cell of the new edition. */
function cellsAt(change: Change, fresh: NotebookCell, before: Before, result: TakeOver, date: string): NotebookCell[] {
  if (change.kind !== "same" && change.kind !== "changed") return [fresh];
  const { was, is, kind } = change;
  const mine = before.get(was.id);
  if (!mine) return kind === "same" ? [] : [fresh];
  const stays = { ...mine.cell, id: is.id, metadata: { ...mine.cell.metadata, ...fresh.metadata } };
  if (kind === "same" || cellHash(mine.cell) === is.sha256) {
    if (mine.edited && kind === "same") result.kept.push(is.what);
    return [stays];
  }
  if (!mine.edited) return [fresh];
  result.former.push(is.what);
  return [fresh, formerCell(mine.cell, date)];
}

/** Cells that the new edition has no place for, by the index of the edition's cell that they follow; -1 is the beginning. */
function ownCells(copy: NotebookFile, changes: Change[], before: Before, result: TakeOver, date: string): Map<number, NotebookCell[]> {
  const place = new Map(changes.flatMap((change) => (change.kind === "same" || change.kind === "changed" ? [[change.was.id, change.index] as const] : [])));
  const gone = new Map(changes.flatMap((change) => (change.kind === "gone" ? [[change.was.id, change.was] as const] : [])));
  const followers = new Map<number, NotebookCell[]>();
  let anchor = -1;
  for (const cell of copy.cells) {
    const known = cell.id !== undefined && before.get(cell.id)?.cell === cell ? cell.id : undefined;
    const index = known === undefined ? undefined : place.get(known);
    if (index !== undefined) {
      anchor = index;
      continue;
    }
    const left = known === undefined ? undefined : gone.get(known);
    if (left && !before.get(left.id)!.edited) continue;
    if (left) result.former.push(left.what);
    followers.set(anchor, [...(followers.get(anchor) ?? []), left ? formerCell(cell, date) : cell]);
  }
  return followers;
}

/** A cell that no longer fits, as text: running all cells must not run it. */
function formerCell(cell: NotebookCell, date: string): NotebookCell {
  const text = textOf(cell).trimEnd();
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const head = `**What you had here before the edition of ${date}.** The course's cell has changed since. Take over what still fits, then delete this cell.`;
  return { cell_type: "markdown", id: `${cell.id}-former`, metadata: {}, source: `${head}\n\n${fence}${cell.cell_type === "code" ? "ts" : "md"}\n${text}\n${fence}` };
}

function uniqueIds(cells: NotebookCell[]): NotebookCell[] {
  const taken = new Set<string>();
  return cells.map((cell) => {
    let id = cell.id ?? "cell";
    for (let n = 2; taken.has(id); n++) id = `${(cell.id ?? "cell").slice(0, 56)}-${n}`;
    taken.add(id);
    return { ...cell, id };
  });
}
