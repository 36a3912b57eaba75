import { inspect } from "node:util";
import { displayMethod, type MimeBundle } from "../src/engine/host";
import { frameBundle, isFrame } from "./frame";
import { viewOf } from "./limit";
import { labelCells } from "./traceback";

const inspectOptions = { maxStringLength: 10_000, breakLength: 100 };

function toText(value: unknown): string {
  return typeof value === "string" ? value : labelCells(inspect(value, { ...inspectOptions, ...viewOf(value) }));
}

/** How a value is shown: by its own method, as a table, or as text. */
export function bundleOf(value: unknown): MimeBundle {
  const method = (value as { [displayMethod]?: unknown } | null | undefined)?.[displayMethod];
  if (typeof method === "function") return method.call(value) as MimeBundle;
  if (isFrame(value)) return frameBundle(value);
  return { "text/plain": toText(value) };
}
