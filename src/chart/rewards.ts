import { beside } from "./beside";
import { histogram } from "./distribution";
import { type Figure, type Numbers, requireSameLength } from "./figure";
import { COLOURS, INK } from "./theme";

export interface RewardsOptions {
  title: string;
  /** Rewards of each pair's answers, in one order. */
  chosen: Numbers;
  rejected: Numbers;
  unit?: string;
  height?: number;
}

/**
 * How rewards lie: of chosen and rejected answers over the same bins, and beside them each pair's margin, whose share
 * right of zero is the accuracy (a tie counts as wrong, as in TRL).
 */
export function rewardChart(options: RewardsOptions): Figure {
  const { chosen, rejected, unit = "nats" } = options;
  requireSameLength("rewardChart: chosen and rejected", chosen, rejected);
  const margins = Array.from(chosen, (reward, pair) => Number(reward ?? NaN) - Number(rejected[pair] ?? NaN));
  const known = margins.filter(Number.isFinite);
  const accuracy = known.filter((margin) => margin > 0).length / known.length;
  const both = histogram({ title: "rewards", x: { label: "reward", unit }, samples: [{ name: "chosen", values: chosen }, { name: "rejected", values: rejected }], scale: "share" });
  const margin = histogram({
    title: known.length > 0 ? `margins: accuracy ${accuracy.toFixed(3)} of ${known.length} pairs` : "margins", x: { label: "chosen − rejected", unit },
    samples: [{ name: "margin", values: margins, colour: COLOURS[2] }], scale: "share",
  });
  margin.layout.shapes = [
    ...(margin.layout.shapes ?? []),
    { type: "line", xref: "x", yref: "y domain" as "paper", x0: 0, x1: 0, y0: 0, y1: 1, line: { color: INK, width: 2, dash: "dot" } },
  ];
  return beside({ title: options.title, figures: [both, margin], height: options.height });
}
