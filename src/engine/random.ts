/**
 * Seeded random numbers for shuffles and sampling on the host: the same seed gives the same numbers everywhere.
 *
 * The generator is xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021): 128 bits of state,
 * period 2^128 − 1. Its state is filled from the seed by splitmix32 (the finaliser of MurmurHash3 over a Weyl sequence).
 */
export class RandomSource {
  private readonly state: Uint32Array;
  private spare: number | undefined;

  /** @param seed a whole number from 0 to 2^53 − 1, or four 32-bit words of state, not all zero */
  constructor(seed: number | readonly [number, number, number, number]) {
    if (typeof seed === "number") {
      if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`A seed is a whole number from 0 to 2^53 − 1, not ${seed}.`);
      this.state = splitmix32(seed >>> 0, Math.floor(seed / 2 ** 32), 4);
      return;
    }
    this.state = Uint32Array.from(seed);
    if (this.state.every((word) => word === 0)) throw new RangeError("The generator's state must not be all zero.");
  }

  /** A whole number from 0 to 2^32 − 1. */
  uint32(): number {
    const state = this.state;
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotate(state[3]!, 11);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** A whole number from 0 to `below` − 1, each as likely as the other. */
  integer(below: number): number {
    if (!Number.isInteger(below) || below <= 0 || below > 2 ** 32) throw new RangeError(`integer(below) takes a whole number from 1 to 2^32, not ${below}.`);
    // Numbers past the last whole multiple of `below` would favour the small results.
    const limit = 2 ** 32 - (2 ** 32 % below);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % below;
    }
  }

  /** A normal deviate, mean 0, variance 1 (Box and Muller, 1958). */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** A new array with the items in random order (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of the word. */
function mixed(value: number): number {
  let word = value;
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

function splitmix32(low: number, high: number, count: number): Uint32Array {
  // The seed's upper 21 bits move the start of the sequence; for seeds below 2^32 this is plain splitmix32.
  let weyl = (low ^ (high === 0 ? 0 : mixed(high))) >>> 0;
  return Uint32Array.from({ length: count }, () => mixed((weyl = (weyl + 0x9e3779b9) >>> 0)));
}

/** A signed 32-bit number that stands for a text: FNV-1a (Fowler, Noll, Vo 1991), finished by MurmurHash3's mixing. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash) | 0;
}
