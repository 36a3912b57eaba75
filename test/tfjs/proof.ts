import { binding, tf } from "../../src/engine/backend";
import type { JasmineEnvironment } from "./jasmine";

/** Ops that TensorFlow ran or recorded, and calls of compiled functions. */
export const executed = { ops: 0, compiledCalls: 0 };

/** Specs of tfjs-core's own bookkeeping, which set up a backend that computes nothing and remove it. */
const WITH_OWN_BACKEND = "Detects memory leaks in kernels ";

const ours = tf.backend();

/**
 * Fails every spec whose name holds `mark`, tfjs-core's sign of a spec for this backend, if tfjs does not use the
 * TensorFlow backend alone from its start to its end.
 */
export function proveBackend(environment: JasmineEnvironment, mark: string): void {
  const { executeOp, callWith } = binding;
  binding.executeOp = (...args) => (executed.ops++, executeOp.apply(binding, args));
  binding.callWith = (ids, use) => (executed.compiledCalls++, callWith.call(binding, ids, use) as never);
  let name = "";
  environment.addReporter({ specStarted: ({ fullName }) => (name = fullName) });
  const check = (): void => {
    if (!name.includes(mark) || name.startsWith(WITH_OWN_BACKEND)) return;
    const others = Object.keys(tf.engine().registryFactory).filter((backend) => backend !== "tensorflow");
    if (others.length > 0 || tf.getBackend() !== "tensorflow" || tf.backend() !== ours) {
      throw new Error(`The spec did not run on the TensorFlow backend alone: tfjs uses ${tf.getBackend()}, and has ${others.join(", ") || "no other"}.`);
    }
  };
  environment.beforeEach(check);
  environment.afterEach(check);
}
