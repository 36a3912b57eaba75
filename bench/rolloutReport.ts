import { availableParallelism, cpus } from "node:os";
import type { Alternation } from "./alternate";
import { median, type Measured } from "./figures";
import { tableRow, tableSide } from "./table";
import { textTable } from "./textTable";

export interface RolloutOutcome {
  run: Alternation;
  batch: number;
  newTokens: number;
  promptTokens: number;
  /** Whether others used the machine, and it was measured anyway. */
  busy: boolean;
}

const secondsOf = ({ steps }: Measured): number => median(steps.map(({ seconds }) => seconds));
const fastest = (sides: readonly Measured[]): Measured | null => sides.reduce<Measured | null>((best, side) => (best && secondsOf(best) <= secondsOf(side) ? best : side), null);

/** Prints the table and the JSON line: our best setting beside the peer's best. */
export function reportRollouts({ run, batch, newTokens, promptTokens, busy }: RolloutOutcome, print: (line: string) => void = console.log): void {
  const [ours, peer] = [true, false].map((own) => fastest(run.measured.filter(({ side }) => (side === "alignlab") === own)));
  const row = tableRow(`${batch} answers of ${newTokens} tokens, drawn and scored`, tableSide(ours!), peer ? tableSide(peer) : null);
  const sides = run.measured.map((measured) => ({ ...tableSide(measured), tokens_per_second: Number(((batch * newTokens) / secondsOf(measured)).toPrecision(4)) }));
  const lines = textTable(["side", "setting", "tokens/s", "s/rollout", "± %", "peak GB"], sides.map((each) => [
    each.side, each.setting, each.tokens_per_second.toFixed(1), each.median_seconds!.toFixed(3), (each.spread * 100).toFixed(1), (each.peak_bytes / 1e9).toFixed(2),
  ]), 2);
  for (const line of lines) print(line);
  print(`${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} threads each.${busy ? " The machine was busy: these figures are no more than a hint." : ""}${peer ? ` Ours draws ${row.ratio!.toFixed(2)} times as many tokens per second as the peer's best.` : ""} ± is half the distance between the quartiles.`);
  print(JSON.stringify({
    bench: "rollout", batch, new_tokens: newTokens, prompt_tokens: promptTokens, threads: availableParallelism(), busy, ratio: row.ratio, memory_ratio: row.memory_ratio,
    versions: Object.assign({}, ...run.ready.map(({ versions }) => versions)), sides, table: [row],
  }));
}
