import { c, check, cString, status, type Pointer } from "./capi";
import { ATTR, int64s } from "./dtypes";
import { shapeList, stringList, type Attribute } from "./eager";
import type { GraphOutput } from "./recorder";

/** Packs `TF_Output` structs: an address and a 32-bit index, padded to 16 bytes. */
export function packOutputs(outputs: readonly GraphOutput[]): Uint8Array {
  const buffer = new ArrayBuffer(16 * Math.max(1, outputs.length));
  const addresses = new BigUint64Array(buffer);
  const indices = new Int32Array(buffer);
  outputs.forEach((output, i) => {
    addresses[2 * i] = BigInt(output.op);
    indices[4 * i + 2] = output.index;
  });
  return new Uint8Array(buffer);
}

/** Arranges a flat list of inputs as the op's definition groups them. */
export function groupInputs(declared: readonly { numberAttribute?: string; typeListAttribute?: string }[], attributes: readonly Attribute[], flat: readonly GraphOutput[]): (GraphOutput | GraphOutput[])[] {
  const grouped: (GraphOutput | GraphOutput[])[] = [];
  let at = 0;
  for (const input of declared) {
    if (input.numberAttribute !== undefined || input.typeListAttribute !== undefined) {
      const given = attributes.find((attribute) => attribute.name === input.numberAttribute)?.value;
      const count = typeof given === "number" ? given : flat.length - at - (declared.length - grouped.length - 1);
      grouped.push(flat.slice(at, at + count));
      at += count;
    } else {
      grouped.push(flat[at++]!);
    }
  }
  return grouped;
}

/** Sets one attribute of a node that is being described. */
export function setNodeAttribute(description: Pointer, { name, type, value }: Attribute): void {
  const at = cString(name);
  const list = Array.isArray(value) ? (value as number[]) : null;
  switch (type) {
    case ATTR.TYPE:
      if (list) c.TF_SetAttrTypeList(description, at, Int32Array.from(list), list.length);
      else c.TF_SetAttrType(description, at, value as number);
      break;
    case ATTR.BOOL:
      if (list) c.TF_SetAttrBoolList(description, at, Uint8Array.from(list, Number), list.length);
      else c.TF_SetAttrBool(description, at, value ? 1 : 0);
      break;
    case ATTR.INT:
      if (list) c.TF_SetAttrIntList(description, at, int64s(list), list.length);
      else c.TF_SetAttrInt(description, at, value as number);
      break;
    case ATTR.FLOAT:
      if (list) c.TF_SetAttrFloatList(description, at, Float32Array.from(list), list.length);
      else c.TF_SetAttrFloat(description, at, value as number);
      break;
    case ATTR.STRING:
      if (list) {
        const { addresses, lengths } = stringList(list);
        c.TF_SetAttrStringList(description, at, addresses, lengths, list.length);
      } else {
        const bytes = typeof value === "string" ? Buffer.from(value) : (value as Uint8Array);
        c.TF_SetAttrString(description, at, bytes, bytes.length);
      }
      break;
    case ATTR.SHAPE: {
      const many = shapeList(value);
      const dims = many ? null : int64s(value as number[]);
      if (many) c.TF_SetAttrShapeList(description, at, many.addresses, many.ranks, many.ranks.length);
      else c.TF_SetAttrShape(description, at, dims, dims!.length);
      break;
    }
    case ATTR.TENSOR:
      c.TF_SetAttrTensor(description, at, value as Pointer, status);
      check(name);
      break;
    case ATTR.FUNC: {
      const bytes = Buffer.from(value as string);
      c.TF_SetAttrFuncName(description, at, bytes, bytes.length);
      break;
    }
    default:
      throw new Error(`Attribute ${name} has kind ${type}, which the recorder does not know.`);
  }
}
