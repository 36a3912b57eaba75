import { binding } from "./backend";
import { c, check, cString, status, type Pointer } from "./capi";
import { countNative } from "./nativeCounts";
import type { Part } from "./recorder";

/** Makes TensorFlow know a function under its name; the caller keeps the pointer. */
export function addFunction(name: string, fn: Pointer): void {
  c.TFE_ContextAddFunction(binding.context.handle, fn, status);
  check(`register ${name}`);
  countNative("functions", 1);
}

export function removeFunction(name: string): void {
  c.TFE_ContextRemoveFunction(binding.context.handle, cString(name), status);
  countNative("functions", -1);
}

/** Those in use: traces of every model share them, so each is compiled once. */
const parts = new Map<string, Part>();

/** A part keeps its name for good: XLA finds by it what it compiled, also when the part is made again later. */
const names = new Map<string, string>();

/**
 * The part with this key, made if need be.
 * @param make records a part under the name it is given; this one registers it
 */
export function partFor(key: string, label: string, make: (name: string) => Pick<Part, "fn" | "outputs">): Part {
  const known = parts.get(key);
  if (known) return known;
  const name = names.get(key) ?? `fused_${label.replace(/\W/g, "_")}_${names.size}`;
  names.set(key, name);
  const { fn, outputs } = make(name);
  try {
    addFunction(name, fn);
  } catch (error) {
    c.TF_DeleteFunction(fn);
    throw error;
  }
  const part = { key, name, fn, outputs, users: 0 };
  parts.set(key, part);
  return part;
}

/** Removes those of the parts that no compiled function calls. */
export function freeUnusedParts(used: Iterable<Part>): void {
  for (const part of used) {
    if (part.users > 0) continue;
    parts.delete(part.key);
    removeFunction(part.name);
    c.TF_DeleteFunction(part.fn);
  }
}
