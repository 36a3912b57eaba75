import type { DataType } from "@tensorflow/tfjs";
import { ATTR, dtypeNumber } from "./dtypes";
import type { Attribute } from "./eager";

/** Attributes of a TensorFlow op as the engine's code writes them; numbers are integers unless said to be floats. */
export type RawAttributes = Record<string, boolean | number | string | number[] | string[] | { type: number | number[] } | { float: number | number[] }>;

/** An attribute that names a data type. */
export function type(dtype: DataType): { type: number } {
  return { type: dtypeNumber(dtype) };
}

export function attributesOf(attributes: RawAttributes): Attribute[] {
  return Object.entries(attributes).map(([name, value]): Attribute => {
    if (typeof value === "boolean") return { name, type: ATTR.BOOL, value };
    if (typeof value === "string" || (Array.isArray(value) && typeof value[0] === "string")) return { name, type: ATTR.STRING, value };
    if (typeof value === "number" || Array.isArray(value)) return { name, type: ATTR.INT, value };
    return "type" in value ? { name, type: ATTR.TYPE, value: value.type } : { name, type: ATTR.FLOAT, value: value.float };
  });
}
