import { course } from "../../src/exercises/course";
import type { SourceCell } from "./percent";

/** nbgrader's metadata of one cell, as its version 3 writes it. */
export interface GradeMark {
  grade: boolean;
  grade_id: string;
  locked: boolean;
  points?: number;
  schema_version: 3;
  solution: boolean;
  task: false;
}

const checked = /^await check\("([\w-]+)",/m;
const asked = /^question\("([\w-]+)",/m;
const solution = /^\s*\/\/ BEGIN SOLUTION/m;
const hidden = /^\s*\/\/ BEGIN HIDDEN TESTS\s*$/m;
const library = /^import\b[\s\S]*?from "[./]+\/src";/m;

/**
 * What nbgrader has to know of each cell, from what stands in it; null for cells that are no part of the marking.
 *
 * A solution is an answer without points of its own, the check with hidden tests after it is the test that gives them, a
 * written answer is marked by hand. The cell that imports the library is locked: nbgrader puts its own in its place.
 * @param notebook the notebook's number; one in which all is practice has no marks
 */
export function gradeMarks(cells: readonly SourceCell[], notebook: string): (GradeMark | null)[] {
  const points = course.find((entry) => entry.notebook === notebook);
  if (!points || Object.values(points.exercises).every((value) => value === 0)) return cells.map(() => null);
  const pointsOf = (of: Partial<Record<string, number>>, id: string): number => {
    if (of[id] === undefined) throw new Error(`src/exercises/course.ts gives "${id}" no points in notebook ${notebook}.`);
    return of[id];
  };
  return cells.map((cell, index) => {
    if (cell.kind !== "code") return null;
    const question = asked.exec(cell.text)?.[1];
    if (question && solution.test(cell.text)) return mark(`question-${question}`, { grade: true, solution: true, points: pointsOf(points.questions, question) });
    const exercise = checked.exec(cell.text)?.[1];
    if (exercise && hidden.test(cell.text)) return mark(`check-${exercise}`, { grade: true, locked: true, points: pointsOf(points.exercises, exercise) });
    if (solution.test(cell.text)) return mark(`answer-${nextCheck(cells, index, notebook)}`, { solution: true });
    return library.test(cell.text) ? mark("imports", { locked: true }) : null;
  });
}

function mark(id: string, { grade = false, solution = false, locked = false, points }: { grade?: boolean; solution?: boolean; locked?: boolean; points?: number }): GradeMark {
  return { grade, grade_id: id, locked, ...(points === undefined ? {} : { points }), schema_version: 3, solution, task: false };
}

function nextCheck(cells: readonly SourceCell[], from: number, notebook: string): string {
  const id = cells.slice(from + 1).map(({ text }) => checked.exec(text)?.[1]).find(Boolean);
  if (!id) throw new Error(`Notebook ${notebook}, line ${cells[from].line}: no cell after this solution checks it.`);
  return id;
}
