/** How the log's measures are called in a chart, and in what unit they are. */

export interface Metric {
  title: string;
  unit?: string;
  /** The range shown whatever the values. */
  range?: [number, number];
}

const METRICS: Record<string, Metric> = {
  loss: { title: "loss", unit: "nats" },
  "rewards/accuracies": { title: "reward accuracy", unit: "share of pairs", range: [0, 1.03] },
  "rewards/margins": { title: "reward margin", unit: "nats" },
  "rewards/chosen": { title: "reward, chosen", unit: "nats" },
  "rewards/rejected": { title: "reward, rejected", unit: "nats" },
  "logps/chosen": { title: "log-prob, chosen", unit: "nats" },
  "logps/rejected": { title: "log-prob, rejected", unit: "nats" },
  learning_rate: { title: "learning rate" },
  grad_norm: { title: "gradient norm" },
  entropy: { title: "entropy", unit: "nats" },
  mean_token_accuracy: { title: "token accuracy", unit: "share of tokens", range: [0, 1.03] },
  num_tokens: { title: "tokens seen" },
  kl: { title: "KL to the reference", unit: "nats" },
  margin: { title: "reward margin", unit: "nats" },
  mean_reward: { title: "mean reward", unit: "nats" },
  min_reward: { title: "least reward", unit: "nats" },
  max_reward: { title: "greatest reward", unit: "nats" },
  accuracy: { title: "accuracy", unit: "share of rows", range: [0, 1.03] },
  win_probability: { title: "chance that the chosen is rated above", range: [0, 1.03] },
  "ratings/chosen": { title: "expected rating, chosen" },
  "ratings/rejected": { title: "expected rating, rejected" },
  "ratings/margin": { title: "expected rating, margin" },
  reward: { title: "mean reward" },
  reward_std: { title: "spread of rewards" },
  "objective/kl": { title: "KL to the reference", unit: "nats" },
  "objective/entropy": { title: "entropy", unit: "nats" },
  "objective/scores": { title: "score of the reward model" },
  "objective/rlhf_reward": { title: "score less KL penalty" },
  "policy/approxkl_avg": { title: "KL to the last policy", unit: "nats" },
  "objective/kl_coef": { title: "KL coefficient" },
  "loss/policy_avg": { title: "policy loss" },
  "loss/value_avg": { title: "value loss" },
  "policy/entropy_avg": { title: "entropy", unit: "nats" },
  "val/ratio": { title: "mean ratio" },
  frac_reward_zero_std: { title: "groups of equal rewards", unit: "share of groups", range: [0, 1.03] },
  "clip_ratio/region_mean": { title: "clipped", unit: "share of tokens", range: [0, 1.03] },
  "advantages/variance": { title: "variance of advantages" },
  "sampling/sampling_logp_difference/mean": { title: "log-prob, drawn against recomputed", unit: "nats" },
  "sampling/sampling_logp_difference/max": { title: "log-prob, drawn against recomputed, greatest", unit: "nats" },
  "policy/clipfrac_avg": { title: "clipped", unit: "share of tokens", range: [0, 1.03] },
  "completions/mean_length": { title: "answer length", unit: "tokens" },
  "completions/clipped_ratio": { title: "answers cut", unit: "share of answers", range: [0, 1.03] },
};

/** What is known of a log's key; a key that is not known is called by its own name. */
export function metricOf(key: string): Metric {
  return METRICS[key] ?? { title: key.replace(/[_/]/g, " ") };
}

/** A metric's name with its unit. */
export function metricLabel(metric: Metric): string {
  return metric.unit ? `${metric.title} (${metric.unit})` : metric.title;
}
