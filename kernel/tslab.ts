/**
 * The only file that knows where tslab 1.0.22 keeps things; package.json pins it exactly. What we use or replace:
 *  - dist/converter: `createConverter` compiles a cell, remembers declarations, completes and inspects; `isCompleteCode`.
 *    It reads the working directory once, names the cell `__tslab__.ts` there, and puts the line `export {};` before it.
 *  - dist/inspect: `printQuickInfo`. dist/jupyter: `lastWriteDisplayData`, where `import { display } from "tslab"` writes.
 *  - its TypeScript (@tslab/typescript-for-tslab 5.0.4): the converter calls `createWatchCompilerHost`, `transpileModule`,
 *    `sys.watchFile` and `sys.watchDirectory` through the module object. We hand it a copy of that object whose
 *    properties can be set, before the converter is loaded, so that compiler.ts and files.ts can put theirs there.
 *  - its zeromq. Its executor, request handler and server are not used: their faults could not be mended from outside.
 */
import { createRequire } from "node:module";
import type * as Converter from "tslab/dist/converter";
import type * as Inspect from "tslab/dist/inspect";
import type * as TypeScript from "@tslab/typescript-for-tslab";
import type * as Zmq from "zeromq";

interface TslabJupyter {
  lastWriteDisplayData: ((content: { data: object; metadata: object; transient?: object }, update?: boolean) => void) | null;
}

const fromHere = createRequire(__filename);
const fromTslab = createRequire(fromHere.resolve("tslab"));

function settableTypeScript(): typeof TypeScript {
  const path = fromTslab.resolve("@tslab/typescript-for-tslab");
  const copy = { ...(fromTslab(path) as typeof TypeScript) };
  fromTslab.cache[path]!.exports = copy;
  return copy;
}

export const typescript = settableTypeScript();
export const tslabJupyter = (): TslabJupyter => fromTslab("./jupyter") as TslabJupyter;
export const { createConverter, isCompleteCode } = fromTslab("./converter") as typeof Converter;
export const { printQuickInfo } = fromTslab("./inspect") as typeof Inspect;
export const zmq = fromTslab("zeromq") as typeof Zmq;
