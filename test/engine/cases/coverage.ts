import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { binding, tf } from "../../../src/engine/backend";

const SRC = resolve(__dirname, "..", "..", "..", "src");
/** Kernels registered anew implement tfjs's ops; tfjs-core's own suite tests them. */
const KERNELS = join(SRC, "engine", "kernels");

/** Stand in for TensorFlow where it does not compute; the tests of the backends hold them against it. */
const ELSEWHERE = [join(SRC, "engine", "portable"), join(SRC, "engine", "fallback.ts"), join(SRC, "engine", "wasm.ts"), join(SRC, "engine", "webgpuMemory.ts"), join(SRC, "engine", "webgpuPrecise.ts"), join(SRC, "engine", "webgpuSplit.ts")];

/** Where rawOp and its like are defined. */
const DEFINITIONS = join("engine", "backend.ts");

/** Functions of tfjs that the library uses and that compute nothing. Each must be in use, see the test. */
export const NO_OPS = new Set([
  "customGrad", "dispose", "engine", "getBackend", "keep", "memory", "registerBackend", "registerKernel", "setBackend", "tidy", "unregisterKernel", "variable", "variableGrads", "getKernel", "ready",
]);

const core = require("@tensorflow/tfjs-core") as Record<string, unknown>;

export interface UsedOps {
  /** Names in tfjs: `add`, `linalg.bandPart`. */
  tfjs: Set<string>;
  /** TensorFlow's own names, as `rawOp` and `updateVariables` take them. */
  raw: Set<string>;
  noOps: Set<string>;
  /** Calls whose op's name is not written where it is called. */
  unreadable: string[];
}

const isFunction = (path: string): boolean => typeof path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], tf) === "function";
/** Names that arrays, strings, maps and promises have too: `.slice(` says nothing of tensors. */
const OF_JAVASCRIPT = new Set([Array, String, Map, Set, Promise, Number, Float32Array].flatMap((one) => Object.getOwnPropertyNames(one.prototype)));

/** Ops that the text of a source file calls. */
export function opsIn(file: string, text: string, used: UsedOps): void {
  for (const [, path] of text.matchAll(/\btf\.([a-zA-Z]\w*(?:\.[a-zA-Z]\w*)?)\(/g)) {
    if (!isFunction(path!) || /^(util|backend_util|engine|Tensor|Variable)\b/.test(path!) && path !== "engine") continue;
    (NO_OPS.has(path!) ? used.noOps : used.tfjs).add(path!);
  }
  for (const [, name] of text.matchAll(/\)\s*\.([a-z]\w*)\(/g)) {
    if (name! in tf.Tensor.prototype && isFunction(name!) && !OF_JAVASCRIPT.has(name!)) used.tfjs.add(name!);
  }
  // A function that passes an op's name on says by its type which names there are.
  const unions = [...text.matchAll(/\((?:name|op): ((?:"\w+"(?: \| )?)+)/g)].flatMap(([, union]) => [...union!.matchAll(/"(\w+)"/g)].map(([, name]) => name!));
  for (const name of unions) used.raw.add(name);
  for (const [, called, first] of text.matchAll(/\b(rawOps?|updateVariables)\(\s*([^\s,)]+)/g)) {
    const literal = /^"(\w+)"$/.exec(first!)?.[1];
    if (literal) used.raw.add(literal);
    else if (file !== DEFINITIONS && !(/^(name|op)$/.test(first!) && unions.length > 0)) used.unreadable.push(`${file}: ${called}(${first}`);
  }
}

/** Every op that the library's source calls. */
export function usedOps(): UsedOps {
  const used: UsedOps = { tfjs: new Set(), raw: new Set(), noOps: new Set(), unreadable: [] };
  const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.path, entry.name))
    .filter((file) => file.endsWith(".ts") && ![KERNELS, ...ELSEWHERE].some((path) => file.startsWith(path)));
  for (const file of files) {
    const code = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    opsIn(relative(SRC, file), code, used);
  }
  return used;
}

/** Gradients that tfjs registers, by kernel. */
export const gradients = (): string[] => [...new Set(Object.values(core).filter((value): value is string => typeof value === "string" && tf.getGradient(value) !== undefined))];

/** Notes, from now on, which ops are called and which gradients are asked for. */
export function watchCalls(): { tfjs: Set<string>; raw: Set<string>; gradients: Set<string> } {
  const seen = { tfjs: new Set<string>(), raw: new Set<string>(), gradients: new Set<string>() };
  const wrap = (owner: Record<string, unknown>, key: string, path: string): void => {
    const stock = owner[key] as (...args: unknown[]) => unknown;
    owner[key] = Object.defineProperty((...args: unknown[]) => {
      seen.tfjs.add(path);
      return stock(...args);
    }, "name", { value: stock.name });
  };
  for (const [key, value] of Object.entries(core)) {
    if (typeof value === "function" && /^[a-z]/.test(key) && !NO_OPS.has(key)) wrap(core, key, key);
    if (["linalg", "image"].includes(key)) for (const inner of Object.keys(value as object)) wrap(value as Record<string, unknown>, inner, `${key}.${inner}`);
  }
  const { executeOp, updateResources } = binding;
  binding.executeOp = (name, ...rest) => {
    seen.raw.add(name);
    return executeOp.call(binding, name, ...rest);
  };
  binding.updateResources = (name, ...rest) => {
    seen.raw.add(name);
    return updateResources.call(binding, name, ...rest);
  };
  for (const name of gradients()) {
    const config = tf.getGradient(name)!;
    const { gradFunc } = config;
    config.gradFunc = (...args) => {
      seen.gradients.add(name);
      return gradFunc(...args);
    };
  }
  return seen;
}
