import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import type { RawAttributes } from "../attributes";
import { BackendError, WITH_TENSORFLOW } from "../choice";
import { tf } from "../tfjs";

/** The new values of variables, in their order, as an op that changes them in place leaves them. */
type Update = (variables: Variable[], inputs: Tensor[], attributes: RawAttributes) => Tensor[];

const UPDATES: Record<string, Update> = {
  AssignVariableOp: (_, [value]) => [value!],
  AssignAddVariableOp: ([variable], [value]) => [tf.add(variable!, value!)],
  AssignSubVariableOp: ([variable], [value]) => [tf.sub(variable!, value!)],
  ResourceApplyGradientDescent: ([parameter], [rate, gradient]) => [tf.sub(parameter!, tf.mul(gradient!, rate!))],
  ResourceApplyMomentum: ([parameter, buffer], [rate, gradient, momentum], { use_nesterov }) => {
    const moved = tf.add(tf.mul(buffer!, momentum!), gradient!);
    const step = use_nesterov ? tf.add(gradient!, tf.mul(moved, momentum!)) : moved;
    return [tf.sub(parameter!, tf.mul(step, rate!)), moved];
  },
  // Kingma & Ba 2015, algorithm 1, in the order of § 2's last paragraph, as TensorFlow computes it.
  ResourceApplyAdam: ([parameter, first, second], inputs) => {
    const [power1, power2, rate, beta1, beta2, epsilon, gradient] = inputs as [Scalar, Scalar, Scalar, Scalar, Scalar, Scalar, Tensor];
    const alpha = tf.div(tf.mul(rate, tf.sqrt(tf.sub(1, power2))), tf.sub(1, power1));
    const m = tf.add(first!, tf.mul(tf.sub(gradient, first!), tf.sub(1, beta1)));
    const v = tf.add(second!, tf.mul(tf.sub(tf.square(gradient), second!), tf.sub(1, beta2)));
    return [tf.sub(parameter!, tf.div(tf.mul(m, alpha), tf.add(tf.sqrt(v), epsilon))), m, v];
  },
};

/** @throws BackendError for an op that has no portable form */
export function updatePortably(name: string, attributes: RawAttributes, variables: Variable[], inputs: Tensor[]): void {
  const update = UPDATES[name];
  if (!update) throw new BackendError(`TensorFlow's op ${name} has no portable form: the ${tf.getBackend()} backend cannot compute it. ${WITH_TENSORFLOW}`);
  tf.tidy(() => update(variables, inputs, attributes).forEach((value, i) => put(variables[i]!, value)));
}

/**
 * tfjs's `assign` without its check of shapes: a key-value cache is emptied by a value of no size. The variable shares
 * the value's data.
 */
function put(variable: Variable, value: Tensor): void {
  const engine = tf.engine() as unknown as { disposeTensor(tensor: Tensor): void; incRef(tensor: Tensor, backend: null): void };
  engine.disposeTensor(variable);
  variable.dataId = value.dataId;
  engine.incRef(variable, null);
}
