import { float16Table, fromBfloat16, fromFloat16 } from "./half";

/** How a GGUF tensor type is laid out: `block` weights take `bytes` bytes. */
export interface GgufType {
  name: string;
  block: number;
  bytes: number;
  /** `bytes` holds whole blocks; the result has one float32 per weight. */
  decode(bytes: Uint8Array, weights: number): Float32Array;
}

const types: Record<number, GgufType> = {
  0: { name: "F32", block: 1, bytes: 4, decode: (bytes, weights) => new Float32Array(aligned(bytes), 0, weights) },
  1: { name: "F16", block: 1, bytes: 2, decode: (bytes, weights) => fromFloat16(new Uint16Array(aligned(bytes), 0, weights)) },
  2: { name: "Q4_0", block: 32, bytes: 18, decode: decodeQ4_0 },
  3: { name: "Q4_1", block: 32, bytes: 20, decode: decodeQ4_1 },
  8: { name: "Q8_0", block: 32, bytes: 34, decode: decodeQ8_0 },
  30: { name: "BF16", block: 1, bytes: 2, decode: (bytes, weights) => fromBfloat16(new Uint16Array(aligned(bytes), 0, weights)) },
};

const otherNames: Record<number, string> = {
  6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
  19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
};

/** The layout of a GGUF tensor type.
 *  @throws for a type that this project does not read, with its name. */
export function ggufType(id: number, tensor: string): GgufType {
  const type = types[id];
  if (type) return type;
  const readable = Object.values(types).map(({ name }) => name).join(", ");
  throw new Error(`The tensor ${tensor} is stored as ${otherNames[id] ?? `type ${id}`}, which is not read here (${readable} are). Take another quantisation of the model, or its safetensors.`);
}

function aligned(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset === 0 && buffer instanceof ArrayBuffer) return buffer;
  return new Uint8Array(bytes).buffer.slice(0, byteLength);
}

/** Block of 32: float16 scale d, then 16 bytes; low halves are weights 0–15, high halves 16–31; w = d · (q − 8). */
function decodeQ4_0(bytes: Uint8Array, weights: number): Float32Array {
  const half = float16Table();
  const out = new Float32Array(weights);
  for (let from = 0, to = 0; to < weights; from += 18, to += 32) {
    const scale = half[bytes[from]! | (bytes[from + 1]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[from + 2 + i]!;
      out[to + i] = ((pair & 15) - 8) * scale;
      out[to + 16 + i] = ((pair >> 4) - 8) * scale;
    }
  }
  return out;
}

/** Block of 32: float16 scale d and minimum m, then 16 bytes as in Q4_0; w = d · q + m. */
function decodeQ4_1(bytes: Uint8Array, weights: number): Float32Array {
  const half = float16Table();
  const out = new Float32Array(weights);
  for (let from = 0, to = 0; to < weights; from += 20, to += 32) {
    const scale = half[bytes[from]! | (bytes[from + 1]! << 8)]!;
    const minimum = half[bytes[from + 2]! | (bytes[from + 3]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[from + 4 + i]!;
      out[to + i] = (pair & 15) * scale + minimum;
      out[to + 16 + i] = (pair >> 4) * scale + minimum;
    }
  }
  return out;
}

/** Block of 32: float16 scale d, then 32 signed bytes; w = d · q. */
function decodeQ8_0(bytes: Uint8Array, weights: number): Float32Array {
  const half = float16Table();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(weights);
  for (let from = 0, to = 0; to < weights; from += 34, to += 32) {
    const scale = half[bytes[from]! | (bytes[from + 1]! << 8)]!;
    for (let i = 0; i < 32; i++) out[to + i] = signed[from + 2 + i]! * scale;
  }
  return out;
}
