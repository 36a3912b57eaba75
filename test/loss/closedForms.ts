import type { PreferenceLossOptions } from "../../src/loss/preference";

/** A batch in float64, by plain arithmetic on t = π/π_ref: the definitions with no thought for overflow. */
export interface Batch {
  chosen: number[];
  rejected: number[];
  refChosen: number[];
  refRejected: number[];
  chosenLengths: number[];
  rejectedLengths: number[];
}

const sigma = (x: number): number => 1 / (1 + Math.exp(-x));
const log = Math.log;
const ascending = (values: number[]): number[] => [...values].sort((a, b) => a - b);

/** f′(t) for t = eʳ, as each divergence defines it. */
function derivative(r: number, { fDivergenceType = "reverse_kl", fAlphaDivergenceCoef: alpha = 0.5 }: PreferenceLossOptions): number {
  const t = Math.exp(r);
  if (fDivergenceType === "reverse_kl") return log(t);
  if (fDivergenceType === "forward_kl") return 1 - 1 / t;
  if (fDivergenceType === "js_divergence") return log((2 * t) / (1 + t));
  return (t ** (alpha - 1) - 1) / (alpha - 1);
}

/** The loss of each pair, written out once more from the papers. */
export function closedForm(batch: Batch, options: PreferenceLossOptions): number[] {
  const { lossType = "sigmoid", beta = 0.1, labelSmoothing: e = 0, discopopTau: tau = 0.05 } = options;
  const rc = batch.chosen.map((x, i) => x - batch.refChosen[i]!);
  const rr = batch.rejected.map((x, i) => x - batch.refRejected[i]!);
  const score = (r: number): number => derivative(r, options);
  const z = rc.map((r, i) => beta * (score(r) - score(rr[i]!)));
  const perToken = rc.map((r, i) => score(r) / batch.chosenLengths[i]! - score(rr[i]!) / batch.rejectedLengths[i]!);
  const cross = (x: number): number => -(1 - e) * log(sigma(x)) - e * log(sigma(-x));
  const total = (values: number[]): number => values.reduce((a, b) => a + b, 0);
  switch (lossType) {
    case "sigmoid": return z.map(cross);
    case "hinge": return z.map((x) => Math.max(0, 1 - x));
    case "ipo": return perToken.map((x) => (x - 1 / (2 * beta)) ** 2);
    case "sigmoid_norm": return perToken.map((x) => -log(sigma(beta * x)));
    case "robust": return z.map((x) => (-(1 - e) * log(sigma(x)) + e * log(sigma(-x))) / (1 - 2 * e));
    case "exo_pair": return z.map((x) => sigma(x) * log(sigma(x) / (1 - e)) + sigma(-x) * log(sigma(-x) / e));
    case "nca_pair": return rc.map((r, i) => -log(sigma(beta * r)) - 0.5 * log(sigma(-beta * r)) - 0.5 * log(sigma(-beta * rr[i]!)));
    case "bco_pair": return rc.map((r, i) => -log(sigma(beta * r)) - log(sigma(-beta * rr[i]!)));
    case "sppo_hard": return rc.map((r, i) => (r - 1 / (2 * beta)) ** 2 + (rr[i]! + 1 / (2 * beta)) ** 2);
    case "aot": {
      const policy = ascending(batch.chosen.map((x, i) => x - batch.rejected[i]!));
      const reference = ascending(batch.refChosen.map((x, i) => x - batch.refRejected[i]!));
      return policy.map((x, i) => cross(beta * (x - reference[i]!)));
    }
    case "aot_unpaired": {
      const sorted = ascending(rr);
      return ascending(rc).map((x, i) => cross(beta * (x - sorted[i]!)));
    }
    case "apo_zero": return rc.map((r, i) => 1 - sigma(beta * r) + sigma(beta * rr[i]!));
    case "apo_down": return rc.map((r, i) => sigma(beta * r) + 1 - sigma(beta * (r - rr[i]!)));
    case "discopop": return z.map((x) => -log(sigma(x)) * (1 - sigma(x / tau)) + Math.exp(-x) * sigma(x / tau));
    case "sft": return rc.map(() => -total(batch.chosen) / total(batch.chosenLengths));
  }
}
