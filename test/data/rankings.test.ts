import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { PreferenceRow } from "../../src/data/preference";
import { assertRefused, cardFiles, readRows } from "./dataSets";
import { countMarkers, duplicateProblems, markerProblems, type LabelledText } from "./pairChecks";

interface RankedRow {
  prompt: string;
  answers: string[];
  ranks: number[];
  second_ranks: number[];
}

const folder = path.join(__dirname, "../../data/rankings");
const rows = readRows<RankedRow>(path.join(folder, "train.jsonl"));
const countWords = (text: string): number => text.split(/\s+/).length;
const places = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].filter((j) => j > i).map((j) => [i, j] as const));

/** Ranks under the guideline: one more than the number of answers that are better. */
const areRanks = (ranks: readonly number[]): boolean => ranks.length === 4 && ranks.every((rank) => rank === 1 + ranks.filter((other) => other < rank).length);

function rankProblems(ranked: readonly RankedRow[]): string[] {
  return ranked.flatMap((row, at) => [
    ...(row.answers.length === 4 ? [] : [`row ${at} has ${row.answers.length} answers`]),
    ...(["ranks", "second_ranks"] as const).filter((pass) => !areRanks(row[pass])).map((pass) => `row ${at}: ${pass} are ${row[pass]}`),
    ...row.answers.filter((text) => text !== text.trim() || /[\t\r]| {2}/.test(text)).map(() => `row ${at} has untidy blanks`),
    ...row.answers.filter((text) => countWords(text) < 22 || countWords(text) > 80).map((text) => `row ${at} has an answer of ${countWords(text)} words`),
  ]);
}

/** The pairs that the first pass tells apart, the better answer as chosen. */
function asPairs(ranked: readonly RankedRow[]): PreferenceRow[] {
  return ranked.flatMap(({ prompt, answers, ranks }) => places.filter(([i, j]) => ranks[i] !== ranks[j]).map(([i, j]) => {
    const [better, worse] = ranks[i]! < ranks[j]! ? [i, j] : [j, i];
    return { prompt, chosen: answers[better]!, rejected: answers[worse]! };
  }));
}

const labelled = (ranked: readonly RankedRow[]): LabelledText[] => ranked.flatMap(({ prompt, answers }, at) => [{ label: `prompt ${at}`, text: prompt }, ...answers.map((text, i) => ({ label: `answer ${at}.${i}`, text }))]);

describe("data/rankings", () => {
  test("has 60 questions with four answers and two rankings under the guideline", () => {
    assert.equal(rows.length, 60);
    for (const row of rows) assert.deepEqual(Object.keys(row), ["prompt", "answers", "ranks", "second_ranks"]);
    assert.deepEqual(rankProblems(rows), []);
  });

  test("holds no duplicates, and no marker that tells the better answer in more than 75 % of pairs", () => {
    assert.deepEqual(duplicateProblems(labelled(rows)), []);
    assert.deepEqual(markerProblems(asPairs(rows), countWords), []);
    assert.ok(countMarkers(asPairs(rows), countWords).length > 1000, "words and word pairs were counted");
  });

  test("has the ties and disagreements that its card counts, and says what it is", () => {
    const ties = (pass: "ranks" | "second_ranks"): number => rows.filter((row) => new Set(row[pass]).size < 4).length;
    const signs = rows.flatMap((row) => places.map(([i, j]) => Math.sign(row.ranks[i]! - row.ranks[j]!) * Math.sign(row.second_ranks[i]! - row.second_ranks[j]!)));
    const count = (sign: number): number => signs.filter((own) => own === sign).length;
    const card = readFileSync(path.join(folder, "README.md"), "utf8").replaceAll("\n", " ");
    assert.ok(card.includes(`${ties("ranks")} rows of the first pass have a tie, ${ties("second_ranks")} of the second.`));
    assert.ok(card.includes(`Of the ${signs.length} pairs of answers both passes put ${count(1)} in the same order and ${count(-1)} in opposite orders; in ${signs.filter((sign) => sign === 0).length} at least one pass`), String([signs.length, count(1), count(-1)]));
    assert.deepEqual(cardFiles(folder), ["train.jsonl"]);
    assert.match(card, /All rows are synthetic[^]*No rank is a person's/);
  });
});

test("the checks of data/rankings refuse spoilt rows", () => {
  const spoilt = (change: (row: RankedRow) => Partial<RankedRow>): RankedRow[] => rows.slice(0, 40).map((row) => ({ ...row, ...change(row) }));
  assertRefused(rankProblems(spoilt(() => ({ ranks: [1, 2, 2, 3] }))), /row 0: ranks are 1,2,2,3/);
  assertRefused(rankProblems(spoilt(() => ({ second_ranks: [2, 3, 4, 5] }))), /row 0: second_ranks are 2,3,4,5/);
  assertRefused(rankProblems(spoilt(({ answers }) => ({ answers: answers.slice(1) }))), /row 0 has 3 answers/);
  assertRefused(rankProblems(spoilt(() => ({ answers: ["No.", "No.", "No.", "No."] }))), /row 0 has an answer of 1 words/);
  const best = (ranks: readonly number[]): number => ranks.indexOf(1);
  assertRefused(duplicateProblems(labelled(spoilt(({ answers, ranks }) => ({ answers: answers.map(() => answers[best(ranks)]!) })))), /answer 0.0 and answer 0.1/);
  assertRefused(markerProblems(asPairs(spoilt(({ answers, ranks }) => ({ answers: answers.map((text, i) => (i === best(ranks) ? `Zounds: ${text}` : text)), ranks: ranks.map((_, i) => (i === best(ranks) ? 1 : 2)) }))), countWords), /^first word zounds: /);
});
