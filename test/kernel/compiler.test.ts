import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Compiler } from "../../kernel/compiler";

const root = join(__dirname, "../..");

test("a module that was read ahead takes nothing from what cells know: ES2023 among it", () => {
  const compiler = new Compiler(join(root, "notebooks"), root);
  compiler.preload(join(root, "src", "engine", "host"));
  assert.match(compiler.compile("const sorted: number[] = [3, 1, 2].toSorted()").code, /toSorted/);
});
