import type { ExerciseDefinition, Mistake } from "./exercise";
import { firstDifference, float32Tolerance, inWords, type Difference, type Plain } from "./values";

/** One trial of an answer: what it gave or threw. */
export interface Outcome {
  input: Plain;
  got?: Plain;
  wanted: Plain;
  /** Set when it threw, whatever it threw. */
  threw?: { error: unknown };
  difference: Difference | null;
}

type Part = (value: Plain) => Plain;
const whole: Part = (value) => value;

/**
 * What went wrong, by running each known mistake beside the answer: the one that explains the whole result, or else one
 * for each part of the result that is wrong; failing that, what the wrong numbers have in common.
 */
export function recognise<Answer>(definition: ExerciseDefinition<Plain, Answer>, outcomes: readonly Outcome[]): { mistakes: { name: string; says: string }[]; remark?: string } {
  const ran = outcomes.filter(({ threw }) => threw === undefined);
  if (ran.every(({ difference }) => difference === null)) return { mistakes: [] };
  const found = named(definition, ran);
  if (found.length > 0) return { mistakes: found };
  // Infinities hide what else is wrong: without the trials that have them it may still be known.
  const finite = ran.filter(({ got }) => numbersOf(got).every(Number.isFinite));
  const rest = finite.length < ran.length && finite.some(({ difference }) => difference !== null) ? named(definition, finite) : [];
  if (rest.length > 0) return { mistakes: rest };
  const remark = inCommon(finite);
  return { mistakes: [], ...(remark ? { remark } : {}) };
}

function named<Answer>(definition: ExerciseDefinition<Plain, Answer>, ran: readonly Outcome[]): { name: string; says: string }[] {
  const tolerance = definition.tolerance ?? float32Tolerance;
  const same = (a: Plain, b: Plain): boolean => firstDifference(a, b, tolerance) === null;
  const results = new Map<Mistake<Plain>["wrong"], Plain[]>();
  const resultsOf = (wrong: Mistake<Plain>["wrong"]): Plain[] => {
    const known = results.get(wrong) ?? ran.map(({ input }) => attemptWrong(wrong, input));
    results.set(wrong, known);
    return known;
  };
  const explains = ({ wrong, others = [] }: Mistake<Plain>, part: Part): boolean =>
    [wrong, ...others].some((form) => {
      const given = resultsOf(form);
      const fits = ran.every(({ got }, index) => same(part(got), part(given[index])));
      return fits && ran.some(({ wanted }, index) => !same(part(given[index]), part(wanted)));
    });
  const one = definition.mistakes.find((mistake) => explains(mistake, whole));
  if (one) return [{ name: one.name, says: one.says }];
  const found = new Map<string, string>();
  for (const key of partsOf(definition, ran[0].wanted)) {
    const part: Part = (value) => (typeof value === "object" && value !== null ? (value as Record<string, Plain>)[key] : undefined);
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

function partsOf<Answer>({ parts = [] }: ExerciseDefinition<Plain, Answer>, wanted: Plain): string[] {
  return Array.isArray(wanted) ? parts.map((_, index) => String(index)) : [...parts];
}

/** All numbers of a value in reading order. */
function numbersOf(value: Plain): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

/** One factor, one difference or one reordering that turns every wanted number into the one that came. */
function inCommon(ran: readonly Outcome[]): string | null {
  const pairs = ran.map(({ got, wanted }) => [numbersOf(got), numbersOf(wanted)] as const);
  if (pairs.length === 0 || pairs.some(([got, wanted]) => got.length !== wanted.length || got.length === 0)) return null;
  const [got, wanted] = [pairs.flatMap(([mine]) => mine), pairs.flatMap(([, theirs]) => theirs)];
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-3 * (Math.abs(b) + 1e-2);
  const at = wanted.reduce((best, value, index) => (Math.abs(value) > Math.abs(wanted[best]) ? index : best), 0);
  const factor = got[at] / wanted[at];
  const told = wanted.filter((value) => Math.abs(value) > 1e-6).length > 1;
  if (told && Number.isFinite(factor) && factor !== 0 && got.every((value, index) => near(value, factor * wanted[index]))) {
    return factor === -1 || near(factor, -1) ? "Every number has the opposite sign." : `Every number is ${inWords(factor)} times what is wanted.`;
  }
  const shift = got[at] - wanted[at];
  if (told && got.every((value, index) => near(value - wanted[index], shift))) return `Every number is ${inWords(Math.abs(shift))} too ${shift > 0 ? "large" : "small"}.`;
  const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
  const reordered = pairs.every(([mine, theirs]) => sorted(mine).every((value, index) => near(value, sorted(theirs)[index])));
  return reordered ? "The numbers are the right ones, in another order." : null;
}
