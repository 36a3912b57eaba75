import type { Tensor } from "@tensorflow/tfjs";
import { binding, idOf, tensorFrom, tf } from "./backend";
import { c, check, cString, status, type Pointer } from "./capi";
import { toFunction, type GraphPart } from "./graphFunction";
import { countNative } from "./nativeCounts";
import { addFunction, freeUnusedParts, removeFunction } from "./parts";
import type { Capture, GraphOutput, Part, Recorder } from "./recorder";

/** A recorded graph that TensorFlow knows as a function, with what it holds. */
export interface NativeFunction {
  name: string;
  captures: readonly HeldCapture[];
  parts: readonly Part[];
  outputs: readonly { shape: number[]; dtype: number }[];
}

/** What is left of a capture when its graph is gone. */
type HeldCapture = Pick<Capture, "handle" | "perCall" | "release">;

/** Makes the recorded graph a TensorFlow function, which from then on owns the recorder's captures. */
export function finish(recorder: Recorder, name: string, results: readonly GraphOutput[], part?: GraphPart): NativeFunction {
  const fn = toFunction(recorder, name, results, part);
  try {
    addFunction(name, fn);
  } finally {
    c.TF_DeleteFunction(fn);
  }
  const parts = [...recorder.parts];
  for (const part of parts) part.users++;
  const captures = recorder.captures.map(({ handle, perCall, release }) => ({ handle, perCall, release }));
  return { name, captures, parts, outputs: results.map(({ shape, dtype }) => ({ shape: shape!, dtype })) };
}

export function releaseCaptures(captures: readonly HeldCapture[]): void {
  for (const capture of captures) {
    countNative("captures", -1);
    capture.release();
  }
}

/** Frees a function once all calls queued so far have run. */
export function free({ name, captures, parts }: NativeFunction): void {
  binding.context.settleBackground();
  removeFunction(name);
  releaseCaptures(captures);
  for (const part of parts) part.users--;
  freeUnusedParts(parts);
}

/**
 * Queues a call on TensorFlow's own thread.
 * @param label names the function in errors @param xla whether XLA compiles it
 */
export function call(fn: NativeFunction, args: readonly Tensor[], label: string, xla: boolean): Tensor[] {
  const { context } = binding;
  const handles = new BigUint64Array(Math.max(1, fn.outputs.length));
  const count = Int32Array.of(fn.outputs.length);
  // An op belongs to the executor in place when it is made, not when it is executed.
  binding.callWith(args.map(idOf), (inputs) => context.inBackground(() => {
    const op = c.TFE_NewOp(context.handle, cString(fn.name), status);
    if (op === 0) check(fn.name);
    try {
      if (context.gpu) c.TFE_OpSetDevice(op, cString(context.gpu.name), status);
      for (const input of inputs) c.TFE_OpAddInput(op, input, status);
      for (const capture of fn.captures) addCapture(op, capture);
      if (xla) c.TFE_OpSetAttrBool(op, cString("_XlaMustCompile"), 1);
      c.TFE_Execute(op, handles, count, status);
      checkCall(fn.name, label);
    } finally {
      c.TFE_DeleteOp(op);
    }
  }));
  return results(fn.outputs, handles);
}

/** The results as tensors. If the call fails before all of their shapes are known, none of them stays. */
function results(outputs: NativeFunction["outputs"], handles: BigUint64Array): Tensor[] {
  const tensors: Tensor[] = [];
  try {
    for (const { shape, dtype } of outputs) {
      const known = shape.every((size) => size >= 0);
      tensors.push(tensorFrom(binding.adopt(Number(handles[tensors.length]), known ? shape : undefined, known ? dtype : undefined)));
    }
    return tensors;
  } catch (error) {
    for (const handle of handles.subarray(tensors.length, outputs.length)) c.TFE_DeleteTensorHandle(Number(handle));
    tf.dispose(tensors);
    binding.context.settleBackground();
    throw error;
  }
}

function addCapture(op: Pointer, { handle, perCall }: HeldCapture): void {
  const own = handle();
  c.TFE_OpAddInput(op, own, status);
  if (perCall) c.TFE_DeleteTensorHandle(own);
}

/** A call is queued, so what it reports at once may be the failure of an earlier one whose result nobody has read. */
function checkCall(name: string, label: string): void {
  const failed = /function_node (\w+)/.exec(c.TF_Message(status))?.[1];
  check(failed === undefined || failed === name ? label : `${label} did not run: an earlier compiled call failed`);
}
