import type { LogRow } from "../../step/callbacks";
import { lasting, Trend } from "./trend";

/** What a rule says: in one line, and what to look at or change. */
export interface HealthRemark {
  title: string;
  message: string;
}

/** A sign in a run's log that a practitioner would stop at. */
export interface HealthRule {
  name: string;
  /** "alarm" where going on is of no use, "warning" where it may be. */
  severity: "alarm" | "warning";
  /** The paper or documentation that knows the sign. */
  source: string;
  /** Watches one run: told each row of its log, in order, it returns a remark at the row that shows the sign. */
  watch(): (row: LogRow) => HealthRemark | null;
}

/** Standard errors beyond which a change is none of chance. */
const CLEAR = 3;
/** Rows in which a sign must hold, one after the other. */
const PATIENCE = 3;

function short(value: number): string {
  return String(Number(value.toPrecision(3))).replace("-", "\u2212");
}

/** The first of several names of one measure that a row has. */
function valueOf(row: LogRow, keys: readonly string[]): number | undefined {
  const key = keys.find((name) => row[name] !== undefined);
  return key === undefined ? undefined : row[key];
}

/** A rule on one measure's trend. */
function trendRule(keys: readonly string[], sign: (trend: Trend) => HealthRemark | null): HealthRule["watch"] {
  return () => {
    const trend = new Trend();
    const lasts = lasting(PATIENCE);
    return (row) => {
      const value = valueOf(row, keys);
      if (value === undefined) return null;
      trend.add(value);
      const remark = trend.isReady ? sign(trend) : null;
      return lasts(remark !== null) ? remark : null;
    };
  };
}

const ENTROPY = ["entropy", "objective/entropy"];

/**
 * DPO lowers the log-probability of chosen answers too, as long as that of rejected ones falls faster: the loss falls, and
 * the probability goes to answers that nobody chose (Razin et al. 2024, "Unintentional unalignment"; Pal et al. 2024,
 * "Smaug", who keep the chosen answer's with a term of its own). Spoken when both rewards are clearly below their start,
 * and the chosen one has fallen by more than a tenth of what the rejected one has.
 */
const chosenFalls: HealthRule = {
  name: "chosen-falls", severity: "warning", source: "Razin et al. 2024 (arXiv 2410.08847); Pal et al. 2024 (arXiv 2402.13228)",
  watch() {
    const [chosen, rejected] = [new Trend(), new Trend()];
    const lasts = lasting(PATIENCE);
    return (row) => {
      if (row["rewards/chosen"] === undefined || row["rewards/rejected"] === undefined) return null;
      chosen.add(row["rewards/chosen"]);
      rejected.add(row["rewards/rejected"]);
      if (!chosen.isReady) return null;
      const falls = [chosen, rejected].every((trend) => trend.moved < -CLEAR) && chosen.start - chosen.now > 0.1 * (rejected.start - rejected.now);
      if (!lasts(falls)) return null;
      return {
        title: "The chosen reward falls with the rejected one",
        message: `rewards/chosen went from ${short(chosen.start)} to ${short(chosen.now)}, rewards/rejected from ${short(rejected.start)} to ${short(rejected.now)}: the margin grows, yet chosen answers become less likely too. Lower the learning rate or raise beta, look at pairs that differ in little, or add a loss on the chosen answers.`,
      };
    };
  },
};

/**
 * The KL divergence is never negative; its estimate from samples, mean log π − log π_ref, is where answers are not drawn
 * from π itself: with top-k or top-p, or where the end token is held back. The policy can then earn reward by it (TRL's
 * Training FAQ, "What Is the Concern with Negative KL Divergence?"). Spoken when the mean of five rows is clearly below 0.
 */
const klNegative: HealthRule = {
  name: "kl-negative", severity: "warning", source: "TRL's Training FAQ, on negative KL divergence",
  watch: trendRule(["kl", "objective/kl"], (trend) =>
    trend.fromZero < -CLEAR && trend.now < -0.02
      ? {
          title: "The KL to the reference is negative",
          message: `Its mean over the last rows is ${short(trend.now)} nats, which no KL can be: answers are not drawn from the policy itself. Sample with temperature 1, topP 1 and without topK and minNewTokens, and take the log-probabilities of the same policy that drew.`,
        }
      : null,
  ),
};

/**
 * Reward is then gained on ever fewer answers, and exploration ends (Cui et al. 2025, "The entropy mechanism"; Yu et al.
 * 2025, DAPO, §3.1). Spoken when the entropy is clearly below a fifth of what it was at the start.
 */
const entropyCollapses: HealthRule = {
  name: "entropy-collapses", severity: "warning", source: "Cui et al. 2025 (arXiv 2505.22617); Yu et al. 2025 (arXiv 2503.14476)",
  watch: trendRule(ENTROPY, (trend) =>
    trend.moved < -CLEAR && trend.now < 0.2 * trend.start
      ? {
          title: "The entropy collapses",
          message: `It fell from ${short(trend.start)} to ${short(trend.now)} nats a token: the model is all but sure of every token, and samples are all alike. Lower the learning rate, weigh the KL more, or clip upward steps less.`,
        }
      : null,
  ),
};

/**
 * The other end: the policy drifts to noise, which rewards and lengths soon show as well (Yu et al. 2025, DAPO, §3.1 and
 * figure 2, on keeping entropy within bounds). Spoken when the entropy is clearly above twice its start, by half a nat at
 * least.
 */
const entropyExplodes: HealthRule = {
  name: "entropy-explodes", severity: "warning", source: "Yu et al. 2025 (arXiv 2503.14476)",
  watch: trendRule(ENTROPY, (trend) =>
    trend.moved > CLEAR && trend.now > 2 * trend.start && trend.now > trend.start + 0.5
      ? {
          title: "The entropy explodes",
          message: `It rose from ${short(trend.start)} to ${short(trend.now)} nats a token: answers turn into noise. Lower the learning rate or the entropy's weight, or weigh the KL more; read a few samples.`,
        }
      : null,
  ),
};

/**
 * Rewards from preferences favour longer answers whatever they say (Singhal et al. 2023, "A long way to go"; Park et al.
 * 2024, "Disentangling length from quality", for DPO). Spoken when answers are clearly longer than 1.5 times, or shorter
 * than half, what they were at the start.
 */
const lengthDrifts: HealthRule = {
  name: "length-drifts", severity: "warning", source: "Singhal et al. 2023 (arXiv 2310.03716); Park et al. 2024 (arXiv 2403.19159)",
  watch: trendRule(["completions/mean_length"], (trend) =>
    Math.abs(trend.moved) > CLEAR && (trend.now > 1.5 * trend.start || trend.now < 0.5 * trend.start)
      ? {
          title: trend.now > trend.start ? "Answers grow longer" : "Answers grow shorter",
          message: `Their mean length went from ${short(trend.start)} to ${short(trend.now)} tokens: the reward may pay for length. Compare rewards at equal length, or take the length out of the reward.`,
        }
      : null,
  ),
};

/**
 * A loss that is no number spreads into every weight at once; what helps is to go back before it and to look at, or leave
 * out, the batches that led there (Chowdhery et al. 2022, PaLM, §5.1, on loss spikes). Spoken at the first such row.
 */
export const lossNotFinite: HealthRule = {
  name: "loss-not-finite", severity: "alarm", source: "Chowdhery et al. 2022 (arXiv 2204.02311), §5.1",
  watch: () => (row) =>
    row.loss !== undefined && !Number.isFinite(row.loss)
      ? { title: `The loss is ${row.loss}`, message: "No later number of this run means anything. Go back to a checkpoint before it, look at the batch, then lower the learning rate or train in float32." }
      : null,
};

/**
 * At the first step nothing is learnt yet. A model that prefers every chosen answer already then, row after row, has seen
 * the answers or can read them off something that will not be there later (Kaufman et al. 2012, "Leakage in data mining").
 * DPO from its own reference begins with equal rewards, which TRL counts as 0. Spoken when accuracy is 1 at step 1 and in
 * the four rows after it, or in an evaluation before the first step.
 */
const accurateFromStart: HealthRule = {
  name: "accurate-from-start", severity: "warning", source: "Kaufman et al. 2012 (doi 10.1145/2382577.2382579)",
  watch() {
    let inRow = 0;
    let ruledOut = false;
    return (row) => {
      const held = valueOf(row, ["eval_rewards/accuracies", "eval_accuracy"]);
      const accuracy = valueOf(row, ["rewards/accuracies", "accuracy"]);
      const before = row.step === 0 && held === 1;
      if (accuracy !== undefined && !ruledOut) {
        ruledOut = accuracy !== 1 || (inRow === 0 && row.step > 1);
        inRow++;
      }
      if (!before && (ruledOut || inRow < 5 || accuracy === undefined)) return null;
      return {
        title: "Accuracy is 1 from the start",
        message: "Before anything was learnt every chosen answer has the greater reward: a leak. Look whether the model was trained on these rows before, whether training and held-out rows overlap, and whether a mark, a length or a format tells chosen from rejected.",
      };
    };
  },
};

/**
 * Without a learning rate nothing changes. Schedules give 0 at the first step of a warm-up and at the very end
 * (transformers' documentation of `get_linear_schedule_with_warmup`), never twice in a row. Spoken at the second row.
 */
const rateZero: HealthRule = {
  name: "learning-rate-zero", severity: "alarm", source: "transformers' documentation of learning-rate schedules",
  watch() {
    const lasts = lasting(2);
    return (row) =>
      row.learning_rate !== undefined && lasts(row.learning_rate === 0)
        ? { title: "The learning rate is 0", message: "The weights stay as they are. Look at learningRate, and whether maxSteps and warmupSteps fit the run." }
        : null;
  },
};

/** Every rule, in the order in which remarks of one row are made. */
export const HEALTH_RULES: readonly HealthRule[] = [lossNotFinite, rateZero, accurateFromStart, chosenFalls, klNegative, entropyCollapses, entropyExplodes, lengthDrifts];
