import * as util from "node:util";
import type * as tfjs from "@tensorflow/tfjs";

// tfjs-node 4.22 calls two functions that Node 23 removed from util.
const legacy = util as unknown as { isNullOrUndefined?: (x: unknown) => boolean; isArray?: (x: unknown) => boolean };
function restoreUtil(): void {
  const target = require("util") as typeof legacy;
  target.isNullOrUndefined ??= (x) => x === null || x === undefined;
  target.isArray ??= Array.isArray;
}
restoreUtil();

/** The one tfjs of this process. */
export const tf = require("@tensorflow/tfjs") as typeof tfjs;
