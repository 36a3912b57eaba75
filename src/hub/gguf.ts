import { readBytes, withFile } from "./bytes";
import { ggufType } from "./dequantise";

/** One tensor's place in a GGUF file; `shape` is row-major ([out, in] for a matrix), `offset` counts from the file's start. */
export interface GgufTensor {
  shape: number[];
  type: number;
  offset: number;
}

export interface Gguf {
  path: string;
  metadata: Map<string, unknown>;
  tensors: Map<string, GgufTensor>;
  /** The tensor's weights as float32, dequantised. */
  readTensor(name: string): Float32Array;
}

/**
 * Opens a GGUF file, version 2 or 3, little-endian: reads its metadata and the table of tensors, not the weights.
 * @throws when the file is no GGUF, is cut short, or is of another version
 */
export function openGguf(path: string): Gguf {
  const { metadata, tensors } = withFile(path, (handle, size) => readHeader(new HeaderReader(handle, size, path), size, path));
  return {
    path,
    metadata,
    tensors,
    readTensor(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(`${path} has no tensor ${name}.`);
      const type = ggufType(tensor.type, name);
      const weights = tensor.shape.reduce((product, size) => product * size, 1);
      if (tensor.shape.at(-1)! % type.block !== 0) throw new Error(`${path}: rows of ${name} have ${tensor.shape.at(-1)} weights, not whole ${type.name} blocks of ${type.block}.`);
      const bytes = (weights / type.block) * type.bytes;
      return withFile(path, (handle) => type.decode(readBytes(handle, tensor.offset, bytes, path), weights));
    },
  };
}

function readHeader(reader: HeaderReader, size: number, path: string): Pick<Gguf, "metadata" | "tensors"> {
  const magic = size < 24 ? "" : reader.ascii(4);
  if (magic !== "GGUF") throw new Error(`${path} is no GGUF file: it does not begin with "GGUF".`);
  const version = reader.uint32();
  if (version !== 2 && version !== 3) throw new Error(`${path} is GGUF version ${version > 0xffff ? "in big-endian order" : version}; versions 2 and 3, little-endian, are read.`);
  const tensorCount = reader.count(24);
  const entryCount = reader.count(13);
  const metadata = new Map<string, unknown>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.string();
    metadata.set(key, reader.value(reader.uint32()));
  }
  const tensors = new Map<string, GgufTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const name = reader.string();
    const shape = Array.from({ length: reader.uint32() }, () => Number(reader.uint64())).reverse();
    tensors.set(name, { shape, type: reader.uint32(), offset: Number(reader.uint64()) });
  }
  const alignment = Number(metadata.get("general.alignment") ?? 32);
  if (!(alignment > 0) || alignment % 8 !== 0) throw new Error(`${path} has general.alignment ${alignment}, which is no multiple of 8.`);
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  for (const tensor of tensors.values()) tensor.offset += dataStart;
  return { metadata, tensors };
}

/** A cursor over the header, which may be megabytes long (vocabulary and merges) and does not say how long. */
class HeaderReader {
  position = 0;
  private bytes: Buffer = Buffer.alloc(0);
  private start = 0;

  constructor(
    private readonly handle: number,
    private readonly size: number,
    private readonly path: string,
  ) {}

  /** Makes the next `length` bytes available and returns their index in `bytes`. */
  private take(length: number): number {
    if (this.position + length > this.size) throw new Error(`${this.path} is cut short inside its header. Download it again.`);
    if (this.position + length > this.start + this.bytes.length) {
      const wanted = Math.min(Math.max(length, 1 << 22), this.size - this.position);
      this.bytes = Buffer.from(readBytes(this.handle, this.position, wanted, this.path).buffer);
      this.start = this.position;
    }
    const index = this.position - this.start;
    this.position += length;
    return index;
  }

  ascii(length: number): string {
    const index = this.take(length);
    return this.bytes.toString("latin1", index, index + length);
  }

  uint32(): number {
    const index = this.take(4);
    return this.bytes.readUInt32LE(index);
  }

  uint64(): bigint {
    const index = this.take(8);
    return this.bytes.readBigUInt64LE(index);
  }

  /** A number of entries of at least `least` bytes each: one that the file cannot hold is refused before anything is allocated for it. */
  count(least: number): number {
    const count = this.uint64();
    if (count * BigInt(least) > BigInt(this.size)) throw new Error(`${this.path} is damaged: its header counts ${count} entries, more than its ${this.size} bytes can hold.`);
    return Number(count);
  }

  string(): string {
    const length = this.count(1);
    const index = this.take(length);
    return this.bytes.toString("utf8", index, index + length);
  }

  value(type: number): unknown {
    switch (type) {
      case 0: { const index = this.take(1); return this.bytes.readUInt8(index); }
      case 1: { const index = this.take(1); return this.bytes.readInt8(index); }
      case 2: { const index = this.take(2); return this.bytes.readUInt16LE(index); }
      case 3: { const index = this.take(2); return this.bytes.readInt16LE(index); }
      case 4: return this.uint32();
      case 5: { const index = this.take(4); return this.bytes.readInt32LE(index); }
      case 6: { const index = this.take(4); return this.bytes.readFloatLE(index); }
      case 7: { const index = this.take(1); return this.bytes.readUInt8(index) !== 0; }
      case 8: return this.string();
      case 9: return this.array();
      case 10: return plain(this.uint64());
      case 11: { const index = this.take(8); return plain(this.bytes.readBigInt64LE(index)); }
      case 12: { const index = this.take(8); return this.bytes.readDoubleLE(index); }
      default: throw new Error(`${this.path} is damaged: its metadata has a value of unknown type ${type} at byte ${this.position - 4}.`);
    }
  }

  private array(): unknown[] {
    const type = this.uint32();
    const length = this.count(1);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(type));
    return values;
  }
}

function plain(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
