/**
 * The 256 values of dynamic tree quantisation (Dettmers 2015; Dettmers et al. 2022, §1.3 and figure 2), in rising order.
 * After the sign, leading zeros of the byte count powers of ten, the first one ends them, and the bits that are left
 * divide [0.1, 1] evenly, each standing for the middle of its part: from 1 part at 10⁻⁶ to 64 at 10⁰. 0 and 1 are added.
 * @param signed whether negative values have half of the codes; else each power of ten has twice as many parts
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let exponent = 0; exponent < 7; exponent++) {
    const parts = 2 ** exponent * (signed ? 1 : 2);
    for (let part = 0; part < parts; part++) {
      const value = (0.1 + (0.9 * (part + 0.5)) / parts) * 10 ** (exponent - 6);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}

/** How the nearest code of a value in [−1, 1] is found: the lowest one for the value's upper 16 bits, then one comparison. */
export interface CodeTable {
  /** Value of each code, [256]. */
  values: Float32Array;
  /** Above bounds[c] the code c + 1 is nearer than c, [256]; the last is never exceeded. */
  bounds: Float32Array;
  /** Lowest code of the float32 values that share their upper 16 bits, by these bits, [65536]. */
  lowest: Uint8Array;
}

/** @throws Error where two bounds share their upper 16 bits, so that one comparison is not enough */
export function codeTable(values: Float32Array): CodeTable {
  const bounds = Float32Array.from(values, (value, code) => (code === 255 ? Infinity : (value + values[code + 1]!) / 2));
  const nearest = (x: number): number => bounds.findIndex((bound) => !(x > bound));
  const lowest = new Uint8Array(1 << 16);
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  const valueAt = (word: number): number => {
    bits[0] = word;
    return float[0]!;
  };
  for (let upper = 0; upper < 1 << 16; upper++) {
    // Within one sign, magnitudes rise with the lower bits.
    const ends = [valueAt(upper * 65536), valueAt(upper * 65536 + 65535)].sort((a, b) => a - b) as [number, number];
    if (!(ends[0] >= -1.01 && ends[1] <= 1.01)) continue;
    lowest[upper] = nearest(ends[0]);
    if (nearest(ends[1]) > lowest[upper]! + 1) throw new Error(`The codes near ${ends[0]} lie too close to be told apart by one comparison.`);
  }
  return { values, bounds, lowest };
}
