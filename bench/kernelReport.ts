import { median } from "./figures";
import type { Sample } from "./fresh";
import { machineLine, wasBusy } from "./machineLine";
import { spreadOf, tableRow, type TableSide } from "./table";
import { textTable } from "./textTable";

/** What the time to an import's answer goes into: the kernel's start, a first cell, the import. */
export const KERNEL_STAGES = ["kernel ready", "1 + 1", "import"] as const;

export interface KernelOutcome {
  /** Ours first. */
  sides: { name: string; setting: string; samples: Sample[] }[];
  others: number;
  disturbed: number;
}

type KernelSide = KernelOutcome["sides"][number];

const rounded = (value: number): number => Number(value.toPrecision(4));

/** What is waited for: the answer of the first cell, that of the import behind it, and what an editor asks with everything imported. */
const WAITED_FOR = [
  { work: "kernel start to the answer of 1 + 1", secondsOf: ({ parts }: Sample): number => parts["kernel ready"]! + parts["1 + 1"]! },
  { work: "kernel start to the first import", secondsOf: ({ seconds }: Sample): number => seconds },
  { work: "a completion, everything imported", secondsOf: ({ further }: Sample): number => further!.completion! },
  { work: "an inspection, everything imported", secondsOf: ({ further }: Sample): number => further!.inspection! },
];

function sideOf({ name, setting, samples }: KernelSide, secondsOf: (sample: Sample) => number): TableSide {
  const seconds = samples.map(secondsOf);
  return { side: name, setting, median_seconds: rounded(median(seconds)), spread: rounded(spreadOf(seconds)), peak_bytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)) };
}

/** Prints the table and the JSON line. */
export function reportKernel({ sides, others, disturbed }: KernelOutcome, print: (line: string) => void = console.log): void {
  const [ours, peer] = sides;
  const rows = WAITED_FOR.map(({ work, secondsOf }) => tableRow(work, sideOf(ours!, secondsOf), peer ? sideOf(peer, secondsOf) : null));
  const stages = (side: KernelSide): Record<string, number> => Object.fromEntries(KERNEL_STAGES.map((stage) => [stage, rounded(median(side.samples.map(({ parts }) => parts[stage]!)))]));
  const lines = textTable(["time to", "side", "s", "± %", "peak GB", "ratio", "memory"], rows.flatMap((row) => [row.ours, ...(row.peer ? [row.peer] : [])].map((side) => [
    row.work, side.side, side.median_seconds!.toFixed(3), (side.spread * 100).toFixed(1), (side.peak_bytes / 1e9).toFixed(2),
    ...(side === row.ours ? [row.ratio, row.memory_ratio].map((value) => value?.toFixed(2) ?? "") : ["", ""]),
  ])), 2);
  for (const line of lines) print(line);
  for (const side of sides) print(`${side.name}: ${Object.entries(stages(side)).map(([stage, seconds]) => `${stage} ${seconds.toFixed(2)} s`).join(", ")}. Peak memory is that after the import.`);
  print(machineLine([{ others, disturbed }]));
  print(JSON.stringify({
    bench: "kernel", busy: wasBusy([{ others, disturbed }]), others: rounded(others), disturbed, rounds: ours!.samples.length, versions: Object.assign({}, ...sides.map(({ samples }) => samples[0]!.versions)),
    ratio_first_cell: rows[0]!.ratio, ratio_import: rows[1]!.ratio, ratio_completion: rows[2]!.ratio, ratio_inspection: rows[3]!.ratio, memory_ratio: rows[1]!.memory_ratio, sides: sides.map((side) => ({ side: side.name, setting: side.setting, stages: stages(side) })), table: rows,
  }));
}
