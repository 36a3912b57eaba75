/**
 * Sequences as a tree: beginnings that several share stand in it once. Tokens are numbered in depth-first order, so that
 * token a comes before token b in some sequence, or is b itself, exactly when a ≤ b ≤ lasts[a].
 */
export interface TokenTree {
  /** Id of each token. */
  ids: number[];
  /** Its position in the sequences that it belongs to. */
  positions: number[];
  /** The last token of the sequences that go on from it. */
  lasts: number[];
  /** For each sequence, in the order given, its tokens' numbers. */
  paths: number[][];
}

/** How many tokens two sequences have in common from their beginning on. */
export function sharedLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Builds the tree of sequences of token ids, none of them empty. */
export function tokenTree(sequences: readonly (readonly number[])[]): TokenTree {
  const tree: TokenTree = { ids: [], positions: [], lasts: [], paths: [] };
  let previous: { sequence: readonly number[]; path: number[] } = { sequence: [], path: [] };
  // In dictionary order each sequence leaves the one before it where the tree branches.
  const order = sequences.map((_, i) => i).sort((a, b) => compare(sequences[a]!, sequences[b]!) || a - b);
  for (const i of order) {
    const sequence = sequences[i]!;
    const shared = sharedLength(sequence, previous.sequence);
    const path = previous.path.slice(0, shared);
    for (let position = shared; position < sequence.length; position++) {
      path.push(tree.ids.length);
      tree.ids.push(sequence[position]!);
      tree.positions.push(position);
      tree.lasts.push(0);
    }
    for (const token of path) tree.lasts[token] = tree.ids.length - 1;
    tree.paths[i] = path;
    previous = { sequence, path };
  }
  return tree;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
