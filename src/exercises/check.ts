import { display } from "../engine/host";
import { escapeHtml } from "../engine/html";
import { exercises, type ExerciseId } from "./checks/index";
import type { Exercise } from "./exercise";
import { judge, type Verdict } from "./judge";
import { record } from "./progressStore";
import { placeInWords, report } from "./report";

/** Ends a cell whose exercise is not right yet, so that "run all" stops there. */
export class CheckError extends Error {
  override readonly name = "CheckError";
  constructor(
    message: string,
    readonly verdict: Verdict,
  ) {
    super(message);
    // What was shown says all; where in the library it was thrown tells a student nothing.
    this.stack = `${this.name}: ${message}`;
  }
}

/** The function that an exercise asks for. */
export type AnswerTo<Id> = Id extends ExerciseId ? ((typeof exercises)[Id] extends Exercise<infer Answer> ? Answer : never) : Id extends Exercise<infer Answer> ? Answer : never;

function find(id: string | Exercise<never>): Exercise<never> {
  if (typeof id !== "string") return id;
  const found = (exercises as Record<string, unknown>)[id];
  if (!found) throw new Error(`There is no exercise "${id}". The exercises: ${Object.keys(exercises).join(", ")}.`);
  return found as Exercise<never>;
}

/**
 * Tries your function on cases with known results and shows, in plain words, whether it is right or where it goes wrong.
 * @param id an exercise's name, or an exercise of your own made with `exercise`
 * @param options `hidden` tries the cases that are kept for whoever marks the work
 * @throws CheckError when the function is not right yet
 */
export async function check<Id extends ExerciseId | Exercise<never>>(id: Id, answer: AnswerTo<Id>, options: { hidden?: boolean } = {}): Promise<void> {
  const definition = find(id as string | Exercise<never>);
  const verdict = await judge(definition as unknown as Exercise<AnswerTo<Id>>, answer, options);
  if (!options.hidden) record({ kind: "check", id: verdict.id, state: verdict.state, mistakes: verdict.mistakes.map(({ name }) => name) });
  const hintAt = `a hint is folded above this cell; hint("${definition.id}") shows the next one here.`;
  display(report(verdict, hintAt));
  if (verdict.state === "passed") return;
  if (verdict.state === "todo") throw new CheckError(`${verdict.title}. ${verdict.thrown}`, verdict);
  const summary = verdict.mistakes[0]?.says ?? verdict.thrown ?? verdict.remark ?? (verdict.difference ? placeInWords(verdict) : "");
  throw new CheckError(`${verdict.title}: not right yet. ${summary}`.trim(), verdict);
}

const hintsShown = new Map<string, number>();

/** Shows an exercise's next hint; the last one stays. */
export function hint(id: ExerciseId | Exercise<never>): void {
  const { id: name, title, hints } = find(id);
  const at = Math.min(hintsShown.get(name) ?? 0, hints.length - 1);
  hintsShown.set(name, at + 1);
  record({ kind: "hint", id: name });
  const head = `${title}, hint ${at + 1} of ${hints.length}`;
  display({
    "text/plain": `${head}: ${hints[at]}`,
    "text/html": `<div style="border-left:6px dotted #666666;padding:4px 12px"><strong>${escapeHtml(head)}</strong><div>${escapeHtml(hints[at])}</div></div>`,
  });
}
