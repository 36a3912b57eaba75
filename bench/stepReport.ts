import { availableParallelism } from "node:os";
import { BenchFailure } from "./failure";
import { figuresOf, quantile, type Measured } from "./figures";
import { machineLine, wasBusy } from "./machineLine";
import type { BenchPrecision } from "./options";
import { MATMUL_FLOPS } from "./stepFlops";
import type { StepCheck } from "./stepJob";
import { shapeName, type Shape, type StepPeer } from "./stepOptions";
import { tableRow, tableSide } from "./table";
import { textTable } from "./textTable";

/** Ours beside one setting of the peer and beside the square products, measured in turn. */
export interface StepRun {
  ours: Measured;
  peer: Measured | null;
  /** Of each engine; their steps are `products` products. */
  matmuls: Measured[];
  checks: { ours: StepCheck; peer: StepCheck | null };
  versions: Record<string, string>;
  others: number;
  disturbed: number;
}

/** One shape at one precision. */
export interface StepCell {
  shape: Shape;
  precision: BenchPrecision;
  /** Of forward and backward, see `trainingFlops`. */
  flops: number;
  /** Products in one step of the square products. */
  products: number;
  runs: StepRun[];
  /** Settings of the peer that this machine cannot run, with the reason. */
  unavailable: { setting: string; reason: string }[];
}

export interface StepOutcome {
  peer: StepPeer;
  cells: StepCell[];
}

/** By how much two sides that compute the same may differ, as a part of the peer's: autocast rounds in other places than ours. */
export const AGREEMENT: Record<BenchPrecision, number> = { float32: 1e-3, bfloat16: 5e-2 };

export interface Agreement {
  loss: number;
  gradientNorm: number;
}

/**
 * How far apart the sides are, relative to the peer.
 * @param normAllowed by how much the gradients' norms may differ, where that is another bound than the loss's
 * @throws BenchFailure when it is more than is allowed, since ratios would then mean nothing
 */
export function agreementOf(precision: BenchPrecision, setting: string, { ours, peer }: StepRun["checks"], normAllowed = AGREEMENT[precision]): Agreement | null {
  if (!peer) return null;
  const apart = (a: number, b: number): number => Math.abs(a - b) / Math.abs(b);
  const result = { loss: apart(ours.loss, peer.loss), gradientNorm: apart(ours.gradientNorm, peer.gradientNorm) };
  if (!(result.loss <= AGREEMENT[precision] && result.gradientNorm <= normAllowed)) {
    throw new BenchFailure(1, `Ours and ${setting} do not compute the same: loss ${ours.loss} and ${peer.loss}, gradient norm ${ours.gradientNorm} and ${peer.gradientNorm}; ${AGREEMENT[precision]} of the peer's loss and ${normAllowed} of its norm are allowed.`);
  }
  return result;
}

interface RunResult {
  run: StepRun;
  name: string;
  seconds: number;
  /** Peer's seconds by ours. */
  ratio: number | null;
  /** Our peak memory by the peer's. */
  memoryRatio: number | null;
  agreement: Agreement | null;
  /** The faster engine's median of the square products, in FLOP/s. */
  matmulFlops: number;
  flopsShare: number;
}

const PEER_NAMES: Record<string, string> = {
  "float32": "PyTorch float32", "bfloat16 autocast": "PyTorch autocast bfloat16, eager", "bfloat16 autocast, compiled": "PyTorch autocast bfloat16 under torch.compile",
};

const medianSeconds = (measured: Measured): number => quantile(measured.steps.map(({ seconds }) => seconds), 0.5);

export function evaluate(cell: StepCell): RunResult[] {
  const work = `forward+backward ${shapeName(cell.shape)}, ${cell.precision}`;
  return cell.runs.map((run): RunResult => {
    const seconds = medianSeconds(run.ours);
    const matmulFlops = Math.max(...run.matmuls.map((each) => (cell.products * MATMUL_FLOPS) / medianSeconds(each)));
    const setting = run.peer?.setting;
    return {
      run, seconds, matmulFlops,
      name: setting === undefined ? work : `${work} / ${PEER_NAMES[setting] ?? setting}`,
      ratio: run.peer && medianSeconds(run.peer) / seconds,
      memoryRatio: run.peer && run.ours.peakBytes / run.peer.peakBytes,
      agreement: agreementOf(cell.precision, setting ?? "", run.checks),
      flopsShare: cell.flops / seconds / matmulFlops,
    };
  });
}

/** Prints the table and the JSON line. */
export function reportStep(outcome: StepOutcome, print: (line: string) => void = console.log): void {
  const results = outcome.cells.map((cell) => ({ cell, runs: evaluate(cell) }));
  for (const line of textTable(HEADINGS, results.flatMap(({ cell, runs }) => runs.flatMap((result) => rowsOf(cell, result))), 3)) print(line);
  for (const { shape, unavailable } of outcome.cells) for (const { setting, reason } of unavailable) print(`${shapeName(shape)} ${setting}: not available here: ${reason}`);
  print(machineLine(runsOf(outcome)));
  print(JSON.stringify(summary(outcome, results)));
}

type CellResult = { cell: StepCell; runs: RunResult[] };

const HEADINGS = ["shape", "side", "setting", "s/step", "± %", "CPU s", "peak GB", "GFLOP/s", "% of matmul", "loss", "grad norm", "ratio", "memory"];

function rowsOf(cell: StepCell, { run, ratio, memoryRatio, matmulFlops }: RunResult): string[][] {
  const row = (measured: Measured, flops: number, check: StepCheck | null, ratios: (number | null)[]): string[] => {
    const { medianSeconds: seconds, spread, cpuSecondsPerStep, peakBytes } = figuresOf(measured, 1, [1]);
    return [
      shapeName(cell.shape), measured.side, measured.setting, seconds.toFixed(3), (spread * 100).toFixed(1), cpuSecondsPerStep.toFixed(2), (peakBytes / 1e9).toFixed(2),
      (flops / seconds / 1e9).toFixed(0), ((100 * flops) / seconds / matmulFlops).toFixed(1), check?.loss.toFixed(5) ?? "", check?.gradientNorm.toFixed(5) ?? "", ...ratios.map((each) => each?.toFixed(2) ?? ""),
    ];
  };
  return [
    row(run.ours, cell.flops, run.checks.ours, [ratio, memoryRatio]),
    ...(run.peer ? [row(run.peer, cell.flops, run.checks.peer, [null, null])] : []),
    ...run.matmuls.map((each) => row(each, cell.products * MATMUL_FLOPS, null, [null, null])),
  ];
}

const runsOf = ({ cells }: StepOutcome): StepRun[] => cells.flatMap(({ runs }) => runs);

const rounded = (value: number): number => Number(value.toPrecision(5));

const plain = (measured: Measured, flops: number): object => {
  const { side, setting, medianSeconds: seconds, spread, cpuSecondsPerStep, peakBytes } = figuresOf(measured, 1, [1]);
  return { side, setting, median_seconds: rounded(seconds), spread: rounded(spread), cpu_seconds: rounded(cpuSecondsPerStep), peak_bytes: peakBytes, flops_per_second: rounded(flops / seconds) };
};

/** The JSON line: ratios by the words of what is compared, then each cell in full. Of a cell's runs the lowest share of the products counts. */
export function summary(outcome: StepOutcome, results: readonly CellResult[]): object {
  const all = results.flatMap(({ runs }) => runs);
  const compared = all.filter(({ ratio }) => ratio !== null);
  const named = (value: (result: RunResult) => number): object => Object.fromEntries(compared.map((result) => [result.name, rounded(value(result))]));
  const share = ({ cell, runs }: CellResult): [string, number] => [`forward+backward ${shapeName(cell.shape)}, ${cell.precision}`, rounded(Math.min(...runs.map(({ flopsShare }) => flopsShare)))];
  return {
    bench: "step", peer: outcome.peer, threads: availableParallelism(), ratios: named(({ ratio }) => ratio!), memory_ratios: named(({ memoryRatio }) => memoryRatio!), flops_shares: Object.fromEntries(results.map(share)),
    unavailable: results.flatMap(({ cell }) => cell.unavailable.map(({ setting, reason }) => ({ shape: shapeName(cell.shape), setting, reason }))),
    busy: wasBusy(runsOf(outcome)), others: rounded(Math.max(...runsOf(outcome).map((run) => run.others))), versions: Object.assign({}, ...runsOf(outcome).map((run) => run.versions)),
    cells: results.map(({ cell, runs }) => ({
      shape: shapeName(cell.shape), precision: cell.precision, flops: cell.flops,
      runs: runs.map(({ run, name, ratio, memoryRatio, agreement, matmulFlops, flopsShare }) => ({
        name, ratio: ratio && rounded(ratio), memory_ratio: memoryRatio && rounded(memoryRatio), flops_share: rounded(flopsShare), matmul_flops_per_second: rounded(matmulFlops),
        timed_steps: run.ours.steps.length, disturbed: run.disturbed, loss: run.checks.ours.loss, gradient_norm: run.checks.ours.gradientNorm,
        difference: agreement && { loss: rounded(agreement.loss), gradient_norm: rounded(agreement.gradientNorm), allowed: AGREEMENT[cell.precision] },
        ours: plain(run.ours, cell.flops), peer: run.peer && plain(run.peer, cell.flops), matmuls: run.matmuls.map((each) => plain(each, cell.products * MATMUL_FLOPS)),
      })),
    })),
    table: results.flatMap(({ cell, runs }) => runs.map(({ run }) => tableRow(`${cell.shape.batch} × ${cell.shape.length} tokens, ${cell.precision}`, tableSide(run.ours), run.peer && tableSide(run.peer)))),
  };
}
