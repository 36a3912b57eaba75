import type { DataType } from "@tensorflow/tfjs";
import { ATTR, dtypeNumber } from "./dtypes";
import type { Attribute } from "./eager";

/** Attributes of a TensorFlow op as the engine's code writes them; numbers are integers unless said to be floats, a type or the sizes of a shape. */
export type RawAttributes = Record<
  string,
  boolean | number | string | boolean[] | number[] | string[] | { type: number | number[] } | { float: number | number[] } | { shape: readonly number[] } | ShapeList
>;

/** A list of shapes; apart from one shape it could not be told where it is empty. */
export interface ShapeList {
  shapes: readonly (readonly number[])[];
}

/** An attribute that names a data type. */
export function type(dtype: DataType): { type: number } {
  return { type: dtypeNumber(dtype) };
}

export function attributesOf(attributes: RawAttributes): Attribute[] {
  return Object.entries(attributes).map(([name, value]): Attribute => {
    const kind = typeof (Array.isArray(value) ? value[0] : value);
    if (kind === "boolean") return { name, type: ATTR.BOOL, value };
    if (kind === "string") return { name, type: ATTR.STRING, value };
    if (typeof value !== "object" || Array.isArray(value)) return { name, type: ATTR.INT, value };
    if ("type" in value) return { name, type: ATTR.TYPE, value: value.type };
    if ("float" in value) return { name, type: ATTR.FLOAT, value: value.float };
    return { name, type: ATTR.SHAPE, value: "shape" in value ? value.shape : value };
  });
}
