/** Items by their numbers, the best first, and how often they came out so. */
export interface Contest {
  order: readonly number[];
  weight: number;
}

/** What an item is called. */
export type Item = string | number;

/** An item's strength on the scale of log-odds: the one of two that is stronger by d is preferred with probability σ(d). */
export interface Strength<Name extends Item = Item> {
  item: Name;
  /** The mean over all items is 0. */
  score: number;
}

export interface StrengthOptions {
  /**
   * Pulls all strengths together: the mode of γ_i under a Gamma prior of shape 1 + prior and rate prior (Caron and Doucet
   * 2012). Above 0 the strengths are finite whatever was won. Default 0: greatest likelihood.
   */
  prior?: number;
}

/** The greatest change of a log-strength in the last round. */
const TOLERANCE = 1e-11;
const MOST_ROUNDS = 100_000;

/**
 * The Plackett–Luce strengths of greatest likelihood by the MM algorithm (Hunter 2004, equation 30; for contests of two
 * items, the Bradley–Terry model, equation 3): each round divides what an item won by how hard that was.
 * @returns items with their scores, the strongest first
 * @throws RangeError where the likelihood has no maximum, see `requireConnected`
 */
export function fitStrengths<Name extends Item>(items: readonly Name[], contests: readonly Contest[], { prior = 0 }: StrengthOptions): Strength<Name>[] {
  if (!(prior >= 0 && Number.isFinite(prior))) throw new RangeError(`prior is ${prior}; a number, 0 or above, is needed.`);
  if (items.length < 2) throw new RangeError(`Strengths need at least two items; there ${items.length === 1 ? "is one" : "are none"}.`);
  if (prior === 0) requireConnected(items, contests);
  const wins = new Float64Array(items.length).fill(prior);
  for (const { order, weight } of contests) for (const item of order.slice(0, -1)) wins[item]! += weight;
  let strengths: Float64Array = new Float64Array(items.length).fill(1);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = improved(strengths, wins, contests, prior);
    const change = next.reduce((most, value, i) => Math.max(most, Math.abs(Math.log(value / strengths[i]!))), 0);
    strengths = next;
    if (change < TOLERANCE) return sorted(items, strengths);
  }
  throw new RangeError(`The strengths had not settled after ${MOST_ROUNDS.toLocaleString("en")} rounds: some items hardly ever win, or lose, against the rest. Give a prior, such as prior: 0.1.`);
}

/** One round; the strengths are scaled to a mean of 1, where the prior would bring them slowly. */
function improved(strengths: Float64Array, wins: Float64Array, contests: readonly Contest[], prior: number): Float64Array {
  const hardness = new Float64Array(strengths.length).fill(prior);
  for (const { order, weight } of contests) {
    const rest = new Float64Array(order.length);
    for (let place = order.length - 1; place >= 0; place--) rest[place] = strengths[order[place]!]! + (rest[place + 1] ?? 0);
    let sum = 0;
    order.forEach((item, place) => {
      // At the last place nothing is left to choose.
      if (place < order.length - 1) sum += weight / rest[place]!;
      hardness[item]! += sum;
    });
  }
  const next = wins.map((won, item) => won / hardness[item]!);
  const total = next.reduce((a, b) => a + b);
  return next.map((value) => (value * next.length) / total);
}

function sorted<Name extends Item>(items: readonly Name[], strengths: Float64Array): Strength<Name>[] {
  const logs = strengths.map(Math.log);
  const mean = logs.reduce((a, b) => a + b) / logs.length;
  return items.map((item, i) => ({ item, score: logs[i]! - mean })).sort((a, b) => b.score - a.score);
}

/**
 * The likelihood has a maximum exactly where, however the items are divided in two groups, some item of each ranks above
 * one of the other (Ford 1957; Hunter 2004, assumption 1).
 * @throws RangeError naming a group that never does
 */
function requireConnected(items: readonly Item[], contests: readonly Contest[]): void {
  const [above, below] = [items.map(() => new Set<number>()), items.map(() => new Set<number>())];
  for (const { order } of contests) {
    for (let place = 1; place < order.length; place++) {
      above[order[place]!]!.add(order[place - 1]!);
      below[order[place - 1]!]!.add(order[place]!);
    }
  }
  const name = (group: readonly number[]): string => group.slice(0, 5).map((item) => items[item]).join(", ") + (group.length > 5 ? ` and ${group.length - 5} more` : "");
  const refuse = (losers: readonly number[], winners: readonly number[]): never => {
    throw new RangeError(`Of ${name(losers)} none ever ranks above one of ${name(winners)}, so how much weaker they are is not known, and the likelihood has no maximum. Add comparisons, leave items out, or give a prior, such as prior: 0.1.`);
  };
  const beaten = reachable(below);
  if (beaten.size < items.length) refuse([...beaten], items.map((_, i) => i).filter((i) => !beaten.has(i)));
  const beating = reachable(above);
  if (beating.size < items.length) refuse(items.map((_, i) => i).filter((i) => !beating.has(i)), [...beating]);
}

/** The first item and all that it leads to. */
function reachable(edges: readonly ReadonlySet<number>[]): Set<number> {
  const met = new Set([0]);
  // A set is walked in the order of insertion, to its end.
  for (const item of met) for (const next of edges[item]!) met.add(next);
  return met;
}
