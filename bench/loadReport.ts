import { BenchFailure } from "./failure";
import { median } from "./figures";
import type { Sample } from "./fresh";
import { STAGES } from "./loadJob";
import { machineLine, wasBusy } from "./machineLine";
import type { BenchPrecision } from "./options";
import { AGREEMENT } from "./stepReport";
import { spreadOf, tableRow, type TableRow, type TableSide } from "./table";
import { textTable } from "./textTable";

export interface LoadCell {
  precision: BenchPrecision;
  start: "cached" | "first";
  /** Ours first. */
  sides: { name: string; setting: string; samples: Sample[] }[];
  others: number;
  disturbed: number;
}

const FURTHER = "second forward";
const rounded = (value: number): number => Number(value.toPrecision(4));

/** Medians of a side's samples. A stage's median is its own: the medians of the stages need not add up to the median of the whole. */
export function sideOf({ name, setting, samples }: LoadCell["sides"][number]): TableSide & { stages: Record<string, number> } {
  const seconds = samples.map((sample) => sample.seconds);
  const stages = [...STAGES.map((stage) => [stage, median(samples.map(({ parts }) => parts[stage]!))] as const), [FURTHER, median(samples.map(({ further }) => further![FURTHER]!))] as const];
  return {
    side: name, setting, median_seconds: rounded(median(seconds)), spread: rounded(spreadOf(seconds)), peak_bytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)),
    stages: Object.fromEntries(stages.map(([stage, value]) => [stage, rounded(value)])),
  };
}

/** @throws BenchFailure when the sides did not compute the same logits, since their times would then mean nothing */
export function requireSameLogits({ precision, sides }: LoadCell): void {
  const [ours, ...peers] = sides.map(({ samples }) => samples[0]!.check!);
  for (const peer of peers) {
    const apart = Math.abs(ours!.logit! - peer.logit!) / Math.abs(peer.logit!);
    if (apart <= AGREEMENT[precision] && (precision === "bfloat16" || ours!.token === peer.token)) continue;
    throw new BenchFailure(1, `The sides do not compute the same in ${precision}: the likeliest next token is ${ours!.token} with logit ${ours!.logit}, the peer's ${peer.token} with ${peer.logit}.`);
  }
}

/** Prints the table and the JSON line. */
export function reportLoad({ cells }: { cells: LoadCell[] }, print: (line: string) => void = console.log): void {
  cells.forEach(requireSameLogits);
  const results = cells.map((cell) => {
    const [ours, peer] = cell.sides.map(sideOf);
    const plain = ({ stages: _, ...side }: TableSide & { stages: object }): TableSide => side;
    const row: TableRow = tableRow(`${cell.start} start to the first logits, ${cell.precision}`, plain(ours!), peer ? plain(peer) : null);
    return { cell, ours: ours!, peer: peer ?? null, row };
  });
  const heads = ["start", "side", "setting", "s", "± %", ...STAGES, FURTHER, "peak GB", "ratio", "memory"];
  const lines = textTable(heads, results.flatMap(({ cell, ours, peer, row }) => [ours, ...(peer ? [peer] : [])].map((side) => [
    cell.start, side.side, side.setting, side.median_seconds!.toFixed(2), (side.spread * 100).toFixed(1), ...[...STAGES, FURTHER].map((stage) => side.stages[stage]!.toFixed(2)), (side.peak_bytes / 1e9).toFixed(2),
    side === ours ? (row.ratio?.toFixed(2) ?? "") : "", side === ours ? (row.memory_ratio?.toFixed(2) ?? "") : "",
  ])), 3);
  for (const line of lines) print(line);
  print(machineLine(cells));
  print(JSON.stringify({
    bench: "load", busy: wasBusy(cells), others: rounded(Math.max(...cells.map(({ others }) => others))), versions: Object.assign({}, ...cells.flatMap(({ sides }) => sides.map(({ samples }) => samples[0]!.versions))),
    cells: results.map(({ cell, ours, peer, row }) => ({
      precision: cell.precision, start: cell.start, ratio: row.ratio, memory_ratio: row.memory_ratio, rounds: cell.sides[0]!.samples.length, disturbed: cell.disturbed, ours, peer,
    })),
    table: results.map(({ row }) => row),
  }));
}
