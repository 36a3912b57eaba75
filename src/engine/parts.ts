import { binding } from "./backend";
import { c, check, cString, status, type Pointer } from "./capi";
import { elementCount, int64s, layoutOf } from "./dtypes";
import { toFunction } from "./graphFunction";
import { countNative } from "./nativeCounts";
import { Recorder, type GraphOutput, type Part } from "./recorder";

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
 * @param inputs values like those that it takes
 * @param make records a part under the name it is given; this one registers it
 */
export function partFor(key: string, label: string, inputs: readonly GraphOutput[], make: (name: string) => Pick<Part, "fn" | "outputs">): Part {
  const known = parts.get(key);
  if (known) return known;
  const isNew = !names.has(key);
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
  if (isNew && !binding.context.gpu) compileAhead(part, inputs);
  return part;
}

/**
 * Has XLA compile a part while the rest of the function is still being traced. The only way to is a call, here on
 * nothing, and from within another function: XLA finds again only what was compiled for the same kind of call.
 */
function compileAhead(part: Part, inputs: readonly GraphOutput[]): void {
  const { context } = binding;
  const name = `${part.name}_ahead`;
  const recorder = new Recorder(context, "float32");
  try {
    const results = recorder.callPart(part, inputs.map(({ dtype, shape }) => recorder.parameter(dtype, shape!)));
    const fn = toFunction(recorder, name, results);
    addFunction(name, fn);
    c.TF_DeleteFunction(fn);
  } finally {
    recorder.dispose();
  }
  const handles = new BigUint64Array(part.outputs.length);
  context.inCompiler(() => {
    const op = c.TFE_NewOp(context.handle, cString(name), status);
    for (const { dtype, shape } of inputs) {
      const handle = uninitialisedHandle(dtype, shape!);
      c.TFE_OpAddInput(op, handle, status);
      c.TFE_DeleteTensorHandle(handle);
    }
    c.TFE_Execute(op, handles, Int32Array.of(handles.length), status);
    c.TFE_DeleteOp(op);
  });
  for (const handle of handles) if (handle !== 0n) c.TFE_DeleteTensorHandle(handle);
  // The queued call has its own hold on it.
  removeFunction(name);
}

function uninitialisedHandle(dtype: number, shape: readonly number[]): Pointer {
  const dims = int64s(shape);
  const tensor = c.TF_AllocateTensor(dtype, dims, dims.length, elementCount(shape) * layoutOf(dtype)[0]);
  const handle = c.TFE_NewTensorHandle(tensor, status);
  c.TF_DeleteTensor(tensor);
  return handle;
}

/** Removes those of the parts that no compiled function calls. */
export function freeUnusedParts(used: Iterable<Part>): void {
  for (const part of used) {
    if (part.users > 0) continue;
    binding.context.settleCompiler();
    parts.delete(part.key);
    removeFunction(part.name);
    c.TF_DeleteFunction(part.fn);
  }
}
