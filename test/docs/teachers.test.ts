import { test } from "node:test";
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import * as alignlab from "../../src";
import { typescript as ts } from "../../kernel/tslab";
import { codeBlocks, root } from "./blocks";

const program = codeBlocks("teachers.md", "ts").join("\n\n");

/** Runs the guide's cells with what a student might have written in place of the last line but one of the function. */
async function run(line = "return sum / values.length;"): Promise<string[]> {
  const shown: string[] = [];
  const kernel = Symbol.for("alignlab.kernel");
  (globalThis as Record<symbol, unknown>)[kernel] = { display: (data: Record<string, string>) => shown.push(data["text/plain"]!), clearOutput() {}, signal: new AbortController().signal };
  try {
    assert.ok(program.includes("return sum / values.length;"));
    const script = ts.transpileModule(program.replace("return sum / values.length;", line), { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS } }).outputText;
    const AsyncFunction = (async () => undefined).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>;
    await new AsyncFunction("require", "exports", script)(() => alignlab, {}).catch((error: unknown) => assert.ok(error instanceof alignlab.CheckError, String(error)));
    return shown;
  } finally {
    delete (globalThis as Record<symbol, unknown>)[kernel];
  }
}

test("the guide's own exercise: its hint shows, the answer there passes, its mistakes are recognised", async () => {
  process.env.ALIGNLAB_RUN_DIR = "runs/teachers-test";
  try {
    const [hint, passed] = await run();
    assert.match(hint!, /The mean of a list, hint 1 of 2: Add all values up first/);
    assert.match(passed!, /^✓ The mean of a list: passed/);
    for (const [line, says] of [["return sum;", /That is the sum/], ["return sum / (values.length - 1);", /one less than/], ["return values[0];", /not right yet/]] as const) {
      assert.match((await run(line)).at(-1)!, says);
    }
  } finally {
    delete process.env.ALIGNLAB_RUN_DIR;
    rmSync(join(root, "runs", "teachers-test"), { recursive: true, force: true });
  }
});
