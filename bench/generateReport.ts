import { availableParallelism, cpus } from "node:os";
import type { Alternation } from "./alternate";
import { median, quantile, type Measured } from "./figures";
import { STREAMED_BYTES, STREAMS } from "./generateJob";
import { tableRow, type TableRow, type TableSide } from "./table";
import { textTable } from "./textTable";

export interface GenerationOutcome {
  cells: { batch: number; run: Alternation }[];
  newTokens: number;
  promptTokens: number;
  anyway: boolean;
  /** The part of the machine that others took before the run. */
  othersBefore: number;
}

/** Parameters that one decoding step reads, the tied head once: the packaged model's. */
const PARAMETERS = 134_515_008;
const BYTES: Record<string, number> = { float32: 4, bfloat16: 2, int8: 1 };

export interface SideFigures {
  side: string;
  setting: string;
  tokens_per_second: number;
  median_seconds: number;
  spread: number;
  peak_bytes: number;
  /** Milliseconds of one decoding step; null where the side does not tell. */
  decode_milliseconds: number | null;
  /** Bytes of weights that one step reads ÷ its time ÷ the machine's bandwidth. */
  bandwidth_share: number | null;
}

/** Bytes per second that the sum over the buffer read. */
export function bandwidthOf({ steps }: Measured): number {
  return (STREAMS * STREAMED_BYTES) / Math.min(...steps.map(({ seconds }) => seconds));
}

export function sideFigures({ side, setting, steps, peakBytes }: Measured, tokens: number, bandwidth: number): SideFigures {
  const seconds = steps.map((step) => step.seconds);
  const decode = steps.map(({ decodeSeconds }) => decodeSeconds).filter((value) => value !== undefined);
  const decodeSeconds = decode.length > 0 ? median(decode) : null;
  return {
    side, setting, tokens_per_second: rounded(tokens / median(seconds)), median_seconds: rounded(median(seconds)),
    spread: rounded((quantile(seconds, 0.75) - quantile(seconds, 0.25)) / 2 / median(seconds)), peak_bytes: peakBytes,
    decode_milliseconds: decodeSeconds && rounded(decodeSeconds * 1000),
    bandwidth_share: decodeSeconds && rounded((PARAMETERS * BYTES[setting]!) / decodeSeconds / bandwidth),
  };
}

/** Each of our settings beside transformers with bfloat16 weights. */
function rowsOf(batch: number, sides: readonly SideFigures[], newTokens: number): TableRow[] {
  const plain = ({ side, setting, median_seconds, spread, peak_bytes }: SideFigures): TableSide => ({ side, setting: `${setting} weights`, median_seconds, spread, peak_bytes });
  const peer = sides.find(({ side, setting }) => side === "transformers" && setting === "bfloat16");
  return sides.filter(({ side }) => side === "alignlab").map((ours) => tableRow(`${newTokens} tokens, batch ${batch}`, plain(ours), peer ? plain(peer) : null));
}

const rounded = (value: number): number => Number(value.toPrecision(4));

/** Ratios are to transformers with bfloat16 weights. */
const HEADINGS = ["batch", "side", "setting", "tokens/s", "s/call", "± %", "ms/step", "bandwidth", "peak GB", "ratio", "memory"];

/** Prints the table and the JSON line. */
export function reportGeneration(outcome: GenerationOutcome, print: (line: string) => void = console.log): void {
  const cells = outcome.cells.map(({ batch, run }) => {
    const bandwidth = bandwidthOf(run.measured.find(({ side }) => side === "memory")!);
    const sides = run.measured.filter(({ side }) => side !== "memory").map((measured) => sideFigures(measured, batch * outcome.newTokens, bandwidth));
    const peer = sides.find(({ side, setting }) => side === "transformers" && setting === "bfloat16");
    const ours = sides.filter(({ side }) => side === "alignlab");
    const ratios = Object.fromEntries(peer ? ours.map(({ setting, tokens_per_second: speed }) => [setting, rounded(speed / peer.tokens_per_second)]) : []);
    const memoryRatios = Object.fromEntries(peer ? ours.map(({ setting, peak_bytes: bytes }) => [setting, rounded(bytes / peer.peak_bytes)]) : []);
    return { batch, bandwidth_gb_per_second: rounded(bandwidth / 1e9), sides, ratios, memory_ratios: memoryRatios };
  });
    const written = (value: number | undefined): string => value?.toFixed(2) ?? "";
  const lines = textTable(HEADINGS, cells.flatMap(({ batch, sides, ratios, memory_ratios: memory }) => sides.map((each) => [
    String(batch), each.side, each.setting, each.tokens_per_second.toFixed(1), each.median_seconds.toFixed(3), (each.spread * 100).toFixed(1), each.decode_milliseconds?.toFixed(1) ?? "",
    each.bandwidth_share === null ? "" : `${(each.bandwidth_share * 100).toFixed(0)} %`, (each.peak_bytes / 1e9).toFixed(2), ...(each.side === "alignlab" ? [written(ratios[each.setting]), written(memory[each.setting])] : ["", ""]),
  ])), 3);
  for (const line of lines) print(line);
  const bandwidths = cells.map(({ bandwidth_gb_per_second: speed }) => speed);
  print(`${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each; memory bandwidth ${bandwidths.map((speed) => speed.toFixed(1)).join(", ")} GB/s.${outcome.anyway ? ` The machine may have been busy: other processes took ${(outcome.othersBefore * 100).toFixed(0)} % of it before the run.` : ""} Ratios are to transformers with bfloat16 weights; ± is half the distance between the quartiles.`);
  print(JSON.stringify({
    bench: "generate", new_tokens: outcome.newTokens, prompt_tokens: outcome.promptTokens, threads: availableParallelism(), busy: outcome.anyway && outcome.othersBefore > 0.08,
    versions: Object.assign({}, ...outcome.cells.flatMap(({ run }) => run.ready.map(({ versions }) => versions))), cells,
    table: cells.flatMap((cell) => rowsOf(cell.batch, cell.sides, outcome.newTokens)),
  }));
}
