import assert from "node:assert/strict";
import { test } from "node:test";
import { batchBucket, capacityBucket, promptBucket, ROUNDINGS, roundingFor, roundUp } from "../../src/engine/buckets";

const UP_TO = 4096;
const BUCKETS: [name: string, bucket: (n: number) => number, most: number, waste: number][] = [
  // [.., number of sizes up to 4,096, greatest share of padding once the first few sizes are passed]
  ["batchBucket", batchBucket, 14 + (UP_TO - 128) / 64, 1 / 3],
  ["promptBucket", promptBucket, 28, 1 / 5],
  ["capacityBucket", capacityBucket, 20, 1 / 5],
];

for (const [name, bucket, most, waste] of BUCKETS) {
  test(`${name}: never too small, never decreasing, few sizes, little padding`, () => {
    const sizes = Array.from({ length: UP_TO }, (_, i) => bucket(i + 1));
    sizes.forEach((size, i) => {
      assert.ok(size >= i + 1 && size >= (sizes[i - 1] ?? 0), `${name}(${i + 1}) is ${size}`);
      assert.equal(bucket(size), size, "a size is its own bucket");
      if (i >= 256) assert.ok((size - i - 1) / size <= waste, `${name}(${i + 1}) is ${size}`);
    });
    assert.ok(new Set(sizes).size <= most, `${new Set(sizes).size} sizes`);
  });
}

test("rounding, by hand", () => {
  assert.deepEqual([1, 16, 17, 64, 65, 80, 81, 128, 129, 257].map(promptBucket), [16, 16, 32, 64, 80, 80, 96, 128, 160, 320]);
  assert.deepEqual([1, 64, 65, 256, 257, 513].map(capacityBucket), [64, 64, 128, 256, 320, 640]);
  assert.deepEqual([1, 5, 7, 33, 128, 129].map(batchBucket), [1, 6, 8, 48, 128, 192]);
  assert.deepEqual([0, 1, 8, 9].map((n) => roundUp(n, 8)), [0, 8, 8, 16]);
});

test("each rounding is coarser than the one before it, and a size of one is a size of those before", () => {
  for (const name of ["lengthMultiple", "widthMultiple", "predictionMultiple"] as const) {
    ROUNDINGS.slice(1).forEach((rounding, i) => assert.equal(rounding[name] % ROUNDINGS[i]![name], 0));
    assert.ok(ROUNDINGS.at(-1)![name] > ROUNDINGS[0]![name]);
  }
});

test("a long run rounds more finely than a short one, and both as coarsely as the room for compiled shapes asks", () => {
  const count = new Map(ROUNDINGS.map((rounding, i) => [rounding, [160, 67, 22, 13, 8][i]!]));
  const chosen = (steps: number, room: number): number => ROUNDINGS.indexOf(roundingFor(steps, (rounding) => count.get(rounding)!, room));
  assert.deepEqual([160, 159, 67, 66, 22, 21, 13, 12, 1].map((room) => chosen(1000, room)), [0, 1, 1, 2, 2, 3, 3, 4, 4]);
  assert.deepEqual([1000, 22, 21, 12, 1].map((room) => chosen(999, room)), [2, 2, 3, 4, 4]);
});
