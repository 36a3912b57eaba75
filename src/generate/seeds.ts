/** A pair for each draw that depends on the seed, the sequence and the position only. */
export function drawSeeds(seed: number, sequences: readonly number[], position: number): Int32Array {
  const first = mix(seed);
  return Int32Array.from(sequences.flatMap((sequence) => [first, (Math.imul(sequence, 65536) + position) | 0]));
}

/** A seed of up to 53 bits as 32 well mixed ones (the finaliser of MurmurHash3, over both halves). */
function mix(seed: number): number {
  let h = 0;
  for (const word of [Math.floor(seed / 2 ** 32), seed >>> 0]) {
    h ^= word;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h | 0;
}
