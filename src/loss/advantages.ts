/** One number for each token of each answer; answers may differ in length. */
export type TokenValues = readonly (readonly number[])[];

export interface GaeOptions {
  /** γ, the discount of later rewards. Default 1. */
  gamma?: number;
  /** λ: 0 trusts the values, 1 the rewards alone. Default 0.95. */
  lambda?: number;
}

export interface Gae {
  /** Â_t of each token. */
  advantages: number[][];
  /** Â_t + V_t: what the value function should have said. */
  returns: number[][];
}

/**
 * Generalised advantage estimation (Schulman et al. 2016, equations 11 to 16), from the last token backwards:
 *
 *   δ_t = r_t + γ·V_{t+1} − V_t,   Â_t = δ_t + γλ·Â_{t+1}
 *
 * After an answer's last token nothing follows: V and Â are 0 there.
 * @throws RangeError where an answer has other numbers of rewards and values
 */
export function gae(rewards: TokenValues, values: TokenValues, { gamma = 1, lambda = 0.95 }: GaeOptions = {}): Gae {
  checkSame("values", values, "rewards", rewards);
  const advantages = rewards.map((own, answer) => {
    const result = new Array<number>(own.length);
    let [nextValue, next] = [0, 0];
    for (let t = own.length - 1; t >= 0; t--) {
      const value = values[answer]![t]!;
      next = own[t]! + gamma * nextValue - value + gamma * lambda * next;
      result[t] = next;
      nextValue = value;
    }
    return result;
  });
  return { advantages, returns: advantages.map((own, answer) => own.map((advantage, t) => advantage + values[answer]![t]!)) };
}

/** The mean and unbiased variance of all numbers; the variance of a single one is 0. */
export function moments(values: readonly number[]): { mean: number; variance: number } {
  if (values.length === 0) throw new RangeError("There is no number to take a mean of.");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: values.length === 1 ? 0 : squares / (values.length - 1) };
}

/**
 * All numbers of a batch with mean 0 and variance 1: (x − mean)/√(variance + 1e-8).
 * @param shiftMean false leaves the mean where it was, as is done with rewards
 */
export function whiten(values: TokenValues, { shiftMean = true }: { shiftMean?: boolean } = {}): number[][] {
  const { mean, variance } = moments(values.flat());
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return values.map((own) => own.map((value) => (value - mean) * scale + (shiftMean ? 0 : mean)));
}

/** Groups of neighbours. @throws RangeError unless they come out even, with at least `least` in each */
function groups(rewards: readonly number[], size: number, least: number): number[][] {
  if (!Number.isInteger(size) || size < least) throw new RangeError(`The group size is ${size}; a whole number of at least ${least} answers for each prompt is needed.`);
  if (rewards.length % size !== 0) throw new RangeError(`${rewards.length} rewards do not make groups of ${size}.`);
  return Array.from({ length: rewards.length / size }, (_, group) => rewards.slice(group * size, (group + 1) * size));
}

/**
 * Leave one out (Ahmadian et al. 2024, "Back to Basics", RLOO): each answer's reward minus the mean of the others to the
 * same prompt.
 * @param groupSize answers to each prompt, which stand next to each other; at least 2
 */
export function leaveOneOut(rewards: readonly number[], groupSize: number): number[] {
  return groups(rewards, groupSize, 2).flatMap((own) => {
    const sum = own.reduce((total, reward) => total + reward, 0);
    return own.map((reward) => reward - (sum - reward) / (own.length - 1));
  });
}

/** What a group's rewards are divided by: their own standard deviation, that of the batch, or nothing (Dr. GRPO, Liu et al. 2025). */
export type RewardScale = "group" | "batch" | "none";

/**
 * Group-relative advantages (Shao et al. 2024, DeepSeekMath, §4.1.2): (r − mean of the group)/(standard deviation + 1e-4).
 * @param groupSize answers to each prompt, which stand next to each other; at least 2
 */
export function groupAdvantages(rewards: readonly number[], groupSize: number, scale: RewardScale = "group"): number[] {
  const deviation = (of: readonly number[]): number => Math.sqrt(moments(of).variance) + 1e-4;
  return groups(rewards, groupSize, 2).flatMap((own) => {
    const { mean } = moments(own);
    const divisor = scale === "none" ? 1 : deviation(scale === "group" ? own : rewards);
    return own.map((reward) => (reward - mean) / divisor);
  });
}

/** An exponential moving average of mean rewards: b ← α·b + (1 − α)·r̄. */
export class MovingBaseline {
  /** @param alpha weight of what was, 0 to below 1 @param value at the start; null takes the first mean reward */
  constructor(readonly alpha = 0.9, public value: number | null = null) {
    if (!(alpha >= 0 && alpha < 1)) throw new RangeError(`alpha is ${alpha}; a number from 0 to below 1 is needed.`);
  }

  /** Takes a batch's mean reward in. @returns the new baseline */
  update(meanReward: number): number {
    this.value = this.value === null ? meanReward : this.alpha * this.value + (1 - this.alpha) * meanReward;
    return this.value;
  }
}

export function checkSame(name: string, values: TokenValues, like: string, others: TokenValues): void {
  if (values.length !== others.length) throw new RangeError(`${name} has ${values.length} answers, ${like} ${others.length}.`);
  const at = values.findIndex((own, answer) => own.length !== others[answer]!.length);
  if (at !== -1) throw new RangeError(`Answer ${at} has ${values[at]!.length} ${name} and ${others[at]!.length} ${like}: one of each belongs to a token.`);
}
