import { c, check, cString, status, type Pointer } from "./capi";
import { ATTR } from "./dtypes";
import { packOutputs } from "./node";
import type { GraphOutput, Recorder } from "./recorder";

/** Which part of a graph becomes a function. */
export interface GraphPart {
  /** What it takes before the captures. Default: the parameters. */
  inputs?: readonly GraphOutput[];
  /** The nodes in it. Default: all. */
  ops?: readonly Pointer[];
  /** Ops that run whether or not a result depends on them. Default: all that have effects. */
  effects?: readonly Pointer[];
}

const addresses = (pointers: readonly Pointer[]): BigUint64Array => BigUint64Array.from(pointers, BigInt);

/** What was recorded as a TensorFlow function of inputs and captures, in this order. The caller deletes it. */
export function toFunction(recorder: Recorder, name: string, results: readonly GraphOutput[], { inputs = recorder.parameters, ops, effects = recorder.effects }: GraphPart = {}): Pointer {
  // A function's output must not be one of its inputs: Identity stands between.
  const outputs = results.map((result): GraphOutput => ({ ...result, op: recorder.node("Identity", [{ name: "T", type: ATTR.TYPE, value: result.dtype }], [result]), index: 0 }));
  const operations = ops ? addresses([...ops, ...outputs.map(({ op }) => op)]) : null;
  const all = [...inputs, ...recorder.captures.map((capture) => capture.output)];
  const effectNames = addresses(effects.map((_, i) => cString(`effect${i}`)));
  const fn = c.TF_GraphToFunctionWithControlOutputs(
    recorder.graph, cString(name), 0, operations?.length ?? -1, operations, all.length, packOutputs(all), outputs.length, packOutputs(outputs), null,
    effects.length, effects.length ? addresses(effects) : null, effects.length ? effectNames : null, 0, 0, status,
  );
  check(`compile ${name}`);
  return fn;
}
