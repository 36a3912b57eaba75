import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../hub/cache";
import type { TokenizedRow } from "../tokens/preference";

/** Counts up with every change of the model's code that changes its rounding. */
const REVISION = 4;

/** A reference model's log-probabilities of a batch's answers, in nats. */
export interface ReferenceLogps {
  chosen: number[];
  rejected: number[];
}

/**
 * Reference log-probabilities by batch, in memory and, for weights that have a fingerprint, on disk. A batch's key is
 * the sum of its rows' token ids: it changes with the tokenizer, the data, the lengths that rows are cut to and the
 * rows beside each other. The last matters because rounding depends on the shapes that are computed with: a run must
 * give the same numbers whether or not an earlier one filled the cache. The file's name carries the weights'
 * fingerprint and the setting that it was computed with.
 */
export class ReferenceCache {
  private readonly known = new Map<string, ReferenceLogps>();
  private readonly file: string | null;
  /** True while the file ends within a line. */
  private isCut = false;

  /** @param fingerprint names the exact weights; null keeps the cache in memory only @param setting whatever else decides the rounding: precision, shapes */
  constructor(fingerprint: string | null, setting: string, folder = join(cacheDir(), "reference-logps")) {
    this.file = fingerprint === null ? null : join(folder, `${sum(`${fingerprint}\0${setting}\0${REVISION}`).slice(0, 32)}.jsonl`);
    if (this.file && existsSync(this.file)) this.readFile(this.file);
  }

  private readFile(file: string): void {
    const text = readFileSync(file, "utf8");
    this.isCut = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      // A line cut short by an interruption is computed again.
      try {
        const { batch, chosen, rejected } = JSON.parse(line) as { batch: string } & ReferenceLogps;
        if (typeof batch === "string" && areFinite(chosen) && areFinite(rejected)) this.known.set(batch, { chosen, rejected });
      } catch {
        continue;
      }
    }
  }

  private static key(rows: readonly TokenizedRow[]): string {
    return sum(JSON.stringify(rows.map((row) => [row.prompt_input_ids, row.chosen_input_ids, row.rejected_input_ids])));
  }

  get(rows: readonly TokenizedRow[]): ReferenceLogps | undefined {
    const found = this.known.get(ReferenceCache.key(rows));
    return found?.chosen.length === rows.length && found.rejected.length === rows.length ? found : undefined;
  }

  put(rows: readonly TokenizedRow[], logps: ReferenceLogps): void {
    const batch = ReferenceCache.key(rows);
    this.known.set(batch, logps);
    if (!this.file) return;
    const line = `${JSON.stringify({ batch, ...logps })}\n`;
    mkdirSync(join(this.file, ".."), { recursive: true });
    appendFileSync(this.file, this.isCut ? `\n${line}` : line);
    this.isCut = false;
  }
}

const areFinite = (values: unknown): boolean => Array.isArray(values) && values.every((value) => Number.isFinite(value));
const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
