import { readFileSync, writeSync } from "node:fs";
import { planMemory } from "../../src";
import type { PlanAnswer, PlanJob } from "../growthJob";
import { firstLayers } from "./firstLayers";

// Predicts the peaks of `npm run bench -- growth` before it measures any of them.

async function main(): Promise<void> {
  const { points, settings } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as PlanJob;
  const answer: PlanAnswer = { peaks: points.map(() => settings.map(() => 0)), available: null };
  for (const layers of [...new Set(points.map((point) => point.layers))].sort((a, b) => a - b)) {
    const model = await firstLayers(layers);
    for (const [p, { batch, length, layers: its }] of points.entries()) {
      if (its !== layers) continue;
      for (const [s, precision] of settings.entries()) {
        const shapes = { length: batch * length, rows: batch, queryWidth: length, keyWidth: length, predictions: batch * (length - 1) };
        const { bytes, parts, available } = planMemory({ model, args: { precision }, shapes });
        // The bench has no optimiser.
        answer.peaks[p]![s] = bytes - parts.optimizerMoments;
        answer.available = available;
      }
    }
    model.dispose();
  }
  writeSync(3, JSON.stringify(answer));
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
