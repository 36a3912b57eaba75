import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { renderSvg } from "../src/chart/svg/render";
import { BenchFailure } from "./failure";
import type { Measured } from "./figures";
import { growthChart, type GrowthValue } from "./growthChart";
import { pointName, type Axis, type Point } from "./growthPoints";
import { machineLine, wasBusy } from "./machineLine";
import type { StepCheck } from "./stepJob";
import { agreementOf } from "./stepReport";
import { tableSide, type TableSide } from "./table";
import { textTable } from "./textTable";

/** One side at one point. */
export interface GrowthSide {
  measured: Measured;
  check: StepCheck;
  versions: Record<string, string>;
  others: number;
  disturbed: number;
  /** What the planner said before, where it did. */
  predictedBytes?: number;
}

/** A side that was not measured at a point, since it would not have fitted. */
export interface Skipped {
  side: string;
  setting: string;
  predictedBytes: number;
  availableBytes: number;
}

export interface GrowthCell {
  point: Point;
  sides: GrowthSide[];
  skipped: Skipped[];
}

export interface GrowthOutcome {
  axes: readonly Axis[];
  mostTokens: number;
  cells: GrowthCell[];
}

const rounded = (value: number): number => Number(value.toPrecision(5));

interface GrowthRow extends TableSide, Point {
  timed_steps: number;
  loss: number;
  gradient_norm: number;
  /** Of ours: the peer's seconds by ours, and our peak by the peer's; null without a peer. */
  ratio: number | null;
  memory_ratio: number | null;
  predicted_bytes: number | null;
}

/**
 * By how much the gradient's norm of a float32 side may differ from the peer's in bfloat16: over long rows of random tokens it hangs on the
 * precision. At 1 × 2,048 tokens it is 32.3 in float32, and in bfloat16 22.1 on our side and 22.3 on PyTorch's.
 */
const ACROSS_PRECISIONS = 0.5;

/** One row for each side of each point. @throws BenchFailure when sides did not compute the same */
export function growthRows(cells: readonly GrowthCell[]): GrowthRow[] {
  return cells.flatMap(({ point, sides }) => {
    const peer = sides.find(({ measured }) => measured.side !== "alignlab");
    return sides.map((side): GrowthRow => {
      if (peer) agreementOf("bfloat16", `${peer.measured.setting} at ${pointName(point)}`, { ours: side.check, peer: peer.check }, side.measured.setting === "float32" ? ACROSS_PRECISIONS : undefined);
      const figures = tableSide(side.measured);
      const its = peer && peer !== side ? tableSide(peer.measured) : null;
      return {
        ...point, ...figures, timed_steps: side.measured.steps.length, loss: side.check.loss, gradient_norm: side.check.gradientNorm,
        ratio: its && rounded(its.median_seconds! / figures.median_seconds!), memory_ratio: its && rounded(figures.peak_bytes / its.peak_bytes), predicted_bytes: side.predictedBytes ?? null,
      };
    });
  });
}

const COLUMNS = ["batch", "length", "layers", "side", "setting", "median_seconds", "spread", "peak_bytes", "predicted_bytes", "ratio", "memory_ratio", "timed_steps"] as const;

/** The rows as CSV (RFC 4180) with a head; a value that is not there is an empty field. */
export function growthCsv(rows: readonly GrowthRow[]): string {
  const field = (value: string | number | null): string => (value === null ? "" : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  return [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((column) => field(row[column])).join(","))].map((line) => `${line}\n`).join("");
}

const NAMES: Record<string, string> = { alignlab: "Alignlab", torch: "PyTorch" };

/** Prints the table and the JSON line, and writes chart, CSV and JSON into a folder. */
export function reportGrowth({ axes, mostTokens, cells }: GrowthOutcome, out: string, print: (line: string) => void = console.log): void {
  const rows = growthRows(cells);
  const lines = textTable(["work", "side", "setting", "s/step", "± %", "peak GB", "predicted GB", "ratio", "memory"], rows.map((row) => [
    pointName(row), row.side, row.setting, row.median_seconds!.toFixed(3), (row.spread * 100).toFixed(1), (row.peak_bytes / 1e9).toFixed(2),
    row.predicted_bytes === null ? "" : (row.predicted_bytes / 1e9).toFixed(2), row.ratio?.toFixed(2) ?? "", row.memory_ratio?.toFixed(2) ?? "",
  ]), 3);
  for (const line of lines) print(line);
  const skipped = cells.flatMap((cell) => cell.skipped.map((each) => ({ ...cell.point, ...each })));
  for (const { side, setting, predictedBytes, availableBytes, ...point } of skipped) print(`${pointName(point)}: ${side} (${setting}) was left out: about ${(predictedBytes / 1e9).toFixed(1)} GB would be needed, ${(availableBytes / 1e9).toFixed(1)} GB are there.`);
  const runs = cells.flatMap(({ sides }) => sides);
  if (runs.length === 0) throw new BenchFailure(1, "No point fits into the memory of this machine: ask for fewer tokens with --most-tokens.");
  print(machineLine(runs));

  const date = new Date().toISOString().slice(0, 10);
  const values = rows.map((row): GrowthValue => ({ point: row, name: `${NAMES[row.side] ?? row.side}, ${row.setting}`, seconds: row.median_seconds!, bytes: row.peak_bytes }));
  const title = `Forward and backward of SmolLM2-135M, ${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads, ${date}${wasBusy(runs) ? ", on a busy machine" : ""}`;
  const json = {
    bench: "growth", date, busy: wasBusy(runs), threads: availableParallelism(), others: rounded(Math.max(...runs.map(({ others }) => others))), disturbed: runs.reduce((sum, run) => sum + run.disturbed, 0),
    versions: Object.assign({}, ...runs.map(({ versions }) => versions)), points: rows, skipped, table: [],
  };
  mkdirSync(out, { recursive: true });
  writeFileSync(path.join(out, "growth.svg"), renderSvg(growthChart(axes, mostTokens, values, title)));
  writeFileSync(path.join(out, "growth.csv"), growthCsv(rows));
  writeFileSync(path.join(out, "growth.json"), `${JSON.stringify(json, null, 1)}\n`);
  print(`Written: ${["growth.svg", "growth.csv", "growth.json"].map((name) => path.join(out, name)).join(", ")}`);
  print(JSON.stringify(json));
}
