import assert from "node:assert/strict";

/** Every number within `tolerance` of the expected one, relative to the larger of 1 and its size. */
export function allClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = "values"): void {
  assert.equal(actual.length, expected.length, `${what}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    assert.ok(error <= tolerance, `${what}[${i}] is ${actual[i]}, ${expected[i]} is right (error ${error.toExponential(1)}, ${tolerance} allowed)`);
  }
}
