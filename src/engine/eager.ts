import { c, cBytes, cString, check, status, type Pointer } from "./capi";
import type { ShapeList } from "./attributes";
import type { Context } from "./context";
import { ATTR, int64s } from "./dtypes";

export interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

const bytesOf = (value: unknown): Uint8Array => (typeof value === "string" ? Buffer.from(value) : (value as Uint8Array));

/** Lengths and addresses of a list of byte strings, as the C API takes them. */
export function stringList(values: unknown[]): { addresses: BigUint64Array; lengths: BigUint64Array } {
  return {
    addresses: BigUint64Array.from(values, (value) => BigInt(cBytes(bytesOf(value)))),
    lengths: BigUint64Array.from(values, (value) => BigInt(bytesOf(value).length)),
  };
}

/** Addresses of the sizes of a list of shapes, and how many each has; null for one shape. */
export function shapeList(value: unknown): { addresses: BigUint64Array; ranks: Int32Array } | null {
  if (Array.isArray(value)) return null;
  const { shapes } = value as ShapeList;
  return {
    addresses: BigUint64Array.from(shapes, (shape) => BigInt(cBytes(new Uint8Array(int64s(shape).buffer)))),
    ranks: Int32Array.from(shapes, ({ length }) => length),
  };
}

function setAttribute(op: Pointer, { name, type, value }: Attribute): void {
  const at = cString(name);
  const list = Array.isArray(value) ? (value as number[]) : null;
  switch (type) {
    case ATTR.TYPE:
      if (list) c.TFE_OpSetAttrTypeList(op, at, Int32Array.from(list), list.length);
      else c.TFE_OpSetAttrType(op, at, value as number);
      break;
    case ATTR.BOOL:
      if (list) c.TFE_OpSetAttrBoolList(op, at, Uint8Array.from(list, Number), list.length);
      else c.TFE_OpSetAttrBool(op, at, value ? 1 : 0);
      break;
    case ATTR.INT:
      if (list) c.TFE_OpSetAttrIntList(op, at, int64s(list), list.length);
      else c.TFE_OpSetAttrInt(op, at, value as number);
      break;
    case ATTR.FLOAT:
      if (list) c.TFE_OpSetAttrFloatList(op, at, Float32Array.from(list), list.length);
      else c.TFE_OpSetAttrFloat(op, at, value as number);
      break;
    case ATTR.STRING:
      if (list) {
        const { addresses, lengths } = stringList(list);
        c.TFE_OpSetAttrStringList(op, at, addresses, lengths, list.length);
      } else {
        const bytes = bytesOf(value);
        c.TFE_OpSetAttrString(op, at, bytes, bytes.length);
      }
      break;
    case ATTR.SHAPE: {
      const many = shapeList(value);
      const dims = many ? null : int64s(value as number[]);
      if (many) c.TFE_OpSetAttrShapeList(op, at, many.addresses, many.ranks, many.ranks.length, status);
      else c.TFE_OpSetAttrShape(op, at, dims, dims!.length, status);
      check(name);
      break;
    }
    default:
      throw new Error(`Attribute ${name} has kind ${type}, which the engine does not pass to TensorFlow.`);
  }
}

let outputs = new BigUint64Array(64);
const outputCount = new Int32Array(1);

/** Runs one op now on handles. Returns the handles of its outputs, which the caller owns. */
export function execute(context: Context, name: string, attributes: readonly Attribute[], inputs: readonly Pointer[], numOutputs: number): Pointer[] {
  const op = c.TFE_NewOp(context.handle, cString(name), status);
  if (op === 0) check(name);
  try {
    if (context.gpu) c.TFE_OpSetDevice(op, cString(context.gpu.name), status);
    for (const input of inputs) c.TFE_OpAddInput(op, input, status);
    for (const attribute of attributes) setAttribute(op, attribute);
    if (outputs.length < numOutputs) outputs = new BigUint64Array(numOutputs * 2);
    outputCount[0] = numOutputs;
    c.TFE_Execute(op, outputs, outputCount, status);
    check(name);
  } finally {
    c.TFE_DeleteOp(op);
  }
  return Array.from({ length: outputCount[0]! }, (_, i) => Number(outputs[i]));
}
