import { roundUp } from "../engine/buckets";
import type { TokenTree } from "./tree";

/** One row of attention: every token that may be seen there, and those of them that look. */
export interface AttentionRow {
  keys: number[];
  queries: number[];
}

export interface Arrangement {
  rows: AttentionRow[];
  /** Places for queries and for keys in every row. */
  queryWidth: number;
  keyWidth: number;
}

/** What a place costs beside its scores, in scores: what grows with the number of places rather than with their product. */
const PLACE_COST = 50;

/**
 * Distributes a tree's sequences over rows of attention at the least estimated cost. A row holds whole sequences, as keys,
 * so that each query finds all that it sees in its row; a token that stands in several rows is a query in one of them.
 * Sequences of one group (a prompt's answers) may stay together, which pays where they share most of their tokens, or
 * apart, where each has more of its own; short ones share a row.
 * @param groupSize sequences that follow each other and belong together
 * @param multiple the widths are rounded up to it; there is a place for padding among the queries
 * @param fewRows tries few numbers of rows, each half the one before, so that batches are alike
 */
export function arrange(tree: TokenTree, groupSize: number, multiple: number, fewRows = false): Arrangement {
  let best: { arrangement: Arrangement; cost: number } | null = null;
  for (const size of new Set([groupSize, 1])) {
    const items = Array.from({ length: Math.ceil(tree.paths.length / size) }, (_, i) => [...new Set(tree.paths.slice(i * size, (i + 1) * size).flat())]);
    items.sort((a, b) => b.length - a.length);
    for (let count = items.length; count >= 1; count = fewRows ? Math.floor(count / 2) : count - 1) {
      const rows = withQueries(distribute(items, count, tree.ids.length), tree.ids.length).filter((row) => row.queries.length > 0);
      const widest = (of: keyof AttentionRow): number => Math.max(...rows.map((row) => row[of].length));
      const most = widest("queries");
      const full = rows.every((row) => row.queries.length === most);
      const queryWidth = roundUp(most + (full ? 1 : 0), multiple);
      const keyWidth = roundUp(widest("keys"), multiple);
      const cost = rows.length * (queryWidth * keyWidth + PLACE_COST * (queryWidth + keyWidth));
      if (!best || cost < best.cost) best = { arrangement: { rows, queryWidth, keyWidth }, cost };
    }
  }
  for (const { keys, queries } of best!.arrangement.rows) for (const tokens of [keys, queries]) tokens.sort((a, b) => a - b);
  return best!.arrangement;
}

/** Each item goes, in order, to the row that holds least. @returns every row's tokens, each once */
function distribute(items: readonly number[][], count: number, tokens: number): number[][] {
  const loads = new Array<number>(count).fill(0);
  const rows: number[][] = loads.map(() => []);
  for (const item of items) {
    const emptiest = loads.indexOf(Math.min(...loads));
    rows[emptiest]!.push(...item);
    loads[emptiest]! += item.length;
  }
  const metIn = new Int32Array(tokens).fill(-1);
  return rows.map((held, row) => held.filter((token) => {
    const isNew = metIn[token] !== row;
    metIn[token] = row;
    return isNew;
  }));
}

/** What several rows hold looks from the one with the fewest tokens of its own. */
function withQueries(rows: readonly number[][], tokens: number): AttentionRow[] {
  const holders = new Int32Array(tokens);
  for (const keys of rows) for (const token of keys) holders[token]!++;
  const own = rows.map((keys) => keys.filter((token) => holders[token] === 1).length);
  const taken = new Uint8Array(tokens);
  const queries: number[][] = [];
  const order = rows.map((_, i) => i).sort((a, b) => own[a]! - own[b]! || a - b);
  for (const i of order) {
    queries[i] = rows[i]!.filter((token) => taken[token] === 0);
    for (const token of queries[i]!) taken[token] = 1;
  }
  return rows.map((keys, i) => ({ keys, queries: queries[i]! }));
}
