import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { validatePreferenceRows, type PreferenceRow } from "../../src/data/preference";
import { openModel } from "../../src/hub/source";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { assertRefused, cardFiles, readRows } from "./dataSets";
import { countMarkers, duplicateProblems, emojiProblems, fieldProblems, lengthProblems, markerProblems, words, type LabelledText } from "./pairChecks";

const folder = path.join(__dirname, "../../data/human-like");
const TOKENS: [number, number] = [30, 200];

const train = readRows<PreferenceRow>(path.join(folder, "train.jsonl"));
const unseen = readRows<{ text: string }>(path.join(folder, "unseen.jsonl"));

function labelled(rows: readonly PreferenceRow[], others: readonly { text: string }[]): LabelledText[] {
  const fromRow = (row: PreferenceRow, index: number): LabelledText[] => (["prompt", "chosen", "rejected"] as const).map((field) => ({ label: `train ${index} ${field}`, text: row[field] }));
  return [...rows.flatMap(fromRow), ...others.map(({ text }, index) => ({ label: `unseen ${index}`, text }))];
}

/** `count` rows of the data set with some of their fields replaced. */
function doctored(count: number, change: (row: PreferenceRow, index: number) => Partial<PreferenceRow>): PreferenceRow[] {
  return train.slice(0, count).map((row, index) => ({ ...row, ...change(row, index) }));
}

const countWords = (text: string): number => words(text).length;

describe("data/human-like", () => {
  let countTokens: (text: string) => number;

  before(async () => {
    const tokenizer = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
    countTokens = (text) => tokenizer.encode(text).length;
  });

  test("has 300 pairs and 60 unseen texts with the fields of its card", () => {
    assert.equal(train.length, 300);
    assert.equal(unseen.length, 60);
    assert.deepEqual(fieldProblems(train, ["prompt", "chosen", "rejected"]), []);
    assert.deepEqual(fieldProblems(unseen, ["text"]), []);
    assert.deepEqual(validatePreferenceRows(train), train);
  });

  test("holds no exact or near duplicates, within a file or across", () => {
    assert.deepEqual(duplicateProblems(labelled(train, unseen)), []);
  });

  test("has answers of 30 to 200 tokens of the packaged model", () => {
    assert.deepEqual(lengthProblems(train, countTokens, TOKENS), []);
  });

  test("has no single marker that tells chosen from rejected in more than 75 % of pairs", () => {
    assert.deepEqual(markerProblems(train, countTokens), []);
    assert.ok(countMarkers(train, countTokens).length > 1000, "words and word pairs were counted");
  });

  test("has an emoji in at most a third of the chosen answers, and in some", () => {
    assert.deepEqual(emojiProblems(train), []);
    assert.ok(train.some(({ chosen }) => /\p{Extended_Pictographic}/u.test(chosen)));
  });

  test("has a card whose front matter names licence, size and the files that are there", () => {
    assert.deepEqual(cardFiles(folder), ["train.jsonl", "unseen.jsonl"]);
    assert.match(readFileSync(path.join(folder, "README.md"), "utf8"), /synthetic/);
  });
});

describe("the checks of data/human-like refuse", () => {
  test("missing, empty and untidy fields", () => {
    const fields = ["prompt", "chosen", "rejected"];
    assertRefused(fieldProblems(doctored(5, (_, index) => (index === 3 ? { chosen: " \n" } : {})), fields), /row 3: chosen is empty/);
    assertRefused(fieldProblems([{ prompt: "a", chosen: "b" }], fields), /row 0 has the fields prompt,chosen/);
    assertRefused(fieldProblems(doctored(5, (row) => ({ prompt: `${row.prompt} ` })), fields), /row 0: prompt has stray/);
    assertRefused(fieldProblems(doctored(5, () => ({ prompt: "tab\there" })), fields), /row 4: prompt has stray/);
  });

  test("exact and near duplicates", () => {
    assertRefused(duplicateProblems(labelled(doctored(6, (_, index) => (index === 5 ? { prompt: train[2].prompt } : {})), [])), /train 2 prompt and train 5 prompt share 100 %/);
    const reworded = train[1].rejected.replace(/^\S+ \S+/, "Well now").toUpperCase();
    assertRefused(duplicateProblems(labelled(doctored(6, (_, index) => (index === 4 ? { rejected: reworded } : {})), [])), /train 1 rejected and train 4 rejected/);
    assertRefused(duplicateProblems(labelled(train.slice(0, 4), [{ text: `${train[3].chosen} Indeed.` }])), /train 3 chosen and unseen 0/);
    assertRefused(duplicateProblems(labelled([], [...unseen.slice(0, 3), unseen[1]])), /unseen 1 and unseen 3/);
  });

  test("answers that are too short or too long", () => {
    assertRefused(lengthProblems(doctored(3, () => ({ chosen: "Too short." })), countWords, TOKENS), /row 2: chosen has 2 tokens/);
    assertRefused(lengthProblems(doctored(3, (row) => ({ rejected: row.rejected.repeat(9) })), countWords, TOKENS), /row 0: rejected has \d+ tokens/);
  });

  const giveaways: [string, RegExp, (row: PreferenceRow) => Partial<PreferenceRow>][] = [
    ["a word", /^word honestly: /, (row) => ({ chosen: row.chosen.replace(" ", " honestly ") })],
    ["a phrase", /^words language model: /, (row) => ({ rejected: `${row.rejected} This is a language model.` })],
    ["a disclaimer in many wordings", /^a disclaimer: /, (row) => ({ rejected: `${row.rejected} Yours, ${row.prompt.length % 2 ? "the software" : "an AI"}.` })],
    ["a sign", /^sign !: /, (row) => ({ chosen: `${row.chosen}!`, rejected: row.rejected.replaceAll("!", ".") })],
    ["emoji of many kinds", /^any emoji: /, (row) => ({ chosen: `${row.chosen} ${String.fromCodePoint(0x1f600 + (row.prompt.length % 40))}` })],
    ["apostrophes", /^an apostrophe: /, (row) => ({ chosen: `${row.chosen} It's so.`, rejected: row.rejected.replaceAll("'", "") })],
    ["the first word", /^first word certainly: /, (row) => ({ rejected: `Certainly. ${row.rejected}` })],
    ["lists", /^a newline: /, (row) => ({ rejected: `${row.rejected}\n- and so on` })],
    ["the length", /^more tokens: /, (row) => ({ chosen: `${row.chosen} ${row.rejected}` })],
  ];
  for (const [name, pattern, change] of giveaways) {
    test(`pairs that ${name} tells apart`, () => {
      assertRefused(markerProblems(doctored(60, change), countWords), pattern);
    });
  }

  test("a marker just above the bound, and not one on it", () => {
    const marked = (count: number): PreferenceRow[] => doctored(100, (row, index) => (index < count ? { chosen: `${row.chosen} Zounds.` } : {}));
    assertRefused(markerProblems(marked(51), countWords), /^word zounds: /);
    assert.deepEqual(markerProblems(marked(50), countWords).filter((problem) => problem.includes("zounds")), []);
  });

  test("a word whose absence tells them apart, though both sides have it somewhere", () => {
    const rows = doctored(60, (row, index) => (index % 10 === 0 ? { chosen: `${row.chosen} Zounds.` } : { rejected: `${row.rejected} Zounds.` }));
    assertRefused(markerProblems(rows, countWords), /^word zounds: /);
  });

  test("an emoji in more than a third of the chosen answers", () => {
    assertRefused(emojiProblems(doctored(30, (row, index) => (index < 11 ? { chosen: `${row.chosen} \u{1F600}` } : {}))), /of 30 chosen answers have an emoji/);
  });
});
