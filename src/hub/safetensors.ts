import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { readBytes, withFile } from "./bytes";
import { fromBfloat16, fromFloat16 } from "./half";

/** Bytes per value of every dtype that is known. */
export const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

export type Dtype = keyof typeof DTYPE_BYTES;

/** One tensor's place; `begin` and `end` count from the file's start. */
export interface SafetensorsEntry {
  dtype: Dtype;
  shape: number[];
  file: string;
  begin: number;
  end: number;
}

export interface Safetensors {
  /** All files that hold the tensors. */
  files: string[];
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
  /** A F32, F16 or BF16 tensor as float32. */
  read(name: string): Float32Array;
  /** A tensor's bytes as they are in the file, little-endian. */
  readRaw(name: string): Uint8Array;
}

// As in the reference implementation: a longer header is an attack or a damaged file.
const LONGEST_HEADER = 100_000_000;

/**
 * Opens a safetensors file, or a model folder with `model.safetensors` or `model.safetensors.index.json` and its shards. Reads headers only.
 * @throws when a file is missing or cut short, or a header is no JSON, overlaps, leaves gaps, or names an unknown dtype
 */
export function openSafetensors(fileOrFolder: string): Safetensors {
  const isFolder = statSync(fileOrFolder).isDirectory();
  const index = path.join(fileOrFolder, "model.safetensors.index.json");
  const single = path.join(fileOrFolder, "model.safetensors");
  if (isFolder && !existsSync(single) && existsSync(index)) return openSharded(fileOrFolder, index);
  if (isFolder && !existsSync(single)) throw new Error(`${fileOrFolder} has neither model.safetensors nor model.safetensors.index.json. Weights in other formats (pytorch_model.bin) are not read; convert them with Python's save_pretrained.`);
  const file = isFolder ? single : fileOrFolder;
  const { tensors, metadata } = readHeader(file);
  return withReaders([file], tensors, metadata, fileOrFolder);
}

function openSharded(folder: string, index: string): Safetensors {
  const weightMap = (parseJson(readFileSync(index, "utf8"), index) as { weight_map?: Record<string, string> }).weight_map;
  if (typeof weightMap !== "object" || weightMap === null) throw new Error(`${index} has no weight_map.`);
  const tensors = new Map<string, SafetensorsEntry>();
  const names = [...new Set(Object.values(weightMap))];
  let metadata: Record<string, string> = {};
  const shards = new Map(names.map((name) => {
    if (path.basename(name) !== name) throw new Error(`${index} names the shard ${JSON.stringify(name)}, which lies outside its folder.`);
    const file = path.join(folder, name);
    if (!existsSync(file)) throw new Error(`${folder} lacks the shard ${name}, which its index names. Download it again.`);
    const header = readHeader(file);
    metadata = { ...metadata, ...header.metadata };
    return [name, header.tensors] as const;
  }));
  for (const [name, shard] of Object.entries(weightMap)) {
    const entry = shards.get(shard)!.get(name);
    if (!entry) throw new Error(`${index} says that ${name} is in ${shard}, but it is not.`);
    tensors.set(name, entry);
  }
  return withReaders(names.map((name) => path.join(folder, name)), tensors, metadata, folder);
}

function withReaders(files: string[], tensors: Map<string, SafetensorsEntry>, metadata: Record<string, string>, where: string): Safetensors {
  const place = (name: string): SafetensorsEntry => {
    const entry = tensors.get(name);
    if (!entry) throw new Error(`${where} has no tensor ${name}.`);
    return entry;
  };
  const readRaw = (name: string): Uint8Array => {
    const { file, begin, end } = place(name);
    return withFile(file, (handle) => readBytes(handle, begin, end - begin, file));
  };
  return {
    files,
    tensors,
    metadata,
    readRaw,
    read(name) {
      const { dtype } = place(name);
      const { buffer } = readRaw(name);
      if (dtype === "F32") return new Float32Array(buffer as ArrayBuffer);
      if (dtype === "F16") return fromFloat16(new Uint16Array(buffer));
      if (dtype === "BF16") return fromBfloat16(new Uint16Array(buffer));
      throw new Error(`${where}: ${name} is ${dtype}, not a float that can be read as float32 (F32, F16, BF16).`);
    },
  };
}

function readHeader(file: string): { tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  return withFile(file, (handle, size) => {
    if (size < 8) throw new Error(`${file} is no safetensors file: it has ${size} bytes.`);
    const length = new DataView(readBytes(handle, 0, 8, file).buffer).getBigUint64(0, true);
    if (length > LONGEST_HEADER || length > size - 8) throw new Error(`${file} is no safetensors file, or is cut short: its header would take ${length} bytes of ${size}.`);
    const text = Buffer.from(readBytes(handle, 8, Number(length), file)).toString("utf8");
    const { __metadata__: metadata = {}, ...entries } = parseJson(text, `${file}'s header`) as Record<string, unknown>;
    const start = 8 + Number(length);
    const tensors = new Map(Object.entries(entries).map(([name, entry]) => [name, readEntry(name, entry, file, start)]));
    requireWhole(tensors, file, start, size);
    return { tensors, metadata: metadata as Record<string, string> };
  });
}

function readEntry(name: string, entry: unknown, file: string, start: number): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as { dtype?: string; shape?: unknown; data_offsets?: unknown };
  const where = `${file}: the tensor ${name}`;
  if (!dtype || !(dtype in DTYPE_BYTES)) throw new Error(`${where} has the dtype ${JSON.stringify(dtype)}; known are ${Object.keys(DTYPE_BYTES).join(", ")}.`);
  if (!isCounts(shape)) throw new Error(`${where} has the shape ${JSON.stringify(shape)}.`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) throw new Error(`${where} has the data_offsets ${JSON.stringify(offsets)}.`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, count) => product * count, DTYPE_BYTES[dtype as Dtype]);
  if (end - begin !== bytes) throw new Error(`${where} of shape [${shape.join(", ")}] and dtype ${dtype} needs ${bytes} bytes, but its data_offsets span ${end - begin}.`);
  return { dtype: dtype as Dtype, shape, file, begin: start + begin, end: start + end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** The format wants the tensors to fill the file without overlap and without a gap. */
function requireWhole(tensors: Map<string, SafetensorsEntry>, file: string, start: number, size: number): void {
  const inOrder = [...tensors].sort(([, one], [, other]) => one.begin - other.begin || one.end - other.end);
  let position = start;
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== position) throw new Error(`${file} is damaged: the tensor ${name} ${begin < position ? "overlaps the one before it" : `leaves a gap of ${begin - position} bytes before it`}.`);
    position = end;
  }
  if (position > size) throw new Error(`${file} is cut short: its tensors end at byte ${position}, the file at ${size}. Download it again.`);
  if (position < size) throw new Error(`${file} is damaged: ${size - position} bytes after its last tensor belong to none.`);
}

function parseJson(text: string, where: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw new Error(`${where} is no JSON: ${(error as Error).message}.`);
  }
  throw new Error(`${where} is no JSON object.`);
}
