import { tf } from "../engine/backend";

/** A value that has no numbers to compare; `is` says what it is. */
export class Unreadable {
  constructor(readonly is: string) {}
}

/** What checks compare: tensors become nested lists of numbers. */
export type Plain = number | string | boolean | null | undefined | Unreadable | Plain[] | { [key: string]: Plain };

/**
 * Reads a value of any kind, tensors included, into plain lists, records and numbers. What is none of these, a promise
 * inside a list among them, becomes an `Unreadable`.
 */
export async function toPlain(value: unknown, around: readonly unknown[] = []): Promise<Plain> {
  if (value instanceof tf.Tensor) return value.isDisposed ? new Unreadable("a tensor that was disposed before it could be read") : ((await value.array()) as Plain);
  if (typeof value === "bigint") return new Unreadable("a bigint (Number(x) makes a number of it)");
  if (typeof value === "function") return new Unreadable(`the function ${value.name || "without a name"} (is it to be called?)`);
  if (typeof value === "symbol") return new Unreadable("a symbol");
  if (typeof value !== "object" || value === null) return value as Plain;
  if (around.includes(value)) return new Unreadable("an object that contains itself");
  const inside = [...around, value];
  if (Array.isArray(value)) return Promise.all(Array.from(value, (entry) => toPlain(entry, inside)));
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return toPlain(Array.from(value as unknown as ArrayLike<unknown>), around);
  if (typeof (value as { then?: unknown }).then === "function") return new Unreadable("a promise (is an await missing?)");
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return new Unreadable(`an object of the class ${prototype.constructor?.name || "without a name"}`);
  const entries = await Promise.all(Object.entries(value).map(async ([key, entry]) => [key, await toPlain(entry, inside)] as const));
  return Object.fromEntries(entries);
}

/** The first place where two values differ. */
export interface Difference {
  /** Path from the whole value, for example `[1][3]` or `.chosen_attn_mask[0]`; empty for the value itself. */
  where: string;
  got: Plain;
  wanted: Plain;
  /** What is wrong there, in words. */
  says: string;
}

export interface Tolerance {
  absolute: number;
  relative: number;
}

/** Room for float32 sums taken in another order. */
export const float32Tolerance: Tolerance = { absolute: 1e-4, relative: 1e-4 };

/** The first difference, in reading order, or null. Records may have more keys than wanted. */
export function firstDifference(got: Plain, wanted: Plain, tolerance: Tolerance = float32Tolerance, where = ""): Difference | null {
  const differs = (says: string): Difference => ({ where, got, wanted, says });
  if (typeof wanted === "number") return numberDifference(got, wanted, tolerance, differs);
  if (typeof wanted === "string") return stringDifference(got, wanted, differs);
  if (Array.isArray(wanted)) return listDifference(got, wanted, tolerance, where, differs);
  if (typeof wanted === "object" && wanted !== null && !(wanted instanceof Unreadable)) return recordDifference(got, wanted, tolerance, where, differs);
  return Object.is(got, wanted) || (wanted instanceof Unreadable && got instanceof Unreadable) ? null : differs(`${kindOf(got)}, where ${kindOf(wanted)} is wanted`);
}

type Differs = (says: string) => Difference;

function numberDifference(got: Plain, wanted: number, tolerance: Tolerance, differs: Differs): Difference | null {
  if (typeof got !== "number") return differs(`${kindOf(got)}, where a number is wanted`);
  if (Number.isNaN(got) && !Number.isNaN(wanted)) return differs("NaN: somewhere 0 was divided by 0, or an infinity was multiplied by 0 or taken from another");
  if (got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))) return null;
  const fine = Math.abs(got - wanted) <= tolerance.absolute + tolerance.relative * Math.abs(wanted);
  return fine ? null : differs("another number");
}

function stringDifference(got: Plain, wanted: string, differs: Differs): Difference | null {
  if (typeof got !== "string") return differs(`${kindOf(got)}, where a text is wanted`);
  if (got === wanted) return null;
  let at = 0;
  while (at < got.length && got[at] === wanted[at]) at++;
  if (at === got.length) return differs(`it ends after ${at} characters, where ${JSON.stringify(wanted.slice(at, at + 24))} has to follow`);
  if (at === wanted.length) return differs(`it goes on with ${JSON.stringify(got.slice(at, at + 24))}, where it has to end`);
  return differs(`from character ${at} on it says ${JSON.stringify(got.slice(at, at + 24))}, where it has to say ${JSON.stringify(wanted.slice(at, at + 24))}`);
}

function listDifference(got: Plain, wanted: Plain[], tolerance: Tolerance, where: string, differs: Differs): Difference | null {
  if (!Array.isArray(got)) return differs(`${kindOf(got)}, where ${kindOf(wanted)} is wanted`);
  const [mine, theirs] = [shapeOf(got), shapeOf(wanted)];
  if (mine && theirs && (mine.length > 1 || theirs.length > 1) && mine.join() !== theirs.join()) return differs(`its shape is [${mine.join(", ")}], where [${theirs.join(", ")}] is wanted`);
  if (mine && theirs && got.length !== wanted.length) return differs(`it has ${count(got.length, "entry", "entries")}, where ${wanted.length} are wanted`);
  for (let index = 0; index < Math.min(got.length, wanted.length); index++) {
    const difference = firstDifference(got[index], wanted[index], tolerance, `${where}[${index}]`);
    if (difference) return difference;
  }
  return got.length === wanted.length ? null : differs(`it has ${count(got.length, "entry", "entries")}, where ${wanted.length} are wanted`);
}

function recordDifference(got: Plain, wanted: Record<string, Plain>, tolerance: Tolerance, where: string, differs: Differs): Difference | null {
  if (typeof got !== "object" || got === null || Array.isArray(got) || got instanceof Unreadable) return differs(`${kindOf(got)}, where a record with ${Object.keys(wanted).join(", ")} is wanted`);
  for (const [key, value] of Object.entries(wanted)) {
    if (!(key in got)) return differs(`it has no ${key}; its keys are ${Object.keys(got).join(", ") || "none"}`);
    const difference = firstDifference(got[key], value, tolerance, `${where}.${key}`);
    if (difference) return difference;
  }
  return null;
}

/** Sizes of a rectangular nested list, or null where rows have different lengths. */
export function shapeOf(value: Plain): number[] | null {
  if (!Array.isArray(value)) return [];
  const inner = value.map(shapeOf);
  const first = inner[0] ?? [];
  const even = inner.every((shape) => shape !== null && shape.length === first.length && shape.every((size, axis) => size === first[axis]));
  return even ? [value.length, ...first] : null;
}

function kindOf(value: Plain): string {
  if (value === undefined) return "nothing (undefined; is there a return?)";
  if (value === null) return "null";
  if (Array.isArray(value)) {
    const shape = shapeOf(value);
    return shape && shape.length > 1 ? `a list of shape [${shape.join(", ")}]` : `a list of ${value.length}`;
  }
  if (value instanceof Unreadable) return value.is;
  if (typeof value === "object") return "a record";
  return { number: "a number", string: "a text", boolean: "true or false" }[typeof value as "number" | "string" | "boolean"];
}

/** A value as one short line. */
export function inWords(value: Plain, limit = 160): string {
  const text = format(value);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

function format(value: Plain): string {
  if (typeof value === "number") return Number.isInteger(value) || !Number.isFinite(value) ? String(value) : String(Number(value.toPrecision(5)));
  if (Array.isArray(value)) return `[${value.map(format).join(", ")}]`;
  if (value instanceof Unreadable) return `(${value.is})`;
  if (typeof value === "object" && value !== null) return `{ ${Object.entries(value).map(([key, entry]) => `${key}: ${format(entry)}`).join(", ")} }`;
  return value === undefined ? "undefined" : JSON.stringify(value);
}

export function count(amount: number, one: string, many: string): string {
  return `${amount} ${amount === 1 ? one : many}`;
}
