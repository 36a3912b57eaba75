import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { Compiler } from "../../kernel/compiler";

const root = join(__dirname, "../..");

/** Compiles cells in turn and runs them on one `exports`, as the kernel does. */
function runCells(cells: string[]): Record<string, unknown> {
  const compiler = new Compiler(join(root, "notebooks"), root);
  const values: Record<string, unknown> = {};
  for (const source of cells) {
    const cell = compiler.compile(source);
    new Function("exports", cell.code)(values);
    compiler.adopt(cell);
  }
  return values;
}

test("a short property finds its variable in an earlier cell, and its own cell's where the name is new", () => {
  const values = runCells([
    "const seed = 42; let low = 1, high = 2;",
    "const made = { seed, low }; const inner = ((seed: number) => ({ seed }))(3);",
    "({ low, high = 5 } = { low: 7 } as { low: number; high?: number });",
  ]);
  assert.deepEqual(values.made, { seed: 42, low: 1 });
  assert.deepEqual(values.inner, { seed: 3 });
  assert.deepEqual([values.low, values.high], [7, 5]);
});
