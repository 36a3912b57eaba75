import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { asOperand, rawOp, sequence, tf, type } from "../engine/backend";
import { fuse } from "../engine/fuse";
import { isFrozen, withGradient } from "../model/ops";
import { partSizes, rowsOf, streamCount } from "../model/streams";

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
export function crossEntropyLogps(logits: Tensor2D, targets: Tensor1D): Tensor1D {
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
function pickLogps(logits: Tensor2D, targets: Tensor1D): Picked {
  const [rows, vocabulary] = logits.shape;
  const p = rawOp("Softmax", [logits], { T: type("float32") }) as Tensor2D;
  const most = tf.max(logits, 1) as Tensor1D;
  const logSum = tf.sub(most, tf.log(tf.max(p, 1)));
  const places = tf.add(tf.range(0, rows * vocabulary, vocabulary, "int32"), targets) as Tensor1D;
  const picked = tf.gather(tf.reshape(logits, [-1]), places);
  return { logits, p, logps: tf.sub(picked, logSum) as Tensor1D, picked: picked as Tensor1D, most };
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
  return tf.reshape(headScores(hidden, head, targets, ({ logps }) => [logps]), [-1]) as Tensor1D;
}

/** What predictions are worth; a gradient goes through the log-probabilities alone. */
export interface TokenScores {
  /** log p(target), [n], in nats */
  logps: Tensor1D;
  /** −Σ p·log p over the vocabulary, [n], in nats */
  entropies: Tensor1D;
  /** 1 where no token is likelier than the target, else 0, [n] */
  isLikeliest: Tensor1D;
}

/** `tokenLogps` with the entropy of each prediction, and whether it is right. */
export function tokenScores(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D): TokenScores {
  const scores = headScores(hidden, head, targets, ({ logps, p, logits, most, picked }) => [logps, entropy(p, logits, most), tf.cast(tf.greaterEqual(picked, most), "float32") as Tensor1D]);
  const [logps, entropies, isLikeliest] = tf.unstack(scores) as Tensor1D[];
  return { logps: logps!, entropies: entropies!, isLikeliest: isLikeliest! };
}

/** log Σ exp(z) − Σ p·z, each z less the greatest so that nothing is lost to cancellation. @returns [n] */
function entropy(p: Tensor2D, logits: Tensor2D, most: Tensor1D): Tensor1D {
  const [terms] = fuse("entropy_terms", [p, logits, tf.reshape(most, [-1, 1])], (p, logits, most) => [tf.mul(p!, tf.sub(logits!, most!))]);
  return tf.neg(tf.add(tf.log(tf.max(p, 1)), tf.sum(terms!, 1))) as Tensor1D;
}

interface Picked {
  logits: Tensor2D;
  p: Tensor2D;
  logps: Tensor1D;
  /** The targets' logits, and the greatest of each row. */
  picked: Tensor1D;
  most: Tensor1D;
}

type Measure = (picked: Picked) => Tensor1D[];

/** @param measure what of each chunk is returned, [rows] each; the first are the log-probabilities @returns [measures, n] */
function headScores(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D, measure: Measure): Tensor2D {
  return isFrozen(head) ? scoresOfFrozenHead(hidden, head, targets, measure) : scoresOfHead(hidden, head, targets, measure);
}

const chunksOf = <T extends Tensor>(x: T): T[] => rowsOf(x, partSizes(x.shape[0]!, Math.max(1, Math.ceil(x.shape[0]! / CHUNK_ROWS))));

/** A chunk's scores, [measures, rows], and its softmax, as an operand. Its rows are computed in parts side by side. */
function scoresOfChunk(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D, measure: Measure): { scores: Tensor2D; p: Tensor2D } {
  const [rows] = hidden.shape;
  const sizes = partSizes(rows, Math.min(streamCount(rows * head.shape[0]), rows));
  const targetsOf = rowsOf(targets, sizes);
  const parts = rowsOf(hidden, sizes).map((part, i) => {
    const picked = pickLogps(tf.matMul(part, head, false, true), targetsOf[i]!);
    return { scores: tf.stack(measure(picked)) as Tensor2D, p: asOperand(picked.p) };
  });
  return parts.length === 1 ? parts[0]! : { scores: tf.concat(parts.map(({ scores }) => scores), 1), p: tf.concat(parts.map(({ p }) => p), 0) };
}

/** Every chunk's scores, one chunk after the other. @param keep what takes the chunk's softmax */
function scoresInChunks(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D, measure: Measure, keep: (p: Tensor2D) => void): Tensor2D {
  const chunks: Tensor2D[] = [];
  const targetsOf = chunksOf(targets);
  chunksOf(hidden).forEach((part, i) => {
    const { scores, p } = scoresOfChunk(sequence(part, chunks.at(-1)), head, targetsOf[i]!, measure);
    chunks.push(scores);
    keep(p);
  });
  return tf.concat(chunks, 1);
}

/** The gradient of the log-probabilities as a column, [n, 1]. @param dy of all scores */
const logpsGradient = (dy: Tensor): Tensor => tf.reshape(tf.slice(dy as Tensor2D, [0, 0], [1, dy.shape[1]!]), [-1, 1]);

function scoresOfHead(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D, measure: Measure): Tensor2D {
  return withGradient(
    [hidden, head],
    (save) => {
      const softmaxes: Tensor2D[] = [];
      const scores = scoresInChunks(hidden, head, targets, measure, (p) => softmaxes.push(p));
      save([hidden, head, targets, ...softmaxes]);
      return scores;
    },
    (dy, [savedHidden, savedHead, savedTargets, ...softmaxes]) => {
      // d logp = (onehot − p) · dy: the onehot part moves single rows, and dy goes on the narrow factor of the product.
      const weight = logpsGradient(dy);
      const weighted = tf.mul(savedHidden!, weight) as Tensor2D;
      const negated = chunksOf(tf.neg(weighted) as Tensor2D);
      const means: Tensor2D[] = [];
      let towardsAll: Tensor2D | undefined;
      softmaxes.forEach((p, i) => {
        const ordered = sequence(p as Tensor2D, towardsAll);
        means.push(tf.matMul(ordered, savedHead as Tensor2D) as Tensor2D);
        const share = tf.matMul(ordered, negated[i]!, true, false) as Tensor2D;
        towardsAll = towardsAll ? (tf.add(towardsAll, share) as Tensor2D) : share;
      });
      const dHidden = tf.mul(tf.sub(tf.gather(savedHead!, savedTargets as Tensor1D), tf.concat(means)), weight);
      const places = tf.reshape(savedTargets!, [-1, 1]);
      const dHead = rawOp("TensorScatterAdd", [towardsAll!, places, weighted], { T: type("float32"), Tindices: type("int32") });
      return [dHidden, dHead];
    },
  ) as Tensor2D;
}

/** Of a head that gets no gradient: whereto each hidden state moves is known at once, and no softmax is kept. */
function scoresOfFrozenHead(hidden: Tensor2D, head: Tensor2D, targets: Tensor1D, measure: Measure): Tensor2D {
  return withGradient(
    [hidden],
    (save) => {
      const means: Tensor2D[] = [];
      const scores = scoresInChunks(hidden, head, targets, measure, (p) => means.push(tf.matMul(p, head)));
      save([tf.sub(tf.gather(head, targets), tf.concat(means))]);
      return scores;
    },
    (dy, [towards]) => tf.mul(towards!, logpsGradient(dy)),
  ) as Tensor2D;
}
