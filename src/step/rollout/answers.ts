import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../engine/backend";
import type { PolicyTerms } from "../../loss/policyGradient";

/** Terms of tokens as those of whole answers, which are one action each: log-probabilities summed. @param terms 0 where nothing counts @returns every tensor [answers, 1] */
export function wholeAnswers({ logps, oldLogps, advantages, mask }: PolicyTerms): PolicyTerms {
  const sum = (x: Tensor2D): Tensor2D => tf.sum(x, 1, true);
  // All tokens of an answer have its advantage.
  return { logps: sum(logps), oldLogps: sum(oldLogps), advantages: tf.slice(advantages, [0, 0], [-1, 1]), mask: tf.max(mask, 1, true) };
}
