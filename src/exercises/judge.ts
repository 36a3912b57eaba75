import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { Exercise, ExerciseDefinition } from "./exercise";
import { recognise, type Outcome } from "./recognise";
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
  /** What all wrong numbers have in common, where no mistake was recognised. */
  remark?: string;
}

/**
 * Runs an answer on every trial of its exercise and finds out what went wrong, if anything did.
 * @param hidden runs the trials kept for whoever marks the work, in place of the others
 */
export async function judge<Answer>(exercise: Exercise<Answer>, answer: Answer, { hidden = false }: { hidden?: boolean } = {}): Promise<Verdict> {
  const definition = exercise as unknown as ExerciseDefinition<Plain, Answer>;
  const verdict: Verdict = { state: "passed", id: definition.id, title: definition.title, parts: definition.parts ?? [], right: [], mistakes: [] };
  if (typeof answer !== "function") {
    return { ...verdict, state: "failed", thrown: `check takes the function itself, as in check("${definition.id}", yourFunction), not ${typeof answer === "object" ? "what it returns" : `a ${typeof answer}`}.` };
  }
  const trials = hidden ? (definition.hidden ?? []) : definition.trials;
  const outcomes: Outcome[] = [];
  for (const { input } of trials) outcomes.push(await attempt(definition, answer, input));
  const todo = outcomes.find(({ threw }) => threw?.error instanceof TodoError);
  if (todo) return { ...verdict, state: "todo", thrown: (todo.threw!.error as TodoError).message };
  const failed = outcomes.findIndex(({ difference, threw }) => difference !== null || threw !== undefined);
  verdict.right = trials.slice(0, failed === -1 ? undefined : failed).map(({ tried }) => tried);
  if (failed === -1) return verdict;
  const { got, wanted, threw, difference } = outcomes[failed];
  return {
    ...verdict,
    state: "failed",
    tried: trials[failed].tried,
    wanted,
    ...(threw === undefined ? { got, difference: difference ?? undefined } : { thrown: messageOf(threw.error) }),
    ...recognise(definition, outcomes),
  };
}

async function attempt<Answer>(definition: ExerciseDefinition<Plain, Answer>, answer: Answer, input: Plain): Promise<Outcome> {
  const given = structuredClone(input);
  const wanted = definition.right(structuredClone(input));
  const tensors = new Map<Tensor, Plain>();
  const engine = tf.engine();
  engine.startScope(`check ${definition.id}`);
  try {
    const give = <T extends Tensor>(tensor: T): T => {
      tensors.set(tensor, tensor.arraySync() as Plain);
      return tensor;
    };
    const got = await toPlain(await definition.call(answer, given, give));
    const difference = firstDifference(got, wanted, definition.tolerance ?? float32Tolerance);
    if (!difference) refuseChanges(given, input, tensors);
    return { input, got, wanted, difference };
  } catch (error) {
    return { input, wanted, threw: { error }, difference: null };
  } finally {
    engine.endScope();
  }
}

/** @throws Error when a right result came at the price of what the function was given. */
function refuseChanges(given: Plain, input: Plain, tensors: ReadonlyMap<Tensor, Plain>): void {
  const exact = { absolute: 0, relative: 0 };
  const changed = firstDifference(given, input, exact) ?? firstDifference(input, given, exact);
  if (changed) throw new Error(`The result is right, but the function changed what it was given (at ${changed.where || "the value itself"}). Build new lists, so that the data stays as it was for the next use.`);
  for (const [tensor, before] of tensors) {
    if (tensor.isDisposed) throw new Error("The result is right, but the function disposed a tensor that it was given. Whoever made a tensor disposes it: leave the arguments as they are.");
    if (firstDifference(tensor.arraySync() as Plain, before, exact)) throw new Error("The result is right, but the function changed the numbers of a tensor that it was given. Compute a new tensor.");
  }
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return `${thrown.name === "Error" ? "" : `${thrown.name}: `}${thrown.message}`;
  return thrown === undefined ? "nothing (undefined)" : String(thrown);
}
