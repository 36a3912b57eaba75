import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { PreferenceRow } from "../../src/data/preference";
import { assertRefused, cardFiles, readRows } from "./dataSets";
import { countMarkers, duplicateProblems, fieldProblems, lengthProblems, markerProblems, words, type LabelledText } from "./pairChecks";

interface Message {
  role: string;
  content: string;
}

interface RatedRow {
  prompt: string;
  chosen: Message[];
  rejected: Message[];
  chosen_rating: number;
  rejected_rating: number;
}

const folder = path.join(__dirname, "../../data/rated");
const rows = readRows<RatedRow>(path.join(folder, "train.jsonl"));
const WORDS: [number, number] = [22, 80];
/** Words as the card counts them: what stands between blanks. */
const countWords = (text: string): number => text.split(/\s+/).length;

/** What does not fit in a row's messages and ratings. */
function ratingProblems(rated: readonly RatedRow[]): string[] {
  return rated.flatMap((row, at) => {
    const problems = (["chosen", "rejected"] as const).flatMap((side) => {
      const [user, assistant, ...more] = row[side];
      const isChat = user?.role === "user" && user.content === row.prompt && assistant?.role === "assistant" && more.length === 0;
      const rating = row[`${side}_rating`];
      return [
        ...(isChat ? [] : [`row ${at}: ${side} is not the prompt with one answer`]),
        ...(Number.isInteger(rating) && rating >= 1 && rating <= 10 ? [] : [`row ${at}: ${side}_rating is ${rating}`]),
      ];
    });
    if (!(row.chosen_rating > row.rejected_rating)) problems.push(`row ${at}: the chosen answer is rated ${row.chosen_rating}, the rejected one ${row.rejected_rating}`);
    return problems;
  });
}

const asPairs = (rated: readonly RatedRow[]): PreferenceRow[] => rated.map(({ prompt, chosen, rejected }) => ({ prompt, chosen: chosen[1]!.content, rejected: rejected[1]!.content }));
const labelled = (pairs: readonly PreferenceRow[]): LabelledText[] => pairs.flatMap((row, at) => (["prompt", "chosen", "rejected"] as const).map((field) => ({ label: `${field} ${at}`, text: row[field] })));
const pairs = asPairs(rows);

describe("data/rated", () => {
  test("has 200 rows of the columns of its card, each answer rated from 1 to 10, the chosen one higher", () => {
    assert.equal(rows.length, 200);
    for (const row of rows) assert.deepEqual(Object.keys(row), ["prompt", "chosen", "rejected", "chosen_rating", "rejected_rating"]);
    assert.deepEqual(ratingProblems(rows), []);
    assert.deepEqual(fieldProblems(pairs, ["prompt", "chosen", "rejected"]), []);
  });

  test("holds no duplicates, answers of 22 to 80 words, and no marker that tells the sides apart in more than 75 %", () => {
    assert.deepEqual(duplicateProblems(labelled(pairs)), []);
    assert.deepEqual(lengthProblems(pairs, countWords, WORDS), []);
    assert.deepEqual(markerProblems(pairs, countWords), []);
    assert.ok(countMarkers(pairs, countWords).length > 1000, "words and word pairs were counted");
  });

  test("uses the whole scale, and its ratings are not one number's game", () => {
    const given = new Set(rows.flatMap(({ chosen_rating, rejected_rating }) => [chosen_rating, rejected_rating]));
    assert.deepEqual([...given].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const gaps = rows.map((row) => row.chosen_rating - row.rejected_rating);
    assert.ok(new Set(gaps).size >= 6);
  });

  test("has a card that names its licence and file and says that it is synthetic", () => {
    assert.deepEqual(cardFiles(folder), ["train.jsonl"]);
    assert.match(readFileSync(path.join(folder, "README.md"), "utf8"), /All rows are synthetic: a language model wrote[^]*No rating is a person's/);
  });
});

test("the checks of data/rated refuse spoilt rows", () => {
  const spoilt = (change: (row: RatedRow) => Partial<RatedRow>): RatedRow[] => rows.slice(0, 60).map((row) => ({ ...row, ...change(row) }));
  assertRefused(ratingProblems(spoilt(({ rejected_rating }) => ({ chosen_rating: rejected_rating }))), /row 0: the chosen answer is rated (\d+), the rejected one \1/);
  assertRefused(ratingProblems(spoilt(() => ({ chosen_rating: 11 }))), /row 3: chosen_rating is 11/);
  assertRefused(ratingProblems(spoilt(({ chosen }) => ({ prompt: `${chosen[0]!.content}?` }))), /row 0: chosen is not the prompt with one answer/);
  const answering = (side: "chosen" | "rejected", text: (own: string) => string) => spoilt((row) => ({ [side]: [row[side][0]!, { role: "assistant", content: text(row[side][1]!.content) }] }));
  assertRefused(markerProblems(asPairs(answering("rejected", (own) => `As I said, ${own}`)), countWords), /^words as i: /);
  assertRefused(markerProblems(asPairs(answering("chosen", (own) => `${own} ${own}`)), countWords), /^more tokens: /);
  assertRefused(lengthProblems(asPairs(answering("chosen", () => "Yes.")), countWords, WORDS), /row 0: chosen has 1 tokens/);
  assert.ok(words(pairs[0]!.chosen).length > 20);
});
