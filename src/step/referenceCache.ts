import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../hub/cache";
import type { TokenizedRow } from "../tokens/preference";

/** A reference model's log-probabilities of a pair's answers, in nats. */
export interface ReferenceLogps {
  chosen: number;
  rejected: number;
}

/**
 * Reference log-probabilities by row, in memory and, for weights that have a fingerprint, on disk. A row's key is the
 * sum of its token ids: it changes with the tokenizer, the data and the lengths that rows are cut to. The file's name
 * carries the weights' fingerprint and the precision.
 */
export class ReferenceCache {
  private readonly known = new Map<string, ReferenceLogps>();
  private readonly file: string | null;
  /** True while the file ends within a line. */
  private isCut = false;

  /** @param fingerprint names the exact weights; null keeps the cache in memory only */
  constructor(fingerprint: string | null, precision: string, folder = join(cacheDir(), "reference-logps")) {
    this.file = fingerprint === null ? null : join(folder, `${sum(`${fingerprint}\0${precision}`).slice(0, 32)}.jsonl`);
    if (this.file && existsSync(this.file)) this.readFile(this.file);
  }

  private readFile(file: string): void {
    const text = readFileSync(file, "utf8");
    this.isCut = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      // A line cut short by an interruption is computed again.
      try {
        const { row, chosen, rejected } = JSON.parse(line) as { row: string } & ReferenceLogps;
        if (typeof row === "string" && Number.isFinite(chosen) && Number.isFinite(rejected)) this.known.set(row, { chosen, rejected });
      } catch {
        continue;
      }
    }
  }

  static key(row: TokenizedRow): string {
    return sum(JSON.stringify([row.prompt_input_ids, row.chosen_input_ids, row.rejected_input_ids]));
  }

  get(key: string): ReferenceLogps | undefined {
    return this.known.get(key);
  }

  put(entries: Iterable<[key: string, logps: ReferenceLogps]>): void {
    let lines = "";
    for (const [row, logps] of entries) {
      this.known.set(row, logps);
      lines += `${JSON.stringify({ row, ...logps })}\n`;
    }
    if (!this.file || lines === "") return;
    mkdirSync(join(this.file, ".."), { recursive: true });
    appendFileSync(this.file, this.isCut ? `\n${lines}` : lines);
    this.isCut = false;
  }
}

const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
