/** float16 and bfloat16, which JavaScript lacks, to and from float32. Writing rounds to nearest, ties to even, as PyTorch does. */

const float32 = new Float32Array(1);
const bits32 = new Uint32Array(float32.buffer);

let float16Values: Float32Array | undefined;

/** All 65,536 float16 values in the order of their bits: reading one is a look-up. */
export function float16Table(): Float32Array {
  float16Values ??= Float32Array.from({ length: 65_536 }, (_, bits) => float16Value(bits));
  return float16Values;
}

function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** float16 bits → float32. */
export function fromFloat16(source: Uint16Array): Float32Array {
  const table = float16Table();
  const out = new Float32Array(source.length);
  for (let i = 0; i < out.length; i++) out[i] = table[source[i]!]!;
  return out;
}

/** bfloat16 bits → float32. */
export function fromBfloat16(source: Uint16Array): Float32Array {
  const out = new Float32Array(source.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = source[i]! << 16;
  return out;
}

/** float32 → bfloat16 bits; a NaN stays a NaN. */
export function toBfloat16(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < out.length; i++) {
    const value = bits[i]!;
    const isNaN = (value & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** float32 → float16 bits; too large becomes infinity, too small becomes zero or a subnormal. */
export function toFloat16(source: Float32Array): Uint16Array {
  const out = new Uint16Array(source.length);
  for (let i = 0; i < out.length; i++) out[i] = float16Bits(source[i]!);
  return out;
}

function float16Bits(value: number): number {
  float32[0] = value;
  const bits = bits32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is half-way between the largest float16 (65504) and the next step, and ties go to the even neighbour: infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Adding 0.5 puts the sum's last place at 2^-24, float16's subnormal step, so the hardware's own rounding does ours.
    float32[0] = Math.abs(value) + 0.5;
    return sign | (bits32[0]! - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}
