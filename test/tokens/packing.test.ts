import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomSource } from "../../src/engine/random";
import { packedLength, packPairs, type PackedPairs } from "../../src/tokens/packing";
import type { TokenizedRow } from "../../src/tokens/preference";

const PAD = 0;

/** What a packed batch says of each prediction: its whole context and the token, read back from the rows of attention only. */
function unpack(packed: PackedPairs): { owner: number; context: number[]; target: number }[] {
  const { inputIds, positions, slots, tokenOf, segments, parents, width } = packed;
  return Array.from({ length: packed.predictions }, (_, n) => n).filter((n) => packed.weights[n]! > 0).map((n) => {
    const at = slots[packed.sources[n]!]!;
    const start = Math.floor(at / width) * width;
    const seen: number[] = [];
    for (let i = start; i <= at; i++) if (segments[i] !== 0 && (segments[i] === segments[at] || segments[i] === parents[at])) seen.push(tokenOf[i]!);
    seen.forEach((token, place) => assert.equal(positions[token], place, "positions count up through prompt and answer"));
    return { owner: packed.owners[n]!, context: seen.map((token) => inputIds[token]!), target: packed.targets[n]! };
  });
}

/** The predictions that plain sequences make. */
function expected(rows: readonly TokenizedRow[]): { owner: number; context: number[]; target: number }[] {
  return rows.flatMap((row, i) => ([["chosen", i], ["rejected", rows.length + i]] as const).flatMap(([side, owner]) => {
    const answer = row[`${side}_input_ids`];
    return answer.map((target, t) => ({ owner, context: [...row.prompt_input_ids, ...answer.slice(0, t)], target }));
  }));
}

const sorted = (list: object[]): string[] => list.map((entry) => JSON.stringify(entry)).sort();

test("one pair, by hand", () => {
  const packed = packPairs([{ prompt_input_ids: [5, 6], chosen_input_ids: [7], rejected_input_ids: [8, 9] }], { padTokenId: PAD, lengthMultiple: 4, widthMultiple: 3, predictionMultiple: 4 });
  assert.deepEqual(packed, {
    pairs: 1, length: 8, rows: 1, width: 6, predictions: 4, tokens: 5,
    inputIds: Int32Array.of(5, 6, 7, 8, 9, PAD, PAD, PAD),
    positions: Int32Array.of(0, 1, 2, 2, 3, 0, 0, 0),
    slots: Int32Array.of(0, 1, 2, 3, 4, 5, 5, 5),
    tokenOf: Int32Array.of(0, 1, 2, 3, 4, 7),
    segments: Int32Array.of(1, 1, 2, 3, 3, 0),
    parents: Int32Array.of(1, 1, 1, 1, 1, 0),
    sources: Int32Array.of(1, 1, 3, 0),
    targets: Int32Array.of(7, 8, 9, 0),
    owners: Int32Array.of(0, 1, 1, 0),
    weights: Float32Array.of(1, 1, 1, 0),
  });
});

test("whatever the lengths: every token stands once, and each prediction sees its own prompt and answer only", () => {
  const random = new RandomSource(4);
  for (let round = 0; round < 60; round++) {
    const ids = (most: number): number[] => Array.from({ length: 1 + random.integer(most) }, () => 1 + random.integer(90));
    const rows = Array.from({ length: 1 + random.integer(9) }, () => ({ prompt_input_ids: ids(1 + random.integer(40)), chosen_input_ids: ids(30), rejected_input_ids: ids(30) }));
    const options = { padTokenId: PAD, lengthMultiple: 1 + random.integer(64), widthMultiple: 1 + random.integer(64), predictionMultiple: 1 + random.integer(64) };
    const packed = packPairs(rows, options);
    const { inputIds, positions, slots, tokenOf, segments, parents } = packed;
    assert.deepEqual(sorted(unpack(packed)), sorted(expected(rows)));
    assert.deepEqual([...inputIds.subarray(0, packed.tokens)], rows.flatMap((row) => [...row.prompt_input_ids, ...row.chosen_input_ids, ...row.rejected_input_ids]));
    assert.ok([...inputIds.subarray(packed.tokens)].every((id) => id === PAD));
    assert.equal(packed.length, Math.ceil((packed.tokens + 1) / options.lengthMultiple) * options.lengthMultiple);
    for (const array of [inputIds, positions, slots]) assert.equal(array.length, packed.length);
    for (const array of [tokenOf, segments, parents]) assert.equal(array.length, packed.rows * packed.width);
    // There and back: every token has a place of its own, padding leads to padding on both sides.
    for (let token = 0; token < packed.tokens; token++) assert.equal(tokenOf[slots[token]!], token);
    for (let token = packed.tokens; token < packed.length; token++) assert.equal(segments[slots[token]!], 0);
    segments.forEach((segment, place) => assert.equal(segment !== 0, tokenOf[place]! < packed.tokens));
    // No wider than the fullest row and its padding need, and no empty row.
    const loads = Array.from({ length: packed.rows }, (_, row) => [...segments.subarray(row * packed.width, (row + 1) * packed.width)].filter((segment) => segment !== 0).length);
    assert.equal(packed.width, Math.ceil((Math.max(...loads) + 1) / options.widthMultiple) * options.widthMultiple);
    assert.ok(loads.every((load) => load > 0));
    const predictions = rows.reduce((sum, row) => sum + row.chosen_input_ids.length + row.rejected_input_ids.length, 0);
    assert.equal(packed.predictions, Math.ceil(predictions / options.predictionMultiple) * options.predictionMultiple);
    assert.equal([...packed.weights].reduce((a, b) => a + b), predictions);
    const filler = [...packed.weights].map((weight, n) => (weight === 0 ? n : -1)).filter((n) => n >= 0);
    assert.ok(filler.every((n) => packed.sources[n]! < packed.length && packed.owners[n]! < 2 * rows.length));
  }
});

test("pairs of like length get a row of attention each; short ones share one", () => {
  const row = (length: number): TokenizedRow => ({ prompt_input_ids: new Array<number>(length - 2).fill(1), chosen_input_ids: [2], rejected_input_ids: [3] });
  assert.equal(packedLength(row(100)), 100);
  const shape = (...lengths: number[]): number[] => {
    const packed = packPairs(lengths.map(row), { padTokenId: PAD, lengthMultiple: 4, widthMultiple: 4 });
    return [packed.length, packed.rows, packed.width];
  };
  assert.deepEqual(shape(200, 190, 210), [604, 3, 212]);
  assert.deepEqual(shape(100, 10, 12, 9, 20), [152, 1, 152]);
  assert.deepEqual(shape(500, 1000, 480), [1984, 2, 1004]);
});

test("what has nothing to predict from or to predict is refused with its place", () => {
  const good = { prompt_input_ids: [1], chosen_input_ids: [2], rejected_input_ids: [3] };
  const pack = (row: TokenizedRow) => () => packPairs([good, row], { padTokenId: PAD });
  assert.throws(pack({ ...good, prompt_input_ids: [] }), /^RangeError: Pair 1 of the batch has an empty prompt/);
  assert.throws(pack({ ...good, chosen_input_ids: [] }), /Pair 1 of the batch has an empty chosen answer/);
  assert.throws(pack({ ...good, rejected_input_ids: [] }), /Pair 1 of the batch has an empty rejected answer/);
  assert.throws(() => packPairs([], { padTokenId: PAD }), /no pairs/);
});
