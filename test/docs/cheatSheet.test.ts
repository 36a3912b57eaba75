import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Scalar } from "@tensorflow/tfjs";
import { typescript as ts } from "../../kernel/tslab";
import * as alignlab from "../../src";
import { tinyModel } from "../generate/tinyModel";
import { tinyTokenizer } from "../step/tiny";
import { codeBlocks, root } from "./blocks";

const blocks = codeBlocks("cheat-sheet.md", "ts");
const program = blocks.join("\n\n");
let folder = "";
let modelFolder = "";

before(async () => {
  mkdirSync(join(root, "runs"), { recursive: true });
  folder = mkdtempSync(join(root, "runs", "cheat-sheet-"));
  process.env.ALIGNLAB_RUN_DIR = relative(root, folder);
  process.env.ALIGNLAB_CACHE = join(folder, "cache");
  modelFolder = join(folder, "model");
  await alignlab.saveModel(modelFolder, { model: await tinyModel({ positions: 1024 }), tokenizer: tinyTokenizer() }, { card: "" });
});
after(() => {
  delete process.env.ALIGNLAB_RUN_DIR;
  rmSync(folder, { recursive: true });
});

test("every line of ours in the cheat sheet type-checks, as one program", () => {
  assert.ok(blocks.length >= 15);
  const file = join(folder, "sheet.ts");
  writeFileSync(file, `${program.replaceAll('"../src"', '"../../src"')}\n`);
  const config = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["sheet.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  try {
    execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail((error as { stdout?: string }).stdout ?? String(error));
  }
});

/** Runs the program on a tiny model in place of the packaged one. @returns the values of the named constants */
async function run(names: string[]): Promise<Record<string, unknown>> {
  const script = ts.transpileModule(program, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, esModuleInterop: true } }).outputText;
  const modules: Record<string, unknown> = { "../src": { ...alignlab, PACKAGED_MODEL: modelFolder, __esModule: true } };
  const AsyncFunction = (async () => undefined).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<Record<string, unknown>>;
  return new AsyncFunction("require", "exports", `${script}\nreturn { ${names.join(", ")} };`)((name: string) => modules[name], {});
}

test("every line of ours runs, from top to bottom, and does what it says", async () => {
  const found = await run(["answer", "beamAnswers", "history", "measured", "atStart", "train", "test", "chosen", "frame", "back", "text", "value", "answers", "drawn"]);
  const [first] = found.history as alignlab.LogRow[];
  assert.equal((found.train as unknown[]).length, 8);
  assert.equal(found.back, found.text);
  assert.ok(typeof found.answer === "string" && (found.beamAnswers as string[]).length === 2);
  assert.ok(Math.abs(first!.loss! - Math.LN2) < 1e-3, "the first DPO loss is ln 2");
  assert.ok("eval_loss" in (found.measured as alignlab.LogRow));
  assert.ok(Math.abs((await (found.atStart as Scalar).data())[0]! - Math.LN2) < 1e-6);
  // Of the four held-out pairs one is longer than 512 letters, the tiny tokenizer's tokens, and left out.
  assert.equal((found.chosen as Float32Array).length, 3);
  assert.equal((found.drawn as alignlab.RolloutSample[]).length, 2 * 8);
  // softmax([5, 11])[0]
  assert.ok(Math.abs((found.value as number) - 1 / (1 + Math.exp(6))) < 1e-6);
  for (const file of ["dpo-final/model.safetensors", "adapter/adapter_config.json"]) assert.ok(existsSync(join(folder, file)), file);
  assert.match(readFileSync(join(folder, "dpo-final/README.md"), "utf8"), /A first DPO model/);
});

test("the Python lines are Python, and one block stands beside each of ours", () => {
  const python = codeBlocks("cheat-sheet.md", "python");
  assert.equal(python.length, blocks.length);
  execFileSync("python3", ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], { input: python.join("\n") });
});
