/** Values as JSON that come back as they were: plain objects and lists, with the numbers that JSON lacks and typed arrays. */

const ARRAYS = { Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array, Int8Array } as const;
type ArrayName = keyof typeof ARRAYS;

/** @param place where the value stands, for errors: `value.losses[3]` @throws TypeError for what a file cannot hold */
function encoded(value: unknown, place: string): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? "-0" : String(value) };
  if (Array.isArray(value)) return value.map((item, i) => encoded(item, `${place}[${i}]`));
  if (typeof value === "object") {
    const kind = Object.keys(ARRAYS).find((name) => value instanceof ARRAYS[name as ArrayName]);
    if (kind) return { $array: kind, values: Array.from(value as Float32Array, (number) => encoded(number, place)) };
    const prototype = Object.getPrototypeOf(value) as object | null;
    // Another realm's Object, as in a notebook's cells, is plain too.
    if (prototype === null || Object.getPrototypeOf(prototype) === null) {
      return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined).map(([name, part]) => [name.startsWith("$") ? `$${name}` : name, encoded(part, `${place}.${name}`)]));
    }
  }
  const what = typeof value === "object" ? `a ${(value as object).constructor?.name}` : `of type ${typeof value}`;
  throw new TypeError(`${place} is ${what}, which a file cannot hold. Store plain values: numbers, texts, lists, objects, typed arrays; of a tensor what its data() gives.`);
}

function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded);
  if (typeof value !== "object" || value === null) return value;
  const { $number, $array, values } = value as { $number?: string; $array?: ArrayName; values?: unknown[] };
  if ($number !== undefined) return Number($number);
  if ($array !== undefined) return ARRAYS[$array].from(values!.map(decoded) as number[]);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name.startsWith("$") ? name.slice(1) : name, decoded(part)]));
}

/** A value on one line. */
export const valueText = (value: unknown, place: string): string => JSON.stringify(encoded(value, place));

export const valueOf = (text: string): unknown => decoded(JSON.parse(text));
