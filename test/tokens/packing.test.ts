import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomSource } from "../../src/engine/random";
import { roundingFor } from "../../src/engine/buckets";
import { packedLength, packPairs, type PackedPairs } from "../../src/tokens/packing";
import { tokenTree } from "../../src/tokens/tree";
import type { TokenizedRow } from "../../src/tokens/preference";

const PAD = 0;

/** What a packed batch says of each prediction: its whole context and the token, read back from the rows of attention only. */
function unpack(packed: PackedPairs): { owner: number; context: number[]; target: number }[] {
  const { inputIds, positions, places, queries, keys, lasts, queryWidth, keyWidth } = packed;
  return Array.from({ length: packed.predictions }, (_, n) => n).filter((n) => packed.weights[n]! > 0).map((n) => {
    const place = places[packed.sources[n]!]!;
    const query = queries[place]!;
    const start = Math.floor(place / queryWidth) * keyWidth;
    const seen: number[] = [];
    for (let i = start; i < start + keyWidth; i++) if (keys[i]! <= query && query <= lasts[i]!) seen.push(keys[i]!);
    seen.forEach((token, position) => assert.equal(positions[token], position, "positions count up through prompt and answer"));
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
  // The chosen answer's only token and the rejected one's last are predicted, but predict nothing.
  assert.deepEqual(packed, {
    pairs: 1, length: 4, rows: 1, queryWidth: 6, keyWidth: 3, predictions: 4, tokens: 3,
    inputIds: Int32Array.of(5, 6, 8, PAD),
    positions: Int32Array.of(0, 1, 2, 0),
    queries: Int32Array.of(0, 1, 2, 3, 3, 3),
    places: Int32Array.of(0, 1, 2, 3),
    keys: Int32Array.of(0, 1, 2),
    lasts: Int32Array.of(2, 2, 2),
    sources: Int32Array.of(1, 1, 2, 0),
    targets: Int32Array.of(7, 8, 9, 0),
    owners: Int32Array.of(0, 1, 1, 0),
    weights: Float32Array.of(1, 1, 1, 0),
  });
});

test("a beginning that several sequences share stands in the tree once", () => {
  const tree = tokenTree([[1, 2, 3], [1, 2], [4], [1, 5, 2], [1, 2, 3, 6], [1, 2]]);
  assert.deepEqual(tree, {
    ids: [1, 2, 3, 6, 5, 2, 4],
    positions: [0, 1, 2, 3, 1, 2, 0],
    lasts: [5, 3, 3, 3, 5, 5, 6],
    paths: [[0, 1, 2], [0, 1], [6], [0, 4, 5], [0, 1, 2, 3], [0, 1]],
  });
});

test("whatever the lengths and however much is shared: every token stands once, and each prediction sees its own prompt and answer only", () => {
  const random = new RandomSource(4);
  for (let round = 0; round < 120; round++) {
    // Few different ids make many shared beginnings, of prompts and of answers.
    const different = round % 2 === 0 ? 90 : 2;
    const ids = (most: number): number[] => Array.from({ length: 1 + random.integer(most) }, () => 1 + random.integer(different));
    const system = ids(20);
    const rows = Array.from({ length: 1 + random.integer(9) }, () => ({ prompt_input_ids: [...(round % 3 === 0 ? [] : system), ...ids(1 + random.integer(40))], chosen_input_ids: ids(30), rejected_input_ids: ids(30) }));
    const options = { padTokenId: PAD, lengthMultiple: 1 + random.integer(64), widthMultiple: 1 + random.integer(64), predictionMultiple: 1 + random.integer(64) };
    const packed = packPairs(rows, options);
    const { inputIds, positions, places, queries, keys, lasts, tokens, rows: count, queryWidth, keyWidth } = packed;
    assert.deepEqual(sorted(unpack(packed)), sorted(expected(rows)));
    const contexts = new Set(expected(rows).flatMap(({ context }) => context.map((_, i) => context.slice(0, i + 1).join())));
    assert.equal(tokens, contexts.size, "each different context is computed once, and nothing else is");
    assert.ok([...inputIds.subarray(tokens)].every((id) => id === PAD));
    assert.equal(packed.length, Math.ceil((tokens + 1) / options.lengthMultiple) * options.lengthMultiple);
    for (const array of [inputIds, positions, places]) assert.equal(array.length, packed.length);
    assert.equal(queries.length, count * queryWidth);
    for (const array of [keys, lasts]) assert.equal(array.length, count * keyWidth);
    // There and back: every token looks from a place of its own, padding leads to padding on both sides.
    for (let token = 0; token < tokens; token++) assert.equal(queries[places[token]!], token);
    for (let token = tokens; token < packed.length; token++) assert.equal(queries[places[token]!], packed.length - 1);
    assert.deepEqual([...queries].filter((token) => token < tokens).sort((a, b) => a - b), Array.from({ length: tokens }, (_, token) => token));
    // No token sees padding, in no row the same key stands twice, and no row is empty or wider than needed.
    assert.ok(keys.every((token, i) => token < tokens || (token === packed.length - 1 && lasts[i] === token)));
    const loads = (list: Int32Array, width: number): number[] => Array.from({ length: count }, (_, row) => {
      const real = [...list.subarray(row * width, (row + 1) * width)].filter((token) => token < tokens);
      assert.equal(new Set(real).size, real.length);
      return real.length;
    });
    const [queryLoads, keyLoads] = [loads(queries, queryWidth), loads(keys, keyWidth)];
    assert.ok(queryLoads.every((load) => load > 0));
    assert.equal(keyWidth, Math.ceil(Math.max(...keyLoads) / options.widthMultiple) * options.widthMultiple);
    assert.ok(queryWidth - Math.max(...queryLoads) <= options.widthMultiple);
    const predictions = rows.reduce((sum, row) => sum + row.chosen_input_ids.length + row.rejected_input_ids.length, 0);
    assert.equal(packed.predictions, Math.ceil(predictions / options.predictionMultiple) * options.predictionMultiple);
    assert.equal([...packed.weights].reduce((a, b) => a + b), predictions);
    const filler = [...packed.weights].map((weight, n) => (weight === 0 ? n : -1)).filter((n) => n >= 0);
    assert.ok(filler.every((n) => packed.sources[n]! < packed.length && packed.owners[n]! < 2 * rows.length));
  }
});

test("answers of some length get a row of attention each; short ones share one; a long prompt keeps its answers together", () => {
  let id = 1;
  const fresh = (count: number): number[] => Array.from({ length: count }, () => id++);
  const row = (prompt: number, chosen: number, rejected: number): TokenizedRow => ({ prompt_input_ids: fresh(prompt), chosen_input_ids: fresh(chosen), rejected_input_ids: fresh(rejected) });
  const shape = (...rows: TokenizedRow[]): number[] => {
    const packed = packPairs(rows, { padTokenId: PAD, lengthMultiple: 4, widthMultiple: 4 });
    return [packed.length, packed.rows, packed.queryWidth, packed.keyWidth];
  };
  assert.equal(packedLength(row(20, 100, 90)), 210);
  // The prompt looks from the shorter answer's row.
  assert.deepEqual(shape(row(20, 101, 91), row(20, 101, 91)), [424, 4, 112, 120]);
  assert.deepEqual(shape(row(400, 31, 21), row(400, 31, 21)), [904, 2, 452, 452]);
  const [length, rows] = shape(row(50, 151, 151), row(5, 4, 3), row(4, 4, 5), row(6, 5, 4));
  assert.equal(length, 388);
  assert.ok(rows! <= 3, `${rows} rows`);
});

test("a short run rounds coarsely, for few shapes, a long one finely, for little padding", () => {
  const random = new RandomSource(8);
  const ids = (least: number, most: number): number[] => Array.from({ length: least + random.integer(most - least) }, () => 1 + random.integer(90));
  const batches = Array.from({ length: 40 }, () => Array.from({ length: 8 }, () => ({ prompt_input_ids: ids(20, 60), chosen_input_ids: ids(40, 120), rejected_input_ids: ids(40, 120) })));
  const measure = (steps: number): { lengths: number; padding: number } => {
    const packed = batches.map((rows) => packPairs(rows, { padTokenId: PAD, ...roundingFor(steps, () => 1, 1) }));
    return { lengths: new Set(packed.map(({ length }) => length)).size, padding: packed.reduce((sum, { length, tokens }) => sum + length - tokens, 0) };
  };
  const [short, long] = [measure(40), measure(5000)];
  assert.ok(short.lengths < long.lengths, `${short.lengths} and ${long.lengths} lengths`);
  assert.ok(long.padding < 0.7 * short.padding, `${short.padding} and ${long.padding} tokens of padding`);
});

test("what has nothing to predict from or to predict is refused with its place", () => {
  const good = { prompt_input_ids: [1], chosen_input_ids: [2], rejected_input_ids: [3] };
  const pack = (row: TokenizedRow) => () => packPairs([good, row], { padTokenId: PAD });
  assert.throws(pack({ ...good, prompt_input_ids: [] }), /^RangeError: Pair 1 of the batch has an empty prompt/);
  assert.throws(pack({ ...good, chosen_input_ids: [] }), /Pair 1 of the batch has an empty chosen answer/);
  assert.throws(pack({ ...good, rejected_input_ids: [] }), /Pair 1 of the batch has an empty rejected answer/);
  assert.throws(() => packPairs([], { padTokenId: PAD }), /no pairs/);
});
