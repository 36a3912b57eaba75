import type { Tokenizer } from "../tokens/tokenizer";

/**
 * Text of tokens as they come. What is given out joins to what `decode` gives of all of them: a piece is held back while
 * its bytes are no whole character, as an emoji spread over several tokens.
 */
export class TextStream {
  private readonly ids: number[] = [];
  /** Where the text that is decoded anew begins; it reaches back, as a token's text may depend on the one before. */
  private from = 0;
  private given = "";

  constructor(private readonly tokenizer: Tokenizer) {}

  /** Adds a token. @returns the text that it completes, "" where there is none yet */
  push(token: number): string {
    this.ids.push(token);
    const text = this.decoded();
    return text.endsWith("\uFFFD") ? "" : this.give(text);
  }

  /** What was held back at the end. */
  end(): string {
    return this.give(this.decoded());
  }

  private decoded(): string {
    return this.tokenizer.decode(this.ids.slice(this.from), { skipSpecialTokens: true });
  }

  private give(text: string): string {
    const piece = text.slice(this.given.length);
    this.given = text;
    // A line's end starts afresh, so that long texts are not decoded from their beginning each time.
    if (text.endsWith("\n")) {
      this.from = this.ids.length;
      this.given = "";
    }
    return piece;
  }
}
