import type { Tokenizer } from "../tokens/tokenizer";

/**
 * Tells when a token completes one of several texts, as transformers' StopStringCriteria: the text may begin in earlier
 * tokens, those of the prompt included, and end within the new one. Texts are compared as bytes, so that a character
 * spread over several tokens is found.
 */
export class StopStrings {
  private readonly stops: Buffer[];
  private readonly longest: number;
  private readonly known = new Map<number, Buffer>();

  constructor(
    readonly texts: readonly string[],
    private readonly tokenizer: Tokenizer,
  ) {
    this.stops = texts.map((text) => Buffer.from(text, "utf8"));
    this.longest = Math.max(...this.stops.map((stop) => stop.length));
  }

  /** Whether a token completes a text. @param next the token that follows `prompt` and `tokens` */
  completes(prompt: readonly number[], tokens: readonly number[], next: number): boolean {
    const last = this.bytes(next);
    if (last.length === 0) return false;
    const before: Buffer[] = [];
    let length = 0;
    for (let at = prompt.length + tokens.length - 1; at >= 0 && length < this.longest - 1; at--) {
      const bytes = this.bytes(at < prompt.length ? prompt[at]! : tokens[at - prompt.length]!);
      before.unshift(bytes);
      length += bytes.length;
    }
    const text = Buffer.concat([...before, last]);
    return this.stops.some((stop) => text.indexOf(stop, Math.max(0, length - stop.length + 1)) >= 0);
  }

  private bytes(token: number): Buffer {
    let bytes = this.known.get(token);
    if (!bytes) this.known.set(token, (bytes = this.tokenizer.bytesOf(token)));
    return bytes;
  }
}
