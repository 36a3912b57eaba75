import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { rawOp, rawOps, tf, type } from "../engine/backend";
import { withGradient } from "../model/ops";

/**
 * Log-probability of each sequence: Σ_t mask[t] · log p(labels[t] | labels[<t]), the sum in Rafailov et al. 2023, §4.
 * The logits at position t are the prediction of the token at t + 1, so logits lose their last position, labels and
 * mask their first.
 * @param logits [batch, length, vocabulary] @param labels int32 ids [batch, length]
 * @param mask 1 where a token counts (the answer), 0 for prompt and padding, [batch, length]
 * @returns [batch], in nats
 */
export function getLogProb(logits: Tensor3D, labels: Tensor2D, mask: Tensor2D): Tensor1D {
  const [batch, length, vocabulary] = logits.shape;
  if (labels.shape[0] !== batch || labels.shape[1] !== length || mask.shape[0] !== batch || mask.shape[1] !== length) {
    throw new RangeError(`getLogProb: logits are [${logits.shape}], so labels and mask must be [${batch},${length}]; they are [${labels.shape}] and [${mask.shape}].`);
  }
  const predictions = tf.slice(logits, [0, 0, 0], [batch, length - 1, vocabulary]);
  const targets = tf.slice(labels, [0, 1], [batch, length - 1]);
  const counted = tf.cast(tf.slice(mask, [0, 1], [batch, length - 1]), "float32");
  const logps = crossEntropyLogps(tf.reshape(predictions, [-1, vocabulary]) as Tensor2D, tf.reshape(tf.cast(targets, "int32"), [-1]) as Tensor1D);
  return tf.sum(tf.mul(tf.reshape(logps, [batch, length - 1]), counted), 1) as Tensor1D;
}

const crossEntropy = (logits: Tensor, targets: Tensor): Tensor[] =>
  rawOps("SparseSoftmaxCrossEntropyWithLogits", [logits, targets], { T: type("float32"), Tlabels: type("int32") }, 2);

/** log softmax(logits)[target] row by row. @param logits [n, vocabulary] @param targets int32 [n] @returns [n] */
function crossEntropyLogps(logits: Tensor2D, targets: Tensor1D): Tensor1D {
  return withGradient(
    [logits],
    (save) => {
      const [loss, gradient] = crossEntropy(logits, targets);
      save([gradient!]);
      return rawOp("Neg", [loss!], { T: type("float32") });
    },
    (dy, [gradient]) => rawOp("Neg", [rawOp("Mul", [gradient!, tf.reshape(dy, [-1, 1])], { T: type("float32") })], { T: type("float32") }),
  ) as Tensor1D;
}

/** Rows of the head's product that are computed at once: bounds the largest logits tensor at 1,536 × vocabulary. */
const CHUNK_ROWS = 1536;

/**
 * log p(target) for chosen positions only, straight from their hidden states: the head runs in chunks with the
 * gradient of the cross-entropy, and [batch, length, vocabulary] is never made.
 * @param hidden hidden states at the predicting positions, [n, hidden] @param head [vocabulary, hidden]
 * @param targets int32 [n] @returns [n], in nats
 */
export function tokenLogps(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D): Tensor1D {
  const [rows] = hidden.shape;
  const chunks: Tensor1D[] = [];
  for (let start = 0; start < rows; start += CHUNK_ROWS) {
    const size = Math.min(CHUNK_ROWS, rows - start);
    chunks.push(chunkLogps(tf.slice(hidden, [start, 0], [size, hidden.shape[1]]), head, tf.slice(targets, [start], [size])));
  }
  return chunks.length === 1 ? chunks[0]! : (tf.concat(chunks) as Tensor1D);
}

function chunkLogps(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D): Tensor1D {
  return withGradient(
    [hidden, head],
    (save) => {
      const [loss, gradient] = crossEntropy(tf.matMul(hidden, head, false, true), targets);
      save([gradient!, hidden, head]);
      return rawOp("Neg", [loss!], { T: type("float32") });
    },
    (dy, [gradient, hidden, head]) => {
      // d logp = −(softmax − onehot) · dy; the weight dy goes on the narrow factor, not on the vocabulary-wide one.
      const weight = tf.reshape(tf.neg(dy), [-1, 1]);
      const dHidden = tf.mul(tf.matMul(gradient as Tensor2D, head as Tensor2D), weight);
      const dHead = tf.matMul(gradient as Tensor2D, tf.mul(hidden as Tensor2D, weight) as Tensor2D, true, false);
      return [dHidden, dHead];
    },
  ) as Tensor1D;
}
