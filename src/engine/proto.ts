/**
 * The little of protocol buffers' wire format that the C API asks for: a ConfigProto to write, an OpDef to read.
 * https://protobuf.dev/programming-guides/encoding/
 */

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

const integerField = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
const bytesField = (field: number, body: number[]): number[] => [...varint((field << 3) | 2), ...varint(body.length), ...body];

const textField = (field: number, value: string): number[] => bytesField(field, [...Buffer.from(value)]);

/**
 * Serialised `ConfigProto` (tensorflow/core/protobuf/config.proto): thread counts; of the GPUs that CUDA_VISIBLE_DEVICES
 * leaves only the first, whose memory is taken as it is needed; an op without a kernel there runs on the CPU.
 */
export function configProto(options: { intraOpThreads: number; interOpThreads: number }): Uint8Array {
  const gpuOptions = [...integerField(4 /* allow_growth */, 1), ...textField(5 /* visible_device_list */, "0")];
  return Uint8Array.from([
    ...integerField(2 /* intra_op_parallelism_threads */, options.intraOpThreads),
    ...integerField(5 /* inter_op_parallelism_threads */, options.interOpThreads),
    ...bytesField(6 /* gpu_options */, gpuOptions),
    ...integerField(7 /* allow_soft_placement */, 1),
  ]);
}

interface Field {
  number: number;
  value: number;
  bytes: Uint8Array;
}

function* fields(buffer: Uint8Array): Generator<Field> {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = buffer[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < buffer.length) {
    const key = readVarint();
    const wire = key & 7;
    const field: Field = { number: Math.floor(key / 8), value: 0, bytes: new Uint8Array(0) };
    if (wire === 0) field.value = readVarint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = readVarint();
      field.bytes = buffer.subarray(at, at + length);
      at += length;
    }
    yield field;
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** What the recorder must know of an op: its inputs' grouping, its attributes' names, whether it has effects. */
export interface OpDefinition {
  inputs: { name: string; numberAttribute?: string; typeListAttribute?: string }[];
  attributes: Set<string>;
  stateful: boolean;
}

/** Reads the parts of a serialised `OpDef` (tensorflow/core/framework/op_def.proto) that the recorder needs. */
export function parseOpDefinition(serialised: Uint8Array): OpDefinition {
  const definition: OpDefinition = { inputs: [], attributes: new Set(), stateful: false };
  for (const field of fields(serialised)) {
    if (field.number === 2) {
      const input: OpDefinition["inputs"][number] = { name: "" };
      for (const part of fields(field.bytes)) {
        if (part.number === 1) input.name = text(part.bytes);
        if (part.number === 5) input.numberAttribute = text(part.bytes);
        if (part.number === 6) input.typeListAttribute = text(part.bytes);
      }
      definition.inputs.push(input);
    }
    if (field.number === 4) {
      for (const part of fields(field.bytes)) if (part.number === 1) definition.attributes.add(text(part.bytes));
    }
    if (field.number === 17) definition.stateful = field.value !== 0;
  }
  return definition;
}
