import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { countWatches, errorText, Notebook, printed, root, temporaryFolder } from "./notebook";

let folder: string;
let notebook: Notebook;
before(async () => {
  folder = temporaryFolder();
  writeFileSync(join(folder, "helper.ts"), `export const version: string = "one";\n`);
  writeFileSync(join(folder, "user.ts"), `import { version } from "./helper";\nexport const told = (): string => "told " + version;\n`);
  writeFileSync(join(folder, "apart.ts"), `export const loadedAt = process.hrtime.bigint();\n`);
  notebook = await Notebook.open(folder);
});
after(async () => {
  await notebook.close();
  rmSync(folder, { recursive: true });
});

test("cells share their variables, and may declare them again", async () => {
  for (const [cell, value] of [
    ["const a = 1; let b = 'x'; class Box { size = 1 }; function twice(n: number) { return 2 * n }; a", "1"],
    ["const a = 'now a string'; class Box { size = 2 }; a.length", "12"],
    ["const a = 'now a string'; class Box { size = 2 }; a.length", "12"],
    ["b = b + 'y'; b", "xy"],
    ["b", "xy"],
    ["new Box().size + twice(4)", "10"],
    ["let { p, q: [r] } = { p: 1, q: [2] }; p + r", "3"],
    ["p + r", "3"],
    ["enum Colour { Red = 5 }; interface Shape { sides: number }; const s: Shape = { sides: 3 }; s.sides", "3"],
    ["const s2: Shape = { sides: Colour.Red }; s2.sides", "5"],
  ] as const) {
    assert.equal(await notebook.value(cell), value, cell);
  }
});

test("await and for await stand at the top level", async () => {
  assert.equal(await notebook.value("const waited = await Promise.resolve(7); waited"), "7");
  assert.equal(await notebook.value("waited + 1"), "8");
  const loop = await notebook.run("async function* count() { yield 1; yield 2 }\nlet sum = 0\nfor await (const i of count()) sum += i\nsum");
  assert.equal(loop.outputs.at(-1)?.data?.["text/plain"], "3");
  assert.equal(await notebook.value("sum"), "3");
  assert.equal(await notebook.value("const o = { async f() { return await Promise.resolve(1) } }; 'no top-level await here'"), "no top-level await here");
});

test("loops keep their meaning: labels, bodies without braces, do-while", async () => {
  const code = `let trace = ""
outer: for (let i = 0; i < 3; i++) { for (const j of [0, 1]) { await null; if (j === 1) continue outer; trace += i } }
let n = 0; do await null, n++; while (n < 3)
for (const k in { x: 1 }) await null, trace += k
while (n < 5) n = await Promise.resolve(n + 1)
trace + n`;
  assert.equal(await notebook.value(code), "012x5");
});

test("imports resolve from the notebook's own folder, wherever it lies in the project", async () => {
  assert.equal(await notebook.value(`import { told } from "./user"; told()`), "told one");
  assert.equal(await notebook.value(`import { steps } from "../../../src/engine/host"; typeof steps`), "function");
  assert.equal(await notebook.value("process.cwd() === __dirname"), "true");
  assert.equal(await notebook.value("process.env.ALIGNLAB_ROOT"), root);
  const wrong = await notebook.run(`import { x } from "../src/engine/host"`);
  assert.match(errorText(wrong.outputs), /TS2307: Cannot find module '\.\.\/src\/engine\/host'/);
});

test("a cell with imports can run again, and its names can be declared anew", async () => {
  const cell = `import { told } from "./user"; import * as all from "./user"; import fs, { readFileSync as read } from "node:fs"; typeof told + typeof all.told + typeof fs.statSync + typeof read`;
  assert.equal(await notebook.value(cell), "functionfunctionfunctionfunction");
  assert.equal(await notebook.value(cell), "functionfunctionfunctionfunction");
  assert.equal(await notebook.value("const read = 5; read + 1"), "6");
  assert.equal(await notebook.value("read"), "5");
});

test("imported names keep their types", async () => {
  const ran = await notebook.run(`const wrong: number = told()`);
  assert.match(errorText(ran.outputs), /TS2322: Type 'string' is not assignable to type 'number'/);
});

test("packages with an exports map have types and load", async () => {
  assert.equal(await notebook.value(`import { parquetMetadata } from "hyparquet"; typeof parquetMetadata`), "function");
  const ran = await notebook.run("const n: number = parquetMetadata");
  assert.match(errorText(ran.outputs), /TS2322/);
  assert.equal(await notebook.value("[3, 1, 2].toSorted().join()"), "1,2,3");
});

test("an edited file is loaded again with those that depend on it, others are not, and the cell says so", async () => {
  const before = await notebook.value(`import { told } from "./user"; import { loadedAt } from "./apart"; loadedAt`);
  writeFileSync(join(folder, "helper.ts"), `export const version: string = "two";\nexport const added = 5;\n`);
  const ran = await notebook.run(`import { told } from "./user"; import { loadedAt } from "./apart"; console.log(told()); loadedAt`);
  assert.match(printed(ran), /Edited since the last cell: .*helper\.ts and 1 that depend on it\..*\ntold two\n/);
  assert.equal(ran.outputs.at(-1)?.data?.["text/plain"], before);
  assert.equal(await notebook.value(`import { added } from "./helper"; added`), "5");
});

test("a file written after its import failed is found", async () => {
  const missing = await notebook.run(`import { fresh } from "./fresh"`);
  assert.match(errorText(missing.outputs), /TS2307/);
  writeFileSync(join(folder, "fresh.ts"), `export const fresh: number = 3;\n`);
  assert.equal(await notebook.value(`import { fresh } from "./fresh"; fresh`), "3");
});

test("a file that fails while it loads can be mended and imported", async () => {
  writeFileSync(join(folder, "faulty.ts"), `export const good: number = 1;\nthrow new Error("at load");\n`);
  const failed = await notebook.run(`import { good } from "./faulty"; good`);
  assert.match(errorText(failed.outputs), /Error: at load\n    at .*faulty\.ts:2:7/);
  writeFileSync(join(folder, "faulty.ts"), `export const good: number = 2;\n`);
  assert.equal(await notebook.value(`import { good } from "./faulty"; good`), "2");
});

test("nothing under node_modules is watched", async () => {
  await notebook.value(`import * as tf from "@tensorflow/tfjs"; 1`);
  const watches = countWatches(notebook.pid);
  assert.ok(watches <= 3, `${watches} inotify watches`);
});

test("a cell can import a file of the project dynamically", async () => {
  assert.equal(await notebook.value(`const later = await import("./user"); later.told()`), "told two");
});

test("no file of src imports another dynamically: the kernel loads them as CommonJS", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const dynamic = files.filter((name) => /[^.\w]import\(\s*["'`]\./.test(readFileSync(join(root, "src", name), "utf8").replace(/typeof import\(/g, "")));
  assert.ok(files.length > 0);
  assert.deepEqual(dynamic, []);
});
