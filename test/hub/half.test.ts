import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../src/hub/half";

const allBits = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

/** The float32 next to a value, towards plus infinity. */
function nextUp(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer);
  bits[0]! += value >= 0 ? 1 : -1;
  return new Float32Array(bits.buffer)[0]!;
}

for (const [name, from, to, infinity] of [
  ["float16", fromFloat16, toFloat16, 0x7c00],
  ["bfloat16", fromBfloat16, toBfloat16, 0x7f80],
] as const) {
  test(`${name}: every value comes back as the same bits, a NaN as a NaN`, () => {
    const values = from(allBits);
    const back = to(values);
    values.forEach((value, bits) => {
      if (Number.isNaN(value)) assert.ok((back[bits]! & 0x7fff) > infinity, `NaN ${bits}`);
      else assert.equal(back[bits], bits);
    });
    assert.equal(values.filter(Number.isNaN).length, 2 * (0x7fff - infinity));
  });

  test(`${name}: between two neighbours the nearer is taken, and half-way the even one`, () => {
    // Up to the largest finite value; both formats' midpoints are exact in float32.
    const values = from(allBits);
    for (let bits = 0; bits < infinity - 1; bits++) {
      const middle = (values[bits]! + values[bits + 1]!) / 2;
      if (Math.fround(middle) !== middle) continue;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const above = nextUp(middle);
      const below = -nextUp(-middle);
      assert.deepEqual([...to(Float32Array.of(below, middle, above, -middle))], [bits, even, bits + 1, even | 0x8000], `between ${values[bits]} and ${values[bits + 1]}`);
    }
  });
}

test("known values", () => {
  assert.deepEqual([...fromFloat16(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000))], [1, -2, 65504, 2 ** -14, 2 ** -24, -0]);
  assert.deepEqual([...toFloat16(Float32Array.of(65519, 65520, 1e10, -Infinity, 2 ** -25, 2 ** -26, -0))], [0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0, 0x8000]);
  assert.deepEqual([...toBfloat16(Float32Array.of(1, -2, 3.4e38, Infinity, 2 ** -133))], [0x3f80, 0xc000, 0x7f80, 0x7f80, 1]);
});
