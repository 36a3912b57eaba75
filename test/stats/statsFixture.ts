import { readFileSync } from "node:fs";
import path from "node:path";

/** Figures of scipy, krippendorff and choix; `make_stats.py` writes them. */
export const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/stats.json"), "utf8")) as {
  kendall: { first: number[]; second: number[]; tau: number }[];
  krippendorff: { ratings: (number | null)[][]; nominal: number; ordinal: number; interval: number }[];
  strengths: { rankings: number[][]; items: number; greatestLikelihood: number[]; prior: number; withPrior: number[] }[];
};
