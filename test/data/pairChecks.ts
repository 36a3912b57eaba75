import type { PreferenceRow } from "../../src/data/preference";

/** A pair may not be told apart by one marker more often than this. */
const MOST_TOLD_APART = 0.75;
/** Two texts that share this part of their words are near duplicates. */
const NEAR_DUPLICATE = 0.5;
const EMOJI = /\p{Extended_Pictographic}/u;
const DISCLAIMER = /\b(ai|language model|artificial|assistant|software|(computer|text-based) (program|system)|machine learning|automated|digital|virtual)\b/i;

export interface LabelledText {
  label: string;
  text: string;
}

export interface MarkerCount {
  marker: string;
  onlyChosen: number;
  onlyRejected: number;
  /** Part of the pairs where the marker stands on one, always the same, side. */
  share: number;
  /** How often the rule "the side with (or without) the marker is the chosen one" is right, a tie being half right. */
  accuracy: number;
}

/** Lower-cased words; an inner apostrophe belongs to its word. */
export function words(text: string): string[] {
  return text.toLowerCase().replaceAll("\u2019", "'").match(/[\p{L}\p{N}]+(?:'\p{L}+)*/gu) ?? [];
}

export function hasEmoji(text: string): boolean {
  return EMOJI.test(text);
}

/** Everything about one text that could give its side away, apart from its length beside the other's. */
function markersOf(text: string): Set<string> {
  const sequence = words(text);
  const markers = new Set<string>([`first word ${sequence[0]}`]);
  sequence.forEach((word, at) => {
    markers.add(`word ${word}`);
    if (at > 0) markers.add(`words ${sequence[at - 1]} ${word}`);
  });
  for (const sign of text.match(/[^\p{L}\p{N}\s]/gu) ?? []) markers.add(`sign ${sign}`);
  const traits: [string, RegExp][] = [
    ["any emoji", EMOJI],
    ["an apostrophe", /['\u2019]/],
    ["a newline", /\n/],
    ["a digit", /\p{N}/u],
    ["a first person", /\b(i|me|my|mine|myself)\b/i],
    ["a disclaimer", DISCLAIMER],
  ];
  for (const [name, pattern] of traits) if (pattern.test(text)) markers.add(name);
  return markers;
}

/** How well each marker tells chosen from rejected, the best first. */
export function countMarkers(rows: readonly PreferenceRow[], countTokens: (text: string) => number): MarkerCount[] {
  const onlyChosen = new Map<string, number>();
  const onlyRejected = new Map<string, number>();
  const add = (counts: Map<string, number>, marker: string): void => void counts.set(marker, (counts.get(marker) ?? 0) + 1);
  for (const row of rows) {
    const chosen = markersOf(row.chosen);
    const rejected = markersOf(row.rejected);
    const compare = (name: string, measure: (text: string) => number): void => {
      const difference = measure(row.chosen) - measure(row.rejected);
      if (difference !== 0) (difference > 0 ? chosen : rejected).add(name);
    };
    compare("more characters", (text) => text.length);
    compare("more words", (text) => words(text).length);
    compare("more tokens", countTokens);
    for (const marker of chosen) if (!rejected.has(marker)) add(onlyChosen, marker);
    for (const marker of rejected) if (!chosen.has(marker)) add(onlyRejected, marker);
  }
  return [...new Set([...onlyChosen.keys(), ...onlyRejected.keys()])]
    .map((marker) => {
      const a = onlyChosen.get(marker) ?? 0;
      const b = onlyRejected.get(marker) ?? 0;
      return { marker, onlyChosen: a, onlyRejected: b, share: Math.max(a, b) / rows.length, accuracy: 0.5 + Math.abs(a - b) / (2 * rows.length) };
    })
    .sort((one, other) => other.accuracy - one.accuracy || other.share - one.share);
}

export function markerProblems(rows: readonly PreferenceRow[], countTokens: (text: string) => number): string[] {
  return countMarkers(rows, countTokens)
    // A share above the bound leaves the other side less than a quarter of the pairs, so the accuracy is then above it too.
    .filter(({ accuracy }) => accuracy > MOST_TOLD_APART)
    .map(({ marker, share, accuracy }) => `${marker}: on one side only in ${(100 * share).toFixed(0)} % of pairs, tells ${(100 * accuracy).toFixed(0)} % apart`);
}

/** Exact and near duplicates among all texts given. */
export function duplicateProblems(texts: readonly LabelledText[]): string[] {
  const sets = texts.map(({ text }) => new Set(words(text)));
  const problems: string[] = [];
  for (let i = 0; i < sets.length; i++) {
    for (let j = 0; j < i; j++) {
      const overlap = jaccard(sets[i], sets[j]);
      if (overlap >= NEAR_DUPLICATE) problems.push(`${texts[j].label} and ${texts[i].label} share ${(100 * overlap).toFixed(0)} % of their words`);
    }
  }
  return problems;
}

function jaccard(one: Set<string>, other: Set<string>): number {
  let both = 0;
  for (const word of one) if (other.has(word)) both++;
  const either = one.size + other.size - both;
  return either === 0 ? 1 : both / either;
}

/** Texts that are empty, have stray white space or control characters, or stand in more fields than they should. */
export function fieldProblems(rows: readonly object[], fields: readonly string[]): string[] {
  return rows.flatMap((row, index) => {
    const problems: string[] = [];
    if (Object.keys(row).join() !== fields.join()) problems.push(`row ${index} has the fields ${Object.keys(row).join()} instead of ${fields.join()}`);
    for (const [field, value] of Object.entries(row)) {
      if (typeof value !== "string" || value.trim() === "") problems.push(`row ${index}: ${field} is empty`);
      else if (value !== value.trim() || value !== value.normalize("NFC") || /[^\S \n]|(?!\n)\p{Cc}|\uFFFD/u.test(value)) problems.push(`row ${index}: ${field} has stray white space or characters`);
    }
    return problems;
  });
}

export function lengthProblems(rows: readonly PreferenceRow[], countTokens: (text: string) => number, [least, most]: [number, number]): string[] {
  return rows.flatMap((row, index) =>
    (["chosen", "rejected"] as const)
      .map((field) => ({ field, count: countTokens(row[field]) }))
      .filter(({ count }) => count < least || count > most)
      .map(({ field, count }) => `row ${index}: ${field} has ${count} tokens`),
  );
}

export function emojiProblems(rows: readonly PreferenceRow[]): string[] {
  const count = rows.filter(({ chosen }) => hasEmoji(chosen)).length;
  return count > rows.length / 3 ? [`${count} of ${rows.length} chosen answers have an emoji`] : [];
}
