import { availableParallelism, cpus } from "node:os";
import type { Alternation } from "./alternate";
import { median, quantile, type Measured } from "./figures";
import { STREAMED_BYTES, STREAMS } from "./generateJob";

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

const rounded = (value: number): number => Number(value.toPrecision(4));

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
  print("batch  side          setting    tokens/s  s/call   ± %  ms/step  bandwidth  peak GB  by transformers bfloat16");
  for (const { batch, sides, ratios } of cells) {
    for (const each of sides) {
      const share = each.bandwidth_share === null ? "" : `${(each.bandwidth_share * 100).toFixed(0)} %`;
      const ratio = each.side === "alignlab" ? (ratios[each.setting]?.toFixed(2) ?? "") : "";
      print([
        String(batch).padStart(5), each.side.padEnd(12), each.setting.padEnd(9), each.tokens_per_second.toFixed(1).padStart(9), each.median_seconds.toFixed(3).padStart(6), (each.spread * 100).toFixed(1).padStart(5),
        (each.decode_milliseconds?.toFixed(1) ?? "").padStart(7), share.padStart(9), (each.peak_bytes / 1e9).toFixed(2).padStart(7), ratio.padStart(6),
      ].join("  ").trimEnd());
    }
  }
  const bandwidths = cells.map(({ bandwidth_gb_per_second: speed }) => speed);
  print(`${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each; memory bandwidth ${bandwidths.map((speed) => speed.toFixed(1)).join(", ")} GB/s.${outcome.anyway ? ` The machine may have been busy: other processes took ${(outcome.othersBefore * 100).toFixed(0)} % of it before the run.` : ""}`);
  print(JSON.stringify({
    bench: "generate", new_tokens: outcome.newTokens, prompt_tokens: outcome.promptTokens, threads: availableParallelism(), busy: outcome.anyway && outcome.othersBefore > 0.08,
    versions: Object.assign({}, ...outcome.cells.flatMap(({ run }) => run.ready.map(({ versions }) => versions))), cells,
  }));
}
