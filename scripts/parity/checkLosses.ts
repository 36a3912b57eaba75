import { tf } from "../../src/engine/backend";
import { supportedDivergences, type DivergenceType } from "../../src/loss/divergence";
import type { PairLogps } from "../../src/loss/pair";
import { lossNeedsLengths, preferenceLoss, supportedLosses, type LossType, type PreferenceLossOptions } from "../../src/loss/preference";
import { rewardMetrics } from "../../src/loss/rewards";
import type { ClosedFormFigures, DpoFile, Sides, TrlFigures, Which } from "./dpoFile";
import type { Report } from "./report";
import type { SequenceLogps } from "./subject";

/** TRL 1.16 passes its label smoothing on to these only; to the others it means nothing. */
const TRL_SMOOTHS = ["exo_pair", "robust", "aot", "aot_unpaired"];

/** A log-probability near −300 has a float32 spacing of 3e-5; a reward has two of them, times beta. */
const LOGP_ROUNDING = 1e-4;

/** The losses are functions of the file's own log-probabilities; where it has none, of ours. */
export function checkLosses(file: DpoFile, ours: Record<Which, SequenceLogps>, report: Report): void {
  const sideLogps = (which: Which): Sides<number[]> => file.models.find(({ place, logps }) => place === `${which}_f64` && logps)?.logps ?? ours[which].packed;
  const policy = sideLogps("policy");
  const reference = sideLogps("ref");
  const first = (count: number): Required<PairLogps> => {
    const vector = (values: number[]) => tf.tensor1d(values.slice(0, count));
    const lengths = (ids: "chosenIds" | "rejectedIds") => vector(file.pairs.map((pair) => pair[ids].length));
    return {
      chosenLogps: vector(policy.chosen), rejectedLogps: vector(policy.rejected), refChosenLogps: vector(reference.chosen), refRejectedLogps: vector(reference.rejected),
      chosenLengths: lengths("chosenIds"), rejectedLengths: lengths("rejectedIds"),
    };
  };
  tf.tidy(() => file.trl.forEach((figures) => checkTrl(figures, first(figures.pairs), file.tolerances.loss, report)));
  tf.tidy(() => file.closedForms.forEach((figures) => checkClosedForm(figures, first(figures.perPair.length), file.tolerances.loss, report)));
}

function checkTrl(figures: TrlFigures, logps: PairLogps, tolerance: number, report: Report): void {
  const { place, lossType, beta, labelSmoothing, fDivergence, alpha, metrics } = figures;
  const options = {
    lossType: lossType as LossType, beta, fDivergenceType: fDivergence as DivergenceType, fAlphaDivergenceCoef: alpha,
    labelSmoothing: TRL_SMOOTHS.includes(lossType) ? labelSmoothing : 0,
  };
  const problem = figures.ldAlpha !== null ? "ld_alpha (LD-DPO) is not supported" : whyNot(options);
  if (problem) report.unsupported(place, problem);
  else report.close("TRL's losses", `${place}.loss (${lossType}, ${fDivergence}, beta ${beta})`, meanLoss(logps, options), figures.loss, { relative: tolerance });
  if (figures.ldAlpha !== null) return;
  const ourMetrics = new Map(Object.entries(rewardMetrics(logps, beta)));
  for (const [name, expected] of Object.entries(metrics)) {
    const metric = ourMetrics.get(name);
    if (metric) report.close("TRL's reward metrics", `${place}.metrics["${name}"]`, metric.dataSync()[0]!, expected, { absolute: LOGP_ROUNDING * (name.startsWith("rewards/") ? beta : 1) });
    else report.unsupported(`${place}.metrics["${name}"]`, "not a metric that this library logs from log-probabilities");
  }
}

const meanLoss = (logps: PairLogps, options: PreferenceLossOptions): number => tf.mean(preferenceLoss(options)(logps)).dataSync()[0]!;

/** Why a loss cannot be computed, or null when it can. */
function whyNot(options: PreferenceLossOptions): string | null {
  try {
    preferenceLoss(options);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function checkClosedForm({ place, name, beta, perPair }: ClosedFormFigures, logps: PairLogps, tolerance: number, report: Report): void {
  const options = closedFormOptions(name, beta);
  const problem = options === null ? `no loss is known by the name ${JSON.stringify(name)}` : whyNot(options);
  if (options === null || problem !== null) return report.unsupported(place, problem!);
  const losses = preferenceLoss(options)(logps).dataSync();
  perPair.forEach((expected, i) => report.close("closed forms, pair by pair", `${place}.per_pair[${i}] (${name})`, losses[i]!, expected, { relative: tolerance }));
}

/** `sigmoid`, `cdpo_label_smoothing_0.1`, `robust_label_smoothing_0.2`, `js_divergence`, `alpha_divergence_0.5`, … */
function closedFormOptions(name: string, beta: number): PreferenceLossOptions | null {
  const [, base, smoothing] = /^(.*?)(?:_label_smoothing_([\d.e-]+))?$/.exec(name)!;
  const labelSmoothing = Number(smoothing ?? 0);
  const [, measure, alpha] = /^(.*?)(?:_([\d.]+))?$/.exec(base!)!;
  if (supportedDivergences().includes(measure as DivergenceType)) return { beta, labelSmoothing, fDivergenceType: measure as DivergenceType, fAlphaDivergenceCoef: Number(alpha ?? 0.5) };
  const lossType = (["cdpo", "dpo"].includes(base!) ? "sigmoid" : base) as LossType;
  // A bare name does not say whether a loss per token is meant, as in TRL, or the paper's per sequence.
  if (!supportedLosses().includes(lossType) || lossNeedsLengths(lossType)) return null;
  return { beta, labelSmoothing, lossType };
}
