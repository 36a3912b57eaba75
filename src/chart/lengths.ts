import { quantile } from "../stats/quantile";
import { finite } from "./bins";
import { histogram, type Sample } from "./distribution";
import type { Figure } from "./figure";
import { FONT_SIZE, INK } from "./theme";

export interface LengthsOptions {
  title: string;
  /** Lengths of the rows, of the chosen and the rejected answers, of the answers before and after. */
  samples: Sample[];
  /** The most that is kept, as `maxCompletionLength`: the chart says how many are longer. */
  limit?: number;
  unit?: string;
  height?: number;
}

/** How long texts are, and how many are cut at a limit. */
export function lengthChart(options: LengthsOptions): Figure {
  const { limit, unit = "tokens" } = options;
  const named = options.samples.map((sample) => {
    const sorted = finite(sample.values).sort((a, b) => a - b);
    if (sorted.length === 0) return sample;
    const cut = limit === undefined ? 0 : sorted.filter((length) => length > limit).length / sorted.length;
    const notes = [`median ${Math.round(quantile(sorted, 0.5))}`, ...(limit === undefined ? [] : [`${(100 * cut).toFixed(cut > 0 && cut < 0.1 ? 1 : 0)} % cut`])];
    return { ...sample, name: [sample.name, ...notes].join(", ") };
  });
  const figure = histogram({ title: options.title, x: { label: "length", unit }, samples: named, scale: named.length > 1 ? "share" : "count", means: false, height: options.height });
  if (limit === undefined) return figure;
  const { layout } = figure;
  layout.shapes = [...(layout.shapes ?? []), { type: "line", xref: "x", yref: "y domain", x0: limit, x1: limit, y0: 0, y1: 1, line: { color: INK, width: 2, dash: "dot" } }];
  layout.annotations = [...(layout.annotations ?? []), { text: `at most ${limit}`, showarrow: false, xref: "x", yref: "y domain" as "paper", x: limit, y: 1, xanchor: "left", yanchor: "top", xshift: 4, font: { size: FONT_SIZE, color: INK } }];
  return figure;
}
