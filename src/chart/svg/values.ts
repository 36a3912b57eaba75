import type { Trace } from "../figure";
import type { Letter, Value } from "./scale";

type Scatter = Extract<Trace, { type?: "scatter" }>;

/** The values of a trace along one axis. */
export function valuesOf(trace: Trace, letter: Letter): Value[] {
  const values = (trace as Scatter)[letter] as ArrayLike<Value> | undefined;
  if (values) return Array.from(values);
  const other = (trace as Scatter)[letter === "x" ? "y" : "x"] as ArrayLike<Value> | undefined;
  return Array.from(other ?? [], (_, index) => index);
}

/** The half lengths of a trace's error bars: up and down. */
export function errorsOf(trace: Trace, letter: Letter): { up: number[]; down: number[] } | undefined {
  const error = (trace as Scatter)[letter === "y" ? "error_y" : "error_x"];
  if (!error?.array || error.visible === false) return undefined;
  const up = Array.from(error.array as ArrayLike<number>);
  return { up, down: error.symmetric === false ? Array.from(error.arrayminus as ArrayLike<number>) : up };
}
