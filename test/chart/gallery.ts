import { barChart } from "../../src/chart/bar";
import { beside } from "../../src/chart/beside";
import { calibrationChart } from "../../src/chart/calibration";
import { confusionMatrix } from "../../src/chart/confusion";
import { ecdf, histogram } from "../../src/chart/distribution";
import type { Figure } from "../../src/chart/figure";
import { frontierChart } from "../../src/chart/frontier";
import { heatmap } from "../../src/chart/heatmap";
import { lengthChart } from "../../src/chart/lengths";
import { lineChart } from "../../src/chart/line";
import { rewardChart } from "../../src/chart/rewards";
import { ridges } from "../../src/chart/ridges";
import { scatterChart } from "../../src/chart/scatter";
import { tokenHeatmap } from "../../src/chart/tokens";
import { trainingCurves } from "../../src/chart/training";
import { sideBySide, table, type Table } from "../../src/log/table";
import { reliability } from "../../src/loss/calibration";
import type { LogRow } from "../../src/step/callbacks";

/** A repeatable source of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Normal numbers by the polar form of Box and Muller. */
export function normal(count: number, mean: number, deviation: number, seed: number): number[] {
  const next = random(seed);
  return Array.from({ length: count }, () => mean + deviation * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

/** A log as a DPO run of that many steps writes it, evaluated every 25 steps. */
export function dpoLog(steps: number): LogRow[] {
  const noise = normal(steps * 2, 0, 1, 7);
  return Array.from({ length: steps }, (_, index) => {
    const step = index + 1;
    const grown = 1 - Math.exp(-step / 40);
    const row: LogRow = {
      step, epoch: step / steps, loss: 0.69 - 0.55 * grown + 0.05 * noise[index]!, learning_rate: 5e-5 * (1 - step / steps),
      grad_norm: 8 + Math.abs(noise[steps + index]!) * 20, "rewards/accuracies": Math.min(1, Math.round(8 * (0.5 + 0.5 * grown + 0.06 * noise[index]!)) / 8),
      "rewards/margins": 6 * grown + 0.5 * noise[steps + index]!, "rewards/chosen": 1 * grown + 0.3 * noise[index]!, "rewards/rejected": -5 * grown + 0.4 * noise[index]!,
    };
    if (step % 25 !== 0) return [row];
    return [row, { step, epoch: step / steps, eval_loss: 0.7 - 0.5 * grown, "eval_rewards/accuracies": 0.5 + 0.45 * grown, "eval_rewards/margins": 5.5 * grown }];
  }).flat();
}

const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Answers cut into tokens as a tokenizer cuts them, and a repeatable value for each. */
const CHOSEN = "Honestly, my mornings are pretty chaotic! I hit snooze, like, three times, then stumble to the kitchen for coffee ☕.\nHow about you?".match(/\s?[A-Za-z]+|\s?[^A-Za-z]/gu)!;
const REJECTED = "As an artificial intelligence, I do not have a morning routine. However, I am here to assist you with any questions that you may have regarding morning routines.<|im_end|>".match(/<\|[a-z_]+\|>|\s?[A-Za-z]+|\s?[^A-Za-z]/gu)!;

/** A log as policy gradients write it. */
export function rlLog(steps: number): LogRow[] {
  const noise = normal(steps * 4, 0, 1, 11);
  return Array.from({ length: steps }, (_, index) => {
    const grown = 1 - Math.exp(-index / 30);
    return {
      step: index + 1, epoch: index / steps, loss: 0.1 * noise[index]!, reward: 0.2 + 0.7 * grown + 0.05 * noise[steps + index]!, "objective/kl": 6 * grown + 0.5 * noise[2 * steps + index]!,
      entropy: 2.4 - 1.1 * grown + 0.05 * noise[3 * steps + index]!, "completions/mean_length": 80 + 60 * grown + 8 * noise[index]!,
    };
  });
}

/** One figure of each kind and each awkward case, by name. */
export function gallery(): Record<string, Figure> {
  const noisy = normal(400, 0, 1, 3);
  const steps = indices(400);
  return {
    "line-smoothed": lineChart({
      title: "Loss of two runs", x: { label: "step" }, y: { label: "loss", unit: "nats" },
      series: [
        { name: "beta 0.1", x: steps, y: steps.map((step) => 0.69 * Math.exp(-step / 150) + 0.04 * noisy[step]!), smooth: 20 },
        { name: "beta 1.0", x: steps, y: steps.map((step) => 0.69 * Math.exp(-step / 80) + 0.03 * noisy[399 - step]!), smooth: 20 },
      ],
    }),
    "line-band": lineChart({
      title: "Reward against entropy: mean of five seeds and its 95 % interval", x: { label: "entropy", unit: "nats" }, y: { label: "reward" },
      series: ["hinge", "sigmoid", "IPO", "reverse KL", "forward KL", "Jensen–Shannon"].map((name, at) => {
        const y = indices(12).map((index) => 2.4 - at * 0.25 - (index - 6) ** 2 / 40);
        return { name, x: indices(12).map((index) => 3 + index * 0.15), y, band: { low: y.map((value) => value - 0.12), high: y.map((value) => value + 0.12) } };
      }),
    }),
    "line-gaps": lineChart({
      title: "A run whose loss became NaN, and an infinity", x: { label: "step" }, y: { label: "loss" },
      series: [{ name: "loss", x: indices(60), y: indices(60).map((index) => (index === 20 || index === 22 ? NaN : index === 40 ? Infinity : 1 / (index + 1))) }],
    }),
    "line-log": lineChart({
      title: "Learning rate and gradient norm", x: { label: "step", type: "log" }, y: { label: "value", type: "log" },
      series: [{ name: "learning rate", x: indices(500).map((i) => i + 1), y: indices(500).map((i) => 5e-5 * Math.exp(-i / 100)) }, { name: "gradient norm", x: indices(500).map((i) => i + 1), y: indices(500).map((i) => 20 / (i + 1)) }],
    }),
    "line-single": lineChart({ title: "One point", x: { label: "step" }, y: { label: "loss" }, series: [{ name: "loss", x: [1], y: [0.693147] }] }),
    "line-constant": lineChart({ title: "A constant", x: { label: "step" }, y: { label: "accuracy" }, series: [{ name: "accuracy", x: indices(5), y: [1, 1, 1, 1, 1] }] }),
    "line-empty": lineChart({ title: "Nothing yet", x: { label: "step" }, y: { label: "loss" }, series: [{ name: "loss", x: [], y: [] }] }),
    "line-huge": lineChart({ title: "Parameters", x: { label: "step" }, y: { label: "count" }, series: [{ name: "n", x: indices(30), y: indices(30).map((i) => 1.3e9 * i - 5e9) }] }),
    "line-tiny": lineChart({ title: "Differences of two engines", x: { label: "pair" }, y: { label: "difference", unit: "nats" }, series: [{ name: "d", x: indices(30), y: indices(30).map((i) => 3e-7 * Math.sin(i)) }] }),
    "line-narrow": lineChart({ title: "Far from zero", x: { label: "step" }, y: { label: "log-prob" }, series: [{ name: "d", x: indices(30), y: indices(30).map((i) => -1234.5 + 0.001 * Math.sin(i)) }] }),
    "line-long": lineChart({ title: "100,000 points", x: { label: "step" }, y: { label: "value" }, series: [{ name: "noise", x: indices(100_000), y: normal(100_000, 0, 1, 5) }] }),
    "histogram-two": histogram({
      title: "Log-probabilities of single tokens, training rows, before and after DPO", x: { label: "log-prob of a token", unit: "nats" },
      samples: [{ name: "reference", values: normal(3000, -2.4, 1, 1) }, { name: "after DPO", values: normal(3000, -1.8, 1.2, 2) }],
    }),
    "histogram-four": histogram({
      title: "Training and unseen rows under both models", x: { label: "log-prob of a token", unit: "nats" }, bins: 40,
      samples: [-3, -2.5, -2.2, -1.2].map((mean, index) => ({ name: `${index % 2 ? "unseen" : "training"} rows, ${index < 2 ? "reference" : "final model"}`, values: normal(1000, mean, 0.8, index) })),
    }),
    "histogram-one": histogram({ title: "Answer lengths", x: { label: "length", unit: "tokens" }, samples: [{ name: "answers", values: normal(300, 90, 25, 8).map(Math.round) }] }),
    "histogram-constant": histogram({ title: "All one", x: { label: "reward" }, samples: [{ name: "r", values: [2, 2, 2] }] }),
    "histogram-empty": histogram({ title: "No rows", x: { label: "reward" }, samples: [{ name: "r", values: [] }] }),
    ecdf: ecdf({ title: "Rewards, cumulated", x: { label: "reward", unit: "nats" }, samples: [{ name: "chosen", values: normal(200, 1, 1, 1) }, { name: "rejected", values: normal(200, -1, 1.5, 2) }] }),
    "bars": barChart({
      title: "Accuracy by model and format", categories: { label: "model", names: ["zero-shot", "few-shot", "GRU"] }, value: { label: "accuracy", range: [0, 1] },
      series: [
        { name: "SmolLM2", values: [0.71, 0.78, 0.83], interval: { low: [0.68, 0.75, 0.81], high: [0.74, 0.81, 0.86] } },
        { name: "Llama", values: [0.81, 0.88, 0.83], interval: { low: [0.78, 0.85, 0.81], high: [0.84, 0.91, 0.86] } },
      ],
    }),
    "bars-lying": barChart({
      title: "How often an answer says it", categories: { label: "phrase", names: ["as an AI language model", "I do not have personal experiences", "haha", "I'm here to assist", "<|im_end|> & friends"] }, value: { label: "share of answers", unit: "%" },
      series: [{ name: "before", values: [42, 31, 1, 22, 3] }, { name: "after", values: [6, 4, 29, 5, 2] }],
    }),
    "bars-negative": barChart({ title: "Change by metric", categories: { label: "metric", names: ["a", "b", "c"] }, value: { label: "change" }, series: [{ name: "d", values: [-2, 3, -0.5] }] }),
    "title-long": lineChart({
      title: "A title that says very much: held-out reward accuracy of SmolLM2-135M-Instruct after direct preference optimisation on our rows, five seeds",
      x: { label: "step" }, y: { label: "a y axis with a label that is longer than the axis is high, so that it must be cut somewhere" },
      series: indices(8).map((at) => ({ name: `learning rate ${at + 1}e-5, beta ${at / 10}, a long name`, x: [0, 1, 2], y: [at, at + 1, at + 0.5] })),
    }),
    "bars-many": barChart({ title: "Rows by topic", horizontal: false, categories: { label: "topic", names: indices(24).map((at) => `topic number ${at}`) }, value: { label: "rows" }, series: [{ name: "rows", values: indices(24) }] }),
    "bars-twenty-lying": barChart({ title: "Rows by topic", categories: { label: "topic", names: indices(24).map((at) => `topic number ${at}`) }, value: { label: "rows" }, series: [{ name: "rows", values: indices(24).map((at) => at * 1000) }] }),
    "heatmap-names": heatmap({ title: "Tokens", x: { label: "token", names: indices(26).map((at) => (at % 3 ? "the" : "<|im_start|>")) }, y: { label: "model", names: ["reference model", "after DPO"] }, value: { label: "log-prob (nats)" }, values: [normal(26, -2, 1, 1), normal(26, -1, 1, 2)] }),
    "training-short": trainingCurves(dpoLog(3), { title: "Three steps", keys: ["loss"], maxSteps: 3 }),
    scatter: scatterChart({
      title: "Our log-probs and Python's", x: { label: "Python", unit: "nats" }, y: { label: "ours", unit: "nats" }, diagonal: true,
      series: [{ name: "chosen", x: normal(60, -80, 20, 1), y: normal(60, -80, 20, 1) }, { name: "rejected", x: normal(60, -95, 15, 2), y: normal(60, -95, 15, 2) }],
    }),
    "scatter-labels": scatterChart({ title: "Runs", x: { label: "KL", unit: "nats" }, y: { label: "reward" }, series: [{ name: "runs", x: [1, 5, 10], y: [0.2, 0.9, 1.1], labels: ["β = 1", "β = 0.1", "β = 0.01"] }] }),
    "heatmap-small": heatmap({ title: "Confusion of two raters", x: { label: "rater B", names: ["poor", "fair", "good"] }, y: { label: "rater A", names: ["poor", "fair", "good"] }, value: { label: "rows" }, values: [[30, 5, 1], [4, 22, 6], [0, 7, 41]] }),
    "heatmap-diverging": heatmap({ title: "Log-prob difference by token", x: { label: "token" }, y: { label: "row" }, value: { label: "nats" }, colours: "diverging", values: indices(12).map((row) => normal(30, 0.3, 1, row)) }),
    "heatmap-large": heatmap({ title: "Attention, 300 by 300", x: { label: "key" }, y: { label: "query" }, value: { label: "weight" }, values: indices(300).map((i) => indices(300).map((j) => (j > i ? NaN : Math.exp(-(i - j) / 30)))) }),
    "ridges": ridges({
      title: "Log-probabilities of answer tokens while DPO goes on", x: { label: "log-prob of a token", unit: "nats" }, rows: "step",
      samples: [0, 20, 40, 60, 80, 100, 120].map((step, at) => ({ name: String(step), values: [...normal(300, -2.6 + 0.2 * at, 0.9, at + 1), ...normal(100, -0.6, 0.4, at + 40)] })),
    }),
    "ridges-few": ridges({ title: "Two rows, one of them of one value", x: { label: "reward" }, samples: [{ name: "before training, a long name", values: normal(50, 0, 1, 1) }, { name: "after", values: [2, 2, 2] }, { name: "no rows", values: [] }] }),
    "tokens-two": tokenHeatmap({
      title: "What DPO made likelier", value: { label: "log π/π_ref", unit: "nats" },
      passages: [{ name: "chosen", tokens: CHOSEN, values: normal(CHOSEN.length, 0.6, 1.2, 3) }, { name: "rejected", tokens: REJECTED, values: normal(REJECTED.length, -0.9, 1.3, 4).map((value, at) => (at === 0 ? NaN : value)) }],
    }),
    "tokens-long": tokenHeatmap({
      title: "Entropy at each token of a long answer", value: { label: "entropy", unit: "nats" }, colours: "sequential",
      passages: [{ tokens: indices(300).map((at) => (at === 120 ? "supercalifragilistic".repeat(6) : at % 40 === 39 ? ".\n" : at % 3 ? " the" : " 漢字 <b>&")), values: normal(300, 2, 1, 5).map(Math.abs) }],
    }),
    "rewards": rewardChart({ title: "Implicit rewards of the held-out pairs", chosen: normal(200, 1.2, 1.5, 1), rejected: normal(200, -1.4, 2, 2) }),
    "calibration": calibrationChart({
      title: "How sure, and how often right: reward model before and after",
      curves: [{ name: "before", reliability: reliability(normal(300, 0.5, 1, 3)) }, { name: "after", reliability: reliability(normal(300, 2, 2.5, 4)) }],
    }),
    "frontier": frontierChart({
      title: "Reward against KL, five seeds", x: { label: "KL to the reference", unit: "nats" }, y: { label: "reward" },
      methods: ["DPO", "IPO", "hinge"].map((name, method) => ({
        name, points: [1, 0.3, 0.1, 0.03, 0.01].map((beta, at) => ({ setting: method === 0 ? `β = ${beta}` : "", x: normal(5, 1 + at * 2.2 + method, 0.3, at + 10 * method), y: normal(5, 2.2 * (1 - Math.exp(-(at + 0.6) / 1.4)) - 0.25 * method, 0.12, at + 7 + 10 * method) })),
      })),
    }),
    "confusion": confusionMatrix({
      title: "Which answers are human", names: { actual: "written by", predicted: "taken for" },
      actual: indices(400).map((at) => (at % 5 === 0 ? "human" : at % 5 < 3 ? "model" : "model, after DPO")),
      predicted: indices(400).map((at) => (at % 7 === 0 ? "model" : at % 5 === 0 || at % 11 === 0 ? "human" : at % 5 < 3 ? "model" : "model, after DPO")),
    }),
    "lengths": lengthChart({ title: "Lengths of the answers", samples: [{ name: "chosen", values: normal(400, 70, 25, 5).map((value) => Math.max(1, Math.round(value))) }, { name: "rejected", values: normal(400, 110, 20, 6).map(Math.round) }], limit: 128 }),
    "beside-histograms": beside({
      title: "Rewards before and after DPO",
      figures: ["before", "after"].map((title, after) => histogram({ title, means: "lines", x: { label: "reward", unit: "nats" }, samples: [{ name: "chosen", values: normal(300, after * 1.5, 1, 1) }, { name: "rejected", values: normal(300, -after * 2, 1.2, 2) }] })),
    }),
    "beside-heatmaps": beside({
      title: "Attention of the last layer", figures: ["before", "after"].map((title, after) => heatmap({ title, x: { label: "key" }, y: { label: "query" }, value: { label: "weight" }, numbers: false, values: indices(10).map((i) => indices(10).map((j) => (j > i ? NaN : Math.exp(-(i - j) / (2 + 3 * after)) / (1 + after)))) })),
    }),
    "training-rl": trainingCurves(rlLog(120), { title: "Policy gradient" }),
    "training-dpo": trainingCurves(dpoLog(200), { title: "DPO, SmolLM2-135M-Instruct" }),
    "training-live": trainingCurves(dpoLog(30), { title: "DPO, SmolLM2-135M-Instruct", maxSteps: 200 }),
    "training-first": trainingCurves(dpoLog(1), { maxSteps: 200 }),
    "training-empty": trainingCurves([], { maxSteps: 200 }),
    "training-six": trainingCurves(dpoLog(200), {
      title: "All that was logged",
      keys: ["loss", "rewards/accuracies", "rewards/margins", { title: "rewards", unit: "nats", keys: ["rewards/chosen", "rewards/rejected"] }, "learning_rate", { title: "gradient norm", keys: ["grad_norm"], log: true }],
    }),
  };
}

/** Tables and texts beside each other, by name. */
export function tables(): Record<string, Table> {
  return {
    "table-sorted": table(
      ["sigmoid", "hinge", "ipo", "robust"].map((loss, at) => ({ loss, "held-out accuracy": [0.91, 0.88, NaN, 0.93][at], "KL (nats)": [4.2, 3.1, 0.4, 12.75][at], "a sample": "Ha, good question!\nI'd say Tuesday." })),
      { caption: "Losses by held-out accuracy", sortBy: { column: "held-out accuracy", descending: true } },
    ),
    "answers-beside": sideBySide([{ title: "before", text: REJECTED.join("") }, { title: "after", text: CHOSEN.join("") }], { caption: "What's your morning routine like?" }),
  };
}
