import { fitStrengths, type Item, type Strength, type StrengthOptions } from "./strengths";

/**
 * The model of Plackett (1975) and Luce (1959), fitted to rankings by Hunter's MM algorithm (2004): the best item is chosen
 * with a probability that is softmax of the scores, then the best of the rest, and so on. Rankings may leave items out.
 * @param rankings each with the best item first
 * @returns items with their scores, the strongest first
 * @throws RangeError for a ranking of fewer than two items or with an item twice, naming it by its number (counted from 0),
 * or where the likelihood has no maximum: some items never rank above, or never below, the rest
 */
export function plackettLuce<Name extends Item>(rankings: readonly (readonly Name[])[], options: StrengthOptions = {}): Strength<Name>[] {
  rankings.forEach((ranking, i) => {
    if (ranking.length < 2) throw new RangeError(`Ranking ${i} has ${ranking.length} item${ranking.length === 1 ? "" : "s"}; at least two are needed.`);
    const repeated = ranking.find((item, place) => ranking.indexOf(item) < place);
    if (repeated !== undefined) throw new RangeError(`Ranking ${i} has ${repeated} twice.`);
  });
  const items = [...new Set(rankings.flatMap((ranking) => ranking))];
  const place = new Map(items.map((item, i) => [item, i]));
  return fitStrengths(items, rankings.map((ranking) => ({ order: ranking.map((item) => place.get(item)!), weight: 1 })), options);
}
