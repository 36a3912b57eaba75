import { editedCells } from "./copy";
import { compareEditions, readStamp, stampEdition, type Change, type NotebookFile } from "./edition";

/** More lines than this are counted, not listed. */
const LONGEST = 8;

/**
 * What a newer edition changed, in a line for each part of the notebook, and of what a student edited what becomes of it.
 * Empty where the copy is of this edition, or is no copy.
 */
export function editionNews(copy: NotebookFile, edition: NotebookFile): string[] {
  const stamp = readStamp(copy);
  if (!stamp || stamp.sha256 === stampEdition(edition, "").sha256) return [];
  const changes = compareEditions(stamp, edition).filter(({ kind }) => kind !== "same");
  const mine = editedCells(copy, stamp);
  const parts = new Map<string, string[]>();
  for (const change of changes) {
    const { part, what } = change.kind === "gone" ? change.was : change.is;
    const edited = change.kind !== "new" && mine.get(change.was.id)?.edited === true;
    parts.set(part, [...(parts.get(part) ?? []), `${what} ${verb(change)}${edited ? " (yours will stand below it)" : ""}`]);
  }
  const lines = [...parts].map(([part, texts]) => `${part}: ${counted(texts).join(", ")}`);
  if (lines.length === 0) return ["the cells stand in another order"];
  return lines.length <= LONGEST ? lines : [...lines.slice(0, LONGEST - 1), `and ${lines.length - LONGEST + 1} more parts`];
}

function verb({ kind }: Change): string {
  return kind === "new" ? "is new" : kind === "gone" ? "is gone" : "changed";
}

function counted(texts: string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => (count === 1 ? text : `${text} (${count} cells)`));
}

/** The commands that take a newer edition over; `name` is a notebook's, for example "01-dpo-from-scratch". */
export function howToRenew(name: string): string {
  return `npm run renew -- ${name.slice(0, 2)}`;
}
