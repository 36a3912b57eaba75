import type { Tensor } from "@tensorflow/tfjs";
import { binding, idOf, keepVariablesInPlace, tensorFrom, tf } from "./backend";
import { finish, releaseCaptures, type NativeFunction } from "./compiled";
import { finishPasses, recordPasses, type Differentiable } from "./differentiable";
import { freeDropped } from "./dropped";
import { dtypeNumber } from "./dtypes";
import { freeUnusedParts } from "./parts";
import { Recorder, type Precision } from "./recorder";
import { recordedBytes } from "./traceCache";
import { openStream, type Draws } from "./tracedRandom";
import { inTrace } from "./traceScope";

export type JitResult = Tensor | Tensor[] | void;

/** What a function gave back, so that a compiled call gives back the same. */
export interface Traced<F> {
  compiled: F;
  nodes: number;
  /** What it takes in TensorFlow, see `functionBytes`. */
  bytes: number;
  single: boolean;
  empty: boolean;
}

export interface TraceOptions {
  name: string | undefined;
  precision: Precision | undefined;
  xla: boolean;
}

type Traceable = (...args: Tensor[]) => JitResult;

let traceCount = 0;

/** Records a function as one TensorFlow function. */
export function traceCall(fn: Traceable, args: readonly Tensor[], options: TraceOptions, draws: Draws): Traced<NativeFunction> {
  return record(options, draws, (recorder, name) => {
    const { result, results } = inTrace(recorder, () => {
      const { result, tensors } = run(fn, parametersFor(recorder, args), options.name);
      return { result, results: tensors.map((tensor) => binding.symbolOf(idOf(tensor))) };
    });
    return { result, compiled: finish(recorder, name, results) };
  });
}

/** Records a function and its gradient as two TensorFlow functions. */
export function traceWithGradient(fn: Traceable, args: readonly Tensor[], options: TraceOptions, draws: Draws): Traced<Differentiable> {
  return record(options, draws, (recorder, name) => {
    const { result, passes } = inTrace(recorder, () => {
      const parameters = parametersFor(recorder, args);
      let result: JitResult = undefined;
      const passes = recordPasses(recorder, parameters, () => {
        const ran = run(fn, parameters, options.name);
        result = ran.result;
        return ran.tensors;
      });
      return { result, passes };
    });
    return { result, compiled: finishPasses(recorder, name, passes) };
  });
}

function record<F>({ name, precision, xla }: TraceOptions, draws: Draws, make: (recorder: Recorder, name: string) => { result: JitResult; compiled: F }): Traced<F> {
  freeDropped();
  keepVariablesInPlace();
  const recorder = new Recorder(binding.context, precision ?? "float32", !xla);
  openStream(recorder, draws);
  let done = false;
  try {
    const { result, compiled } = make(recorder, `${name ?? "jit"}_${traceCount++}`);
    done = true;
    return { compiled, nodes: recorder.nodes.length, bytes: recordedBytes(recorder), single: !Array.isArray(result), empty: result === undefined };
  } finally {
    if (!done) {
      releaseCaptures(recorder.captures);
      freeUnusedParts(recorder.parts);
    }
    recorder.dispose();
  }
}

const parametersFor = (recorder: Recorder, args: readonly Tensor[]): Tensor[] =>
  args.map((arg) => tensorFrom(binding.adoptSymbol(recorder.parameter(dtypeNumber(arg.dtype), arg.shape))));

/** Calls a function and refuses what `jit` cannot give back. */
export function run(fn: Traceable, parameters: Tensor[], name: string | undefined): { result: JitResult; tensors: Tensor[] } {
  const result = fn(...parameters);
  const tensors: Tensor[] = result === undefined ? [] : Array.isArray(result) ? result : [result];
  tensors.forEach((tensor: unknown) => refuseOtherThanTensor(tensor, name));
  return { result, tensors };
}

function refuseOtherThanTensor(result: unknown, name = "the function"): void {
  if (result instanceof tf.Tensor) return;
  if (result instanceof Promise) {
    // What the function's rest meets is part of the same mistake.
    result.catch(() => undefined);
    throw new TypeError(`jit: ${name} is asynchronous. A traced function runs without waiting: remove async and await, and read results after the call.`);
  }
  throw new TypeError(`jit: ${name} returned ${result === null ? "null" : typeof result}; it must return a tensor, an array of tensors or nothing.`);
}
