import type { Tensor } from "@tensorflow/tfjs";
import { binding, isTraced, tf } from "./backend";
import type { Recorder } from "./recorder";
import { ON_OUTER_TAPE, TraceError, VARIABLE_IN_TRACE } from "./traceError";

/**
 * Runs `body` with every op going to `recorder`, in a tfjs scope of its own and without the gradient tape of the
 * surroundings. Afterwards, also after an error, nothing of it is left: no scope, no tape, no traced tensor (those that
 * `tf.keep` or a backward pass that never came would hold included), no variable.
 */
export function inTrace<T>(recorder: Recorder, body: () => T): T {
  const engine = tf.engine();
  const { state } = engine;
  const outer = { recorder: binding.recorder, keep: engine.keep, scopes: state.scopeStack.length, tape: isTapeOn() ? state.activeTape : [] };
  const { gradientDepth, kernelDepth, activeTape } = state;
  const variables = new Set(Object.keys(state.registeredVariables));
  const restoreDebugMode = leaveDebugMode();
  const kept: Tensor[] = [];
  binding.recorder = recorder;
  engine.keep = (tensor) => {
    kept.push(tensor);
    return outer.keep.call(engine, tensor) as typeof tensor;
  };
  Object.assign(state, { gradientDepth: 0, kernelDepth: 0, activeTape: null });
  engine.startScope("jit");
  let done = false;
  try {
    const result = body();
    if (disposeNewVariables(variables)) throw new TraceError(VARIABLE_IN_TRACE);
    if (outer.tape.some((node) => node.outputs.some(({ dataId }) => recorder.given.has(dataId)))) throw new TraceError(ON_OUTER_TAPE);
    done = true;
    return result;
  } finally {
    if (!done) disposeNewVariables(variables);
    while (state.scopeStack.length > outer.scopes) engine.endScope();
    for (const tensor of kept) if (!tensor.isDisposed && (!done || isTraced(tensor))) tensor.dispose();
    Object.assign(state, { gradientDepth, kernelDepth, activeTape });
    restoreDebugMode();
    engine.keep = outer.keep;
    binding.recorder = outer.recorder;
  }
}

function isTapeOn(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

/** Disposes the variables that are not in `before`. Returns whether there were any. */
export function disposeNewVariables(before: ReadonlySet<string>): boolean {
  const made = Object.entries(tf.engine().state.registeredVariables).filter(([name]) => !before.has(name));
  for (const [, variable] of made) variable.dispose();
  return made.length > 0;
}

/**
 * In debug mode tfjs reads what each kernel gives, to log it and to look for NaN. A traced value has no numbers; those of
 * the call's results are read. Not by env().set, which would announce the mode anew with each trace.
 */
function leaveDebugMode(): () => void {
  const flags = tf.env().getFlags();
  const known = { ...flags };
  Object.assign(flags, { DEBUG: false, CHECK_COMPUTATION_FOR_ERRORS: false });
  return () => {
    // A flag that nobody has asked for yet is decided when somebody does.
    for (const name of ["DEBUG", "CHECK_COMPUTATION_FOR_ERRORS"]) {
      if (name in known) flags[name] = known[name]!;
      else delete flags[name];
    }
  };
}
