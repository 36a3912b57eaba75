import type { Tensor, Variable } from "@tensorflow/tfjs";
import { binding, idOf, tensorFrom, tf } from "./backend";
import { call, finish, free, type NativeFunction } from "./compiled";
import { TF } from "./dtypes";
import { withGradients } from "./manyGradients";
import type { GraphOutput, Recorder } from "./recorder";

/**
 * A traced function whose gradient is traced with it, for calls under a gradient tape that is not traced itself. The two
 * passes are parts of one graph: the backward function takes what the forward one computed, effects happen once and
 * random numbers are the same in both.
 */
export interface Differentiable {
  /** The results, then the values that the backward function needs. */
  forward: NativeFunction;
  /** Of the float32 results' gradients, the arguments and those values: gradients of the float32 arguments, then of `variables`. Null where no result is float32. */
  backward: NativeFunction | null;
  results: number;
  /** float32 variables that the function reads, whether the tape asks for them or not. */
  variables: readonly Variable[];
}

/** What the recorder holds once both passes are recorded, in its own terms. */
interface Passes {
  results: GraphOutput[];
  /** Number of nodes of the forward pass, and of its ops with effects. */
  nodes: number;
  effects: number;
  dys: GraphOutput[];
  /** null where no result is float32. */
  gradients: GraphOutput[] | null;
  variables: Variable[];
}

const isFloat = (tensor: Tensor): boolean => tensor.dtype === "float32";

/** What stands for the tensors in the graph, each with its node in the pass that goes on now. */
function settled(tensors: readonly Tensor[]): GraphOutput[] {
  return tensors.map((tensor) => {
    const symbol = binding.symbolOf(idOf(tensor));
    return { ...symbol, op: symbol.op };
  });
}

/**
 * Records both passes; to be called inside a trace.
 * @param parameters the arguments within the trace @param run computes the results from them
 */
export function recordPasses(recorder: Recorder, parameters: readonly Tensor[], run: () => Tensor[]): Passes {
  const trainable = Object.values(tf.engine().state.registeredVariables).filter((variable) => variable.trainable && isFloat(variable));
  const inputs = [...parameters.filter(isFloat), ...trainable];
  const passes: Passes = { results: [], nodes: 0, effects: 0, dys: [], gradients: null, variables: [] };
  const forward = (): Tensor => {
    const tensors = run();
    passes.results = settled(tensors);
    passes.nodes = recorder.split();
    passes.effects = recorder.effects.length;
    // The gradient of Σ y · dy is what the tape asks of y.
    const weighted = tensors.filter(isFloat).map((y) => {
      const dy = recorder.placeholder(TF.FLOAT, y.shape);
      passes.dys.push(dy);
      return tf.sum(tf.mul(y, tensorFrom(binding.adoptSymbol(dy))));
    });
    return weighted.length > 0 ? tf.addN(weighted) : tf.scalar(0);
  };
  if (inputs.length === 0) {
    forward();
    return passes;
  }
  const { grads } = tf.engine().gradients(forward, inputs, undefined, true);
  if (passes.dys.length === 0) return passes;
  const found = (grads as (Tensor | undefined)[]).map((gradient, i) => ({ input: inputs[i]!, gradient }));
  const count = parameters.filter(isFloat).length;
  const ofVariables = found.slice(count).filter(({ gradient }) => gradient !== undefined);
  passes.variables = ofVariables.map(({ input }) => input as Variable);
  // The tape may come by an argument that the results do not depend on.
  passes.gradients = settled([...found.slice(0, count), ...ofVariables].map(({ input, gradient }) => gradient ?? tf.zeros(input.shape)));
  return passes;
}

/** Makes two functions of what `recordPasses` recorded. */
export function finishPasses(recorder: Recorder, name: string, { results, nodes, effects, dys, gradients, variables }: Passes): Differentiable {
  const isInput = ({ name }: { name: string }): boolean => name === "Placeholder";
  const before = recorder.nodes.slice(0, nodes);
  const after = recorder.nodes.slice(nodes).filter((node) => !isInput(node));
  const inForward = new Map(before.map((node) => [node.op, node]));
  const saved = new Map<string, GraphOutput>();
  const constants = new Set<number>();
  for (const output of [...after.flatMap((node) => node.inputs), ...(gradients ?? [])]) {
    const source = inForward.get(output.op);
    if (!source || isInput(source)) continue;
    // A constant stays one: some ops need their sizes and axes as such.
    if (source.name === "Const") constants.add(source.op);
    else saved.set(`${output.op}:${output.index}`, output);
  }
  const forward = finish(recorder, name, [...results, ...saved.values()], {
    ops: before.filter((node) => !isInput(node)).map(({ op }) => op), effects: recorder.effects.slice(0, effects),
  });
  // tfjs only carries these from one function to the other, and does not know all of their dtypes: to it they are scalars.
  const outputs = forward.outputs.map((output, i) => (i < results.length ? output : { shape: [], dtype: TF.FLOAT }));
  const opaque = { ...forward, outputs };
  if (!gradients) return { forward: opaque, backward: null, results: results.length, variables };
  try {
    const backward = finish(recorder, `${name}_gradient`, gradients, {
      inputs: [...dys, ...recorder.parameters, ...saved.values()], ops: [...constants, ...after.map(({ op }) => op)], effects: recorder.effects.slice(effects),
    });
    return { forward: opaque, backward, results: results.length, variables };
  } catch (error) {
    free({ ...forward, captures: [] });
    throw error;
  }
}

/** A call that the tape sees as one op. */
export function callOnTape({ forward, backward, results, variables }: Differentiable, args: readonly Tensor[], label: string, xla: boolean): Tensor[] {
  if (!backward) return call(forward, args, label, xla);
  let floats: boolean[] = [];
  return withGradients(
    [...args.filter(isFloat), ...variables],
    (save) => {
      const outputs = call(forward, args, label, xla);
      save([...args, ...outputs.slice(results)]);
      floats = outputs.slice(0, results).map(isFloat);
      return outputs.slice(0, results);
    },
    (dys, saved) => call(backward, [...dys.filter((_, i) => floats[i]), ...saved], `${label}'s gradient`, xla),
  );
}

export function freeDifferentiable({ forward, backward }: Differentiable): void {
  if (backward) free({ ...backward, captures: [] });
  free(forward);
}
