import { availableParallelism, cpus, loadavg } from "node:os";
import type { Alternation } from "./alternate";
import { bestPair, compare, figuresOf, type Comparison, type Figures, type Pair } from "./figures";
import type { BenchPrecision, PeerName } from "./options";
import { tableRow, tableSide } from "./table";

/** One cell of the table: what was measured at one batch size and precision. */
export interface Cell {
  batch: number;
  precision: BenchPrecision;
  /** Steps that count, of each side. */
  timed: number;
  /** Tokens of each batch; they are stepped through in turn. */
  tokens: number[];
  /** Ours beside each of the peer's settings; ours comes first in each. */
  runs: Alternation[];
}

export interface Outcome {
  /** Its command's name. */
  bench: string;
  peer: PeerName;
  rows: number;
  /** What a batch is made of. Default: pairs. */
  unit?: "pairs" | "rows";
  cells: Cell[];
}

interface CellResult {
  cell: Cell;
  pairs: Pair[];
  comparison: Comparison | null;
}

/** Prints the table and the JSON line. */
export function report(outcome: Outcome, print: (line: string) => void = console.log): void {
  const results = outcome.cells.map((cell): CellResult => {
    const pairs = cell.runs.map(({ measured }): Pair => {
      const [ours, peer] = measured.map((each) => figuresOf(each, cell.batch, cell.tokens));
      return { ours: ours!, peer: peer ?? null };
    });
    return { cell, pairs, comparison: compare(pairs) };
  });
  for (const line of tableLines(results, unitOf(outcome))) print(line);
  print(machineLine(outcome));
  print(JSON.stringify(summary(outcome, results)));
}

const unitOf = ({ unit = "pairs" }: Outcome): string => unit;

const headings = (unit: string): string[] => ["batch", "side", "setting", `${unit}/s`, "tokens/s", "s/step", "± %", "CPU s", "peak GB", "loss", "ratio", "memory"];

function tableLines(results: readonly CellResult[], unit: string): string[] {
  const line = (batch: number, figures: Figures, comparison: Comparison | null): string[] => [
    String(batch), figures.side, figures.setting, figures.pairsPerSecond.toFixed(2), figures.tokensPerSecond.toFixed(0), figures.medianSeconds.toFixed(3),
    (figures.spread * 100).toFixed(1), figures.cpuSecondsPerStep.toFixed(2), (figures.peakBytes / 1e9).toFixed(2), figures.loss.toFixed(4),
    comparison?.ratio.toFixed(2) ?? "", comparison?.memoryRatio.toFixed(2) ?? "",
  ];
  const rows = results.flatMap(({ cell, pairs }) => pairs.flatMap((pair) =>
    [line(cell.batch, pair.ours, compare([pair])), ...(pair.peer ? [line(cell.batch, pair.peer, null)] : [])]));
  const names = headings(unit);
  const widths = names.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const isText = (column: number): boolean => column === 1 || column === 2;
  const format = (row: string[]): string => row.map((text, i) => (isText(i) ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("  ").trimEnd();
  return [format(names), ...rows.map(format)];
}

const othersOf = (cells: readonly Cell[]): number => Math.max(...cells.flatMap(({ runs }) => runs.map((run) => run.others)));

const disturbedOf = (cells: readonly Cell[]): number => cells.flatMap(({ runs }) => runs).reduce((sum, { disturbed }) => sum + disturbed, 0);

function machineLine({ cells }: Outcome): string {
  const others = othersOf(cells);
  const disturbed = disturbedOf(cells);
  return `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each; load average ${loadavg()[0]!.toFixed(1)}, other processes took at most ${(others * 100).toFixed(1)} % of the machine: not busy` +
    (disturbed > 0 ? ` (${disturbed} disturbed rounds were measured again).` : ".") + " ± is half the distance between the quartiles.";
}

const rounded = (value: number): number => Number(value.toPrecision(5));

const plain = (figures: Figures, unit: string): object => ({
  side: figures.side, setting: figures.setting, [`${unit}_per_second`]: rounded(figures.pairsPerSecond), tokens_per_second: rounded(figures.tokensPerSecond),
  median_seconds: rounded(figures.medianSeconds), spread: rounded(figures.spread), cpu_seconds: rounded(figures.cpuSecondsPerStep), peak_bytes: figures.peakBytes, loss: rounded(figures.loss),
});

/** The JSON line. Its own `ratio` and `memory_ratio` are those of the last cell; each cell has its own too. */
export function summary(outcome: Outcome, results: readonly CellResult[]): object {
  const ratios = (comparison: Comparison | null): object => ({
    ratio: comparison && rounded(comparison.ratio), memory_ratio: comparison && rounded(comparison.memoryRatio), peer_setting: comparison?.best.setting ?? null,
  });
  const last = results.at(-1)!;
  return {
    bench: outcome.bench, peer: outcome.peer, rows: outcome.rows, threads: availableParallelism(), batch: last.cell.batch, precision: last.cell.precision, ...ratios(last.comparison),
    busy: false, others: rounded(othersOf(outcome.cells)), versions: Object.assign({}, ...last.cell.runs.flatMap(({ ready }) => ready.map(({ versions }) => versions))),
    table: outcome.cells.flatMap(({ batch, precision, runs }) => runs.map(({ measured: [ours, peer] }) => tableRow(`batch ${batch}, ${precision}`, tableSide(ours!), peer ? tableSide(peer) : null))),
    cells: results.map(({ cell, pairs, comparison }) => ({
      batch: cell.batch, precision: cell.precision, ...ratios(comparison), timed_steps: cell.timed, batches: cell.tokens.length, disturbed: disturbedOf([cell]), ours: plain(bestPair(pairs).ours, unitOf(outcome)), peers: pairs.flatMap(({ peer }) => (peer ? [plain(peer, unitOf(outcome))] : [])),
    })),
  };
}
