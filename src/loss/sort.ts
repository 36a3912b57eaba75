import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { withGradient } from "../model/ops";

/**
 * A vector in ascending order, with the gradient of the permutation. Made of comparisons and sums, so that it can be
 * traced and stays float32 under the bfloat16 policy, which narrows matrix products; for batches, n² is nothing.
 * @param x [n] @returns [n]
 */
export function sortAscending(x: Tensor1D): Tensor1D {
  const [n] = x.shape;
  return withGradient(
    [x],
    (save) => {
      const places = placement(x);
      save([places]);
      return tf.sum(tf.mul(places, tf.reshape(x, [1, n])), 1);
    },
    (dy, [places]) => tf.sum(tf.mul(places as Tensor, tf.reshape(dy, [n, 1])), 0),
  ) as Tensor1D;
}

/** [n, n]: row k has its one at the element that takes place k. Equal elements keep their order. */
function placement(x: Tensor1D): Tensor2D {
  const [n] = x.shape;
  const row = tf.reshape(x, [1, n]);
  const column = tf.reshape(x, [n, 1]);
  const indices = tf.range(0, n, 1, "int32");
  const earlier = tf.less(tf.reshape(indices, [1, n]), tf.reshape(indices, [n, 1]));
  const before = tf.logicalOr(tf.less(row, column), tf.logicalAnd(tf.equal(row, column), earlier));
  const place = tf.sum(tf.cast(before, "int32"), 1);
  return tf.cast(tf.equal(tf.reshape(place, [1, n]), tf.reshape(indices, [n, 1])), "float32") as Tensor2D;
}
