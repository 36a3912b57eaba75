/**
 * Kendall's τ_b (Kendall 1945): how far two rankings of the same items agree, 1 where they order every pair alike, −1 where
 * the other way round.
 *
 *   τ_b = (C − D) / √((n₀ − n₁)·(n₀ − n₂))
 *
 * C and D count the pairs that both order alike and differently, n₀ all pairs, n₁ and n₂ those that the first and the
 * second ranking leaves tied. NaN where a ranking ties all items: it says nothing of their order.
 * @param first @param second a rank or a score of each item; as ranks in one and scores in the other they count as reversed
 * @throws RangeError for lists of different lengths, fewer than two items, or a value that is no number
 */
export function kendallTau(first: ArrayLike<number>, second: ArrayLike<number>): number {
  if (first.length !== second.length) throw new RangeError(`The first ranking has ${first.length} items, the second ${second.length}; both must rank the same.`);
  if (first.length < 2) throw new RangeError(`Kendall's tau needs at least two items; there ${first.length === 1 ? "is one" : "are none"}.`);
  for (const [name, values] of [["first", first], ["second", second]] as const) {
    const bad = Array.from(values).findIndex((value) => typeof value !== "number" || Number.isNaN(value));
    if (bad >= 0) throw new RangeError(`Item ${bad} of the ${name} ranking is ${values[bad]}; a number is needed.`);
  }
  let [agreement, orderedByFirst, orderedBySecond] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [order(first[i]!, first[j]!), order(second[i]!, second[j]!)];
      agreement += a * b;
      orderedByFirst += a * a;
      orderedBySecond += b * b;
    }
  }
  return agreement / Math.sqrt(orderedByFirst * orderedBySecond);
}

/** The sign of a − b, which is 0 for two infinities too. */
const order = (a: number, b: number): number => (a > b ? 1 : a < b ? -1 : 0);
