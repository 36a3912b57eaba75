import { tf } from "../engine/backend";
import type { Exercise, ExerciseDefinition, Mistake } from "./exercise";
import { TodoError } from "./todo";
import { firstDifference, float32Tolerance, toPlain, type Difference, type Plain } from "./values";

/** What a check found. */
export interface Verdict {
  state: "passed" | "failed" | "todo";
  id: string;
  title: string;
  /** Names of the parts of a list result. */
  parts: readonly string[];
  /** Trials that came out right before the first that did not, or all. */
  right: string[];
  /** What was tried where it failed. */
  tried?: string;
  got?: Plain;
  wanted?: Plain;
  difference?: Difference;
  /** What the answer threw in place of a result. */
  thrown?: string;
  /** Names and messages of the recognised mistakes. */
  mistakes: { name: string; says: string }[];
}

interface Outcome {
  got?: Plain;
  wanted: Plain;
  thrown?: unknown;
  difference: Difference | null;
}

/** Runs an answer on every trial of its exercise and finds out what went wrong, if anything did. */
export async function judge<Answer>(exercise: Exercise<Answer>, answer: Answer): Promise<Verdict> {
  const definition = exercise as unknown as ExerciseDefinition<Plain, Answer>;
  const verdict: Verdict = { state: "passed", id: definition.id, title: definition.title, parts: definition.parts ?? [], right: [], mistakes: [] };
  if (typeof answer !== "function") {
    return { ...verdict, state: "failed", thrown: `check takes the function itself, as in check("${definition.id}", yourFunction), not ${typeof answer === "object" ? "what it returns" : `a ${typeof answer}`}.` };
  }
  const outcomes: Outcome[] = [];
  for (const { input } of definition.trials) outcomes.push(await attempt(definition, answer, input));
  const todo = outcomes.find(({ thrown }) => thrown instanceof TodoError);
  if (todo) return { ...verdict, state: "todo", thrown: (todo.thrown as TodoError).message };
  const failed = outcomes.findIndex(({ difference, thrown }) => difference !== null || thrown !== undefined);
  verdict.right = definition.trials.slice(0, failed === -1 ? undefined : failed).map(({ tried }) => tried);
  if (failed === -1) return verdict;
  const { got, wanted, thrown, difference } = outcomes[failed];
  return {
    ...verdict,
    state: "failed",
    tried: definition.trials[failed].tried,
    wanted,
    ...(thrown === undefined ? { got, difference: difference ?? undefined } : { thrown: messageOf(thrown) }),
    mistakes: recognise(definition, outcomes),
  };
}

async function attempt<Answer>(definition: ExerciseDefinition<Plain, Answer>, answer: Answer, input: Plain): Promise<Outcome> {
  const given = structuredClone(input);
  const wanted = definition.right(structuredClone(input));
  const engine = tf.engine();
  engine.startScope(`check ${definition.id}`);
  try {
    const got = await toPlain(definition.call(answer, given));
    const difference = firstDifference(got, wanted, definition.tolerance ?? float32Tolerance);
    const changed = difference ? null : firstDifference(given, input, { absolute: 0, relative: 0 });
    if (changed) throw new Error(`The result is right, but the function changed what it was given (at ${changed.where}). Build new lists, so that the data stays as it was for the next use.`);
    return { got, wanted, difference };
  } catch (thrown) {
    return { wanted, thrown, difference: null };
  } finally {
    engine.endScope();
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name === "Error" ? "" : `${thrown.name}: `}${thrown.message}` : String(thrown);
}

/** A mistake that explains the whole result, or else one for each part of the result that is wrong. */
function recognise<Answer>(definition: ExerciseDefinition<Plain, Answer>, outcomes: Outcome[]): Verdict["mistakes"] {
  const ran = outcomes.flatMap((outcome, index) => (outcome.thrown === undefined ? [{ ...outcome, input: definition.trials[index].input }] : []));
  const tolerance = definition.tolerance ?? float32Tolerance;
  const same = (a: Plain, b: Plain) => firstDifference(a, b, tolerance) === null;
  const forms = (mistake: Mistake<Plain>) => [mistake.wrong, ...(mistake.others ?? [])];
  const explains = (mistake: Mistake<Plain>, part: (value: Plain) => Plain) =>
    forms(mistake).some((wrong) => {
      const results = ran.map(({ input }) => attemptWrong(wrong, input));
      const fits = ran.every(({ got }, index) => same(part(got), part(results[index])));
      return fits && ran.some(({ wanted }, index) => !same(part(results[index]), part(wanted)));
    });
  if (ran.every(({ difference }) => difference === null)) return [];
  const whole = definition.mistakes.find((mistake) => explains(mistake, (value) => value));
  if (whole) return [{ name: whole.name, says: whole.says }];
  const found = new Map<string, string>();
  for (const key of partsOf(definition, ran[0].wanted)) {
    const part = (value: Plain) => (typeof value === "object" && value !== null ? (value as Record<string, Plain>)[key] : undefined);
    if (ran.every(({ got, wanted }) => same(part(got), part(wanted)))) continue;
    const mistake = definition.mistakes.find((candidate) => explains(candidate, part));
    if (mistake) found.set(mistake.name, mistake.says);
  }
  return [...found].map(([name, says]) => ({ name, says }));
}

/** A mistake that cannot be made on an input gives a value that equals nothing. */
function attemptWrong(wrong: (input: Plain) => Plain, input: Plain): Plain {
  try {
    return wrong(structuredClone(input));
  } catch {
    return "a mistake that cannot happen here";
  }
}

function partsOf<Answer>(definition: ExerciseDefinition<Plain, Answer>, wanted: Plain): string[] {
  if (Array.isArray(wanted)) return (definition.parts ?? []).map((_, index) => String(index));
  return typeof wanted === "object" && wanted !== null ? Object.keys(wanted) : [];
}
