import { fitStrengths, type Contest, type Item, type Strength, type StrengthOptions } from "./strengths";

/** How a comparison of two items came out. */
export interface Comparison<Name extends Item = Item> {
  first: Name;
  second: Name;
  /** 1 where the first won, 0 where the second did, 0.5 for a tie. */
  score: number;
}

/**
 * The model of Bradley and Terry (1952), P(i is preferred to j) = σ(s_i − s_j), fitted to comparisons. A tie counts as half
 * a win of each.
 * @returns items with their scores, the strongest first
 * @throws RangeError for a comparison that is none, naming it by its number (counted from 0), or where the likelihood has no
 * maximum: some items never win, or never lose, against the rest
 */
export function bradleyTerry<Name extends Item>(comparisons: readonly Comparison<Name>[], options: StrengthOptions = {}): Strength<Name>[] {
  comparisons.forEach(({ first, second, score }, i) => {
    if (first === second) throw new RangeError(`Comparison ${i} compares ${first} with itself.`);
    if (!(score >= 0 && score <= 1)) throw new RangeError(`Comparison ${i} has the score ${score}; 1 for a win of the first, 0 for one of the second, 0.5 for a tie is needed.`);
  });
  const items = [...new Set(comparisons.flatMap(({ first, second }) => [first, second]))];
  const place = new Map(items.map((item, i) => [item, i]));
  const contests = new Map<number, Contest>();
  const add = (winner: Name, loser: Name, weight: number): void => {
    const order = [place.get(winner)!, place.get(loser)!] as const;
    const key = order[0] * items.length + order[1];
    if (weight > 0) contests.set(key, { order, weight: (contests.get(key)?.weight ?? 0) + weight });
  };
  for (const { first, second, score } of comparisons) {
    add(first, second, score);
    add(second, first, 1 - score);
  }
  return fitStrengths(items, [...contests.values()], options);
}
