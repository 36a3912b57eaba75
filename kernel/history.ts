import type { Content } from "./wire";

/** One run of a cell, and the text of its value. */
export interface Entry {
  count: number;
  input: string;
  output: string | null;
}

/** Everything is of the one session that the kernel remembers: its own. */
const session = 1;

/** The cells that were run since the kernel started, for Jupyter's history requests. */
export class History {
  private readonly entries: Entry[] = [];

  /** Remembers a cell; its value is set once it has one. */
  add(count: number, input: string): Entry {
    const entry = { count, input, output: null };
    this.entries.push(entry);
    return entry;
  }

  /** The entries that a history request asks for, oldest first. */
  answer(request: Content): Content {
    const found = this.find(request);
    const history = found.map(({ count, input, output }) => [session, count, request.output === true ? [input, output] : input]);
    return { status: "ok", history };
  }

  private find({ hist_access_type: type, session: asked, start, stop, n, pattern, unique }: Content): Entry[] {
    if (type === "range") {
      // Zero is the session that runs, negative numbers are those before it.
      if (asked !== session && asked !== 0) return [];
      return this.entries.filter(({ count }) => count >= Number(start ?? 1) && count < Number(stop ?? Infinity));
    }
    const matches = type === "search" ? this.search(String(pattern ?? "*"), unique === true) : this.entries;
    const last = Number(n ?? matches.length);
    return last > 0 ? matches.slice(-last) : [];
  }

  /** `*` stands for any text and `?` for one character; with `unique` each input appears where it was last run. */
  private search(pattern: string, unique: boolean): Entry[] {
    const expression = pattern.replace(/[\\^$.|+()[\]{}]/g, "\\$&").replaceAll("*", "[^]*").replaceAll("?", "[^]");
    const matches = this.entries.filter(({ input }) => new RegExp(`^${expression}$`, "u").test(input));
    return unique ? matches.filter(({ input }, at) => matches.findLastIndex((other) => other.input === input) === at) : matches;
  }
}
