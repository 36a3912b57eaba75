import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { rawOp, sequence, tf, type } from "../engine/backend";
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

/** log softmax(logits)[target] row by row. @param logits [n, vocabulary] @param targets int32 [n] @returns [n] */
function crossEntropyLogps(logits: Tensor2D, targets: Tensor1D): Tensor1D {
  const vocabulary = logits.shape[1];
  return withGradient(
    [logits],
    (save) => {
      const { logps, p } = pickLogps(logits, targets);
      save([p, targets]);
      return logps;
    },
    (dy, [p, saved]) => tf.mul(tf.sub(tf.oneHot(saved as Tensor1D, vocabulary), p!), tf.reshape(dy, [-1, 1])),
  ) as Tensor1D;
}

/**
 * Log-probabilities of the targets and the whole softmax. log Σ exp(z) comes from the softmax itself, as
 * max z − log max p: the largest p is at least 1/vocabulary, so that nothing underflows.
 */
function pickLogps(logits: Tensor2D, targets: Tensor1D): { logps: Tensor1D; p: Tensor2D } {
  const [rows, vocabulary] = logits.shape;
  const p = rawOp("Softmax", [logits], { T: type("float32") }) as Tensor2D;
  const logSum = tf.sub(tf.max(logits, 1), tf.log(tf.max(p, 1)));
  const places = tf.add(tf.range(0, rows * vocabulary, vocabulary, "int32"), targets) as Tensor1D;
  const picked = tf.gather(tf.reshape(logits, [-1]), places);
  return { logps: tf.sub(picked, logSum) as Tensor1D, p };
}

/** Rows of the head's product that are computed at once: bounds the largest logits tensor at 512 × vocabulary. */
export const CHUNK_ROWS = 512;

/**
 * log p(target) for chosen positions only, straight from their hidden states: the head runs in chunks, one after the
 * other, with the gradient of the cross-entropy, and [batch, length, vocabulary] is never made.
 * @param hidden hidden states at the predicting positions, [n, hidden] @param head [vocabulary, hidden]
 * @param targets int32 [n] @returns [n], in nats
 */
export function tokenLogps(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D): Tensor1D {
  const [rows, width] = hidden.shape;
  const count = Math.max(1, Math.ceil(rows / CHUNK_ROWS));
  const bounds = Array.from({ length: count + 1 }, (_, i) => Math.floor((i * rows) / count));
  const part = (x: Tensor2D, i: number): Tensor2D => tf.slice(x, [bounds[i]!, 0], [bounds[i + 1]! - bounds[i]!, width]);
  return withGradient(
    [hidden, head],
    (save) => {
      const chunks: Tensor1D[] = [];
      const softmaxes: Tensor2D[] = [];
      for (let i = 0; i < count; i++) {
        const logits = tf.matMul(sequence(part(hidden, i), chunks[i - 1]), head, false, true) as Tensor2D;
        const { logps, p } = pickLogps(logits, tf.slice(targets, [bounds[i]!], [bounds[i + 1]! - bounds[i]!]));
        chunks.push(logps);
        softmaxes.push(p);
      }
      save([hidden, head, targets, ...softmaxes]);
      return tf.concat(chunks);
    },
    (dy, [savedHidden, savedHead, savedTargets, ...softmaxes]) => {
      // d logp = (onehot − p) · dy: the onehot part moves single rows, and dy goes on the narrow factor of the product.
      const weight = tf.reshape(dy, [-1, 1]);
      const weighted = tf.mul(savedHidden!, weight) as Tensor2D;
      const negated = tf.neg(weighted) as Tensor2D;
      const means: Tensor2D[] = [];
      let towardsAll: Tensor2D | undefined;
      softmaxes.forEach((p, i) => {
        const ordered = sequence(p as Tensor2D, towardsAll);
        means.push(tf.matMul(ordered, savedHead as Tensor2D) as Tensor2D);
        const share = tf.matMul(ordered, part(negated, i), true, false) as Tensor2D;
        towardsAll = towardsAll ? (tf.add(towardsAll, share) as Tensor2D) : share;
      });
      const dHidden = tf.mul(tf.sub(tf.gather(savedHead!, savedTargets as Tensor1D), tf.concat(means)), weight);
      const places = tf.reshape(savedTargets!, [-1, 1]);
      const dHead = rawOp("TensorScatterAdd", [towardsAll!, places, weighted], { T: type("float32"), Tindices: type("int32") });
      return [dHidden, dHead];
    },
  ) as Tensor1D;
}
