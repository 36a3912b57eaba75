import { checkSame, type TokenValues } from "./advantages";
import { klTerm, type KlEstimator } from "./kl";

/** What is known of sampled answers, in the same order. */
export interface ScoredAnswers {
  /** The reward of each answer as a whole. */
  scores: readonly number[];
  /** log π of each token, under the policy that drew it. */
  logps: TokenValues;
  /** log π_ref of each token. */
  refLogps: TokenValues;
  /** Whether the answer ends with the end token; false where it was cut off. */
  ended: readonly boolean[];
}

export interface FinalScoreOptions {
  /** What an answer that does not end loses. Default none. */
  missingEosPenalty?: number | null;
  /** Scores are cut to −scoreClip … scoreClip, before any penalty. Default none. */
  scoreClip?: number | null;
}

/**
 * Scores as they are trained on: cut first, then less the penalty where an answer does not end.
 * @throws RangeError for another number of scores than of answers, or a clip that is none
 */
export function finalScores(scores: readonly number[], ended: readonly boolean[], { missingEosPenalty = null, scoreClip = null }: FinalScoreOptions = {}): number[] {
  if (ended.length !== scores.length) throw new RangeError(`There are ${ended.length} ended for ${scores.length} answers.`);
  if (scoreClip !== null && !(scoreClip > 0)) throw new RangeError(`scoreClip is ${scoreClip}; a number above 0 is needed, or null for none.`);
  return scores.map((score, answer) => {
    const clipped = scoreClip === null ? score : Math.min(scoreClip, Math.max(-scoreClip, score));
    return ended[answer] ? clipped : clipped - (missingEosPenalty ?? 0);
  });
}

export interface TokenRewardOptions extends FinalScoreOptions {
  /** β of the KL penalty in the reward; 0 for none. Default 0.05. */
  klCoef?: number;
  klEstimator?: KlEstimator;
}

export interface TokenRewards {
  /** r_t of each token. */
  rewards: number[][];
  /** The estimate of the KL to the reference, summed over each answer, in nats. */
  kl: number[];
  /** Scores as they went into the rewards. */
  scores: number[];
}

/**
 * The reward of each token (Ziegler et al. 2019, equation 2; Stiennon et al. 2020, §3.4): −β times its KL estimate, and at
 * the last token of an answer its score on top.
 *
 *   r_t = −β·k(log π_t − log π_ref,t) + [t = last]·score
 *
 * @throws RangeError where numbers of answers or tokens differ, or an answer has no token
 */
export function tokenRewards({ scores, logps, refLogps, ended }: ScoredAnswers, { klCoef = 0.05, klEstimator = "k1", missingEosPenalty = null, scoreClip = null }: TokenRewardOptions = {}): TokenRewards {
  checkSame("refLogps", refLogps, "logps", logps);
  if (scores.length !== logps.length) throw new RangeError(`There are ${scores.length} scores for ${logps.length} answers.`);
  const empty = logps.findIndex((own) => own.length === 0);
  if (empty !== -1) throw new RangeError(`Answer ${empty} has no token; an answer ends with the end token at least.`);
  const final = finalScores(scores, ended, { missingEosPenalty, scoreClip });
  const terms = logps.map((own, answer) => own.map((logp, t) => klTerm(logp, refLogps[answer]![t]!, klEstimator)));
  return {
    rewards: terms.map((own, answer) => own.map((term, t) => (t === own.length - 1 ? final[answer]! : 0) - klCoef * term)),
    kl: terms.map((own) => own.reduce((sum, term) => sum + term, 0)),
    scores: final,
  };
}
