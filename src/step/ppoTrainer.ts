import type { Scalar } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { gae, whiten } from "../loss/advantages";
import { adaptedKlCoef } from "../loss/kl";
import { maskedMean, ppoPolicyLoss, valueLoss } from "../loss/policyGradient";
import { tokenRewards } from "../loss/tokenRewards";
import type { LlamaForSequenceClassification } from "../model/classification";
import { trainingArguments } from "./arguments";
import { meanOf, sumOf, type Control, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { checkCounts, checkNotNegative, checkShares, checkSwitches, refuseArgument, ROLLOUT_DEFAULTS, type RolloutConfig } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";
import { ValueHead, ValueNetwork } from "./rollout/valueFunction";

/** TRL's former PPOConfig in camelCase, and what else the papers have. One answer is drawn to each prompt. */
export interface PPOConfig extends RolloutConfig {
  /** Most tokens of an answer. */
  responseLength: number;
  /** How often each batch of answers is trained on, and in how many parts each time. */
  numPpoEpochs: number;
  numMiniBatches: number;
  /** β of the KL to the reference, which is taken off each token's reward. */
  klCoef: number;
  /** The KL per answer, in nats, that β is adapted to (Ziegler et al. 2019, §2.2); null leaves it as it is. */
  targetKl: number | null;
  /** Answers over which β is adapted. */
  klHorizon: number;
  /** ε of the ratio π_θ/π_old. */
  cliprange: number;
  /** How far values may go from what they were; null for as far as they like. */
  cliprangeValue: number | null;
  /** What the value loss counts beside the policy's. */
  vfCoef: number;
  /** Of generalised advantage estimation: the discount, and 0 for trust in the values to 1 for trust in the rewards alone. */
  gamma: number;
  lam: number;
  /** Whether rewards are brought to variance 1 over the batch, and advantages to mean 0 and variance 1. */
  whitenRewards: boolean;
  whitenAdvantages: boolean;
}

export const PPO_DEFAULTS: PPOConfig = {
  ...ROLLOUT_DEFAULTS, learningRate: 3e-6, temperature: 0.7, responseLength: 53, numPpoEpochs: 4, numMiniBatches: 1, klCoef: 0.05, targetKl: null, klHorizon: 10000,
  cliprange: 0.2, cliprangeValue: 0.2, vfCoef: 0.1, gamma: 1, lam: 0.95, whitenRewards: false, whitenAdvantages: true,
};

export interface PPOTrainerOptions extends RolloutTrainerOptions<PPOConfig> {
  /** A network of its own for the values, trained along: a classifier of one label. Without it a linear head reads the policy's own hidden states. */
  valueModel?: LlamaForSequenceClassification;
}

const STATISTICS = ["objective/kl", "objective/entropy", "objective/non_score_reward", "objective/rlhf_reward", "objective/scores", "objective/kl_coef", "val/num_eos_tokens", "episode"] as const;
const METRICS = ["policy/approxkl_avg", "policy/clipfrac_avg", "loss/policy_avg", "loss/value_avg", "val/clipfrac_avg", "policy/entropy_avg", "val/ratio"] as const;

/** PPO's two parts; without a reference its KL is 0. */
export function ppoObjective(args: PPOConfig): Objective {
  const { klCoef, klEstimator, targetKl, klHorizon, missingEosPenalty, scoreClip, gamma, lam, whitenRewards, whitenAdvantages, cliprange, cliprangeValue, vfCoef } = args;
  const adapted = ({ klCoef: now }: Control, kl: number, answers: number): number => (targetKl === null ? now! : adaptedKlCoef(now!, kl, answers, { target: targetKl, horizon: klHorizon }));
  return {
    scoreName: "objective/scores",
    statisticNames: STATISTICS, metricNames: METRICS,
    columnNames: ["advantages", "returns", "oldLogps", "oldValues"],
    control: { klCoef, episode: 0 },
    targets({ rollouts, scores: given, logps, refLogps, values }, control) {
      const ended = rollouts.map((rollout) => rollout.ended);
      const { rewards, kl, scores } = tokenRewards({ scores: given, logps, refLogps: refLogps ?? logps, ended }, { klCoef: control.klCoef!, klEstimator, missingEosPenalty, scoreClip });
      const { advantages: raw, returns } = gae(whitenRewards ? whiten(rewards, { shiftMean: false }) : rewards, values!, { gamma, lambda: lam });
      const advantages = whitenAdvantages ? whiten(raw) : raw;
      const [meanKl, meanScore, penalty] = [meanOf(kl), meanOf(scores), -control.klCoef! * meanOf(kl)];
      const episode = control.episode! + rollouts.length;
      return {
        columns: { advantages, returns, oldLogps: logps, oldValues: values! }, advantages: advantages.map(meanOf), counts: ended.map(() => true),
        control: { klCoef: adapted(control, meanKl, rollouts.length), episode },
        statistics: {
          "objective/kl": meanKl, "objective/entropy": meanOf(logps.map((own) => -sumOf(own))), "objective/non_score_reward": penalty, "objective/rlhf_reward": penalty + meanScore,
          "objective/scores": meanScore, "objective/kl_coef": control.klCoef!, "val/num_eos_tokens": ended.filter(Boolean).length, episode,
        },
      };
    },
    loss({ logps, entropies, values, mask, columns: { advantages, returns, oldLogps, oldValues } }) {
      const policy = ppoPolicyLoss({ logps, oldLogps: oldLogps!, advantages: advantages!, mask }, { low: cliprange });
      const value = valueLoss({ values: values!, oldValues: oldValues!, returns: returns!, mask }, cliprangeValue);
      return {
        loss: tf.add(policy.loss, tf.mul(value.loss, vfCoef)) as Scalar,
        metrics: [policy.approxKl, policy.clipFraction, policy.loss, value.loss, value.clipFraction, maskedMean(entropies, mask), policy.ratio],
      };
    },
  };
}

function checkSettings(args: PPOConfig): void {
  const { responseLength, numPpoEpochs, numMiniBatches, klCoef, targetKl, klHorizon, cliprange, cliprangeValue, vfCoef, gamma, lam, whitenRewards, whitenAdvantages } = args;
  checkCounts({ responseLength, numPpoEpochs, numMiniBatches });
  checkNotNegative({ klCoef, vfCoef });
  checkShares({ gamma, lam });
  for (const [name, value] of Object.entries({ targetKl, klHorizon, cliprange, cliprangeValue })) if (value !== null && !(value > 0)) refuseArgument(name, value, "a number above 0");
  if (targetKl !== null && klCoef === 0) refuseArgument("klCoef", klCoef, "a number above 0, which targetKl adapts,");
  checkSwitches({ whitenRewards, whitenAdvantages });
}

/**
 * Proximal policy optimisation for language models (Schulman et al. 2017; Ziegler et al. 2019; Stiennon et al. 2020) with the
 * surface of TRL's former PPOTrainer: a reward for each token, advantages from a value function, and several epochs of a
 * clipped objective on each batch of answers.
 */
export class PPOTrainer extends RolloutTrainer<PPOConfig> {
  /** @throws with the row's number for a prompt that cannot be answered, with the argument's name for a bad setting */
  constructor({ valueModel, ...options }: PPOTrainerOptions) {
    const args = trainingArguments(options.args ?? {}, PPO_DEFAULTS);
    checkSettings(args);
    const { responseLength, numPpoEpochs, numMiniBatches, klCoef } = args;
    super(options, args, {
      trainer: "PPOTrainer", objective: () => ppoObjective(args), numGenerations: 1, longest: { name: "responseLength", value: responseLength },
      epochs: numPpoEpochs, miniBatches: numMiniBatches, needsReference: klCoef > 0, measuresReference: true, greedy: false,
      value: () => (valueModel ? new ValueNetwork(valueModel) : new ValueHead(options.model.config.hiddenSize)),
    });
  }
}
