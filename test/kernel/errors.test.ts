import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { errorText, Notebook, printed, root } from "./notebook";

let notebook: Notebook;
before(async () => {
  notebook = await Notebook.open(join(root, "test", "kernel"));
});
after(() => notebook.close());

test("an error is an error message with its name, text, place and count", async () => {
  await notebook.run("const first = 1");
  const ran = await notebook.run(`const second = 2\nfunction fail(n: number): never {\n  throw new RangeError("too far: " + n)\n}\nfail(first)`);
  const error = ran.outputs.find((output) => output.type === "error");
  assert.equal(error?.ename, "RangeError");
  assert.equal(error?.evalue, "too far: 1");
  const count = ran.reply?.execution_count;
  assert.ok(count! > 1);
  assert.deepEqual(ran.reply, { ...ran.reply, status: "error", ename: "RangeError", evalue: "too far: 1" });
  assert.deepEqual(error?.traceback, [
    "RangeError: too far: 1",
    `    at fail (Cell [${count}], 3:9)`,
    `    at Cell [${count}], 5:1`,
    `  3 | ${"  throw new RangeError(\"too far: \" + n)"}`,
    `      ${" ".repeat(8)}^`,
  ]);
  assert.equal(printed(ran, "stderr"), "");
});

test("frames of other cells carry their own number and lines, also after an await", async () => {
  const defined = await notebook.run(`\n// a comment\nconst half = async (x: number) => {\n  await null\n  if (x % 2) throw new Error("odd")\n  return x / 2\n}`);
  const ran = await notebook.run(`type Odd = { a: 1 }\nconst h = await half(3)\nh`);
  const text = errorText(ran.outputs);
  assert.match(text, new RegExp(`at half \\(Cell \\[${defined.reply?.execution_count}\\], 5:20\\)`));
  assert.match(text, new RegExp(`at async Cell \\[${ran.reply?.execution_count}\\], 2:11`));
});

test("frames of the project are relative to it, frames of the kernel and of Node are left out", async () => {
  await notebook.run(`import { steps } from "../../src/engine/host"`);
  const ran = await notebook.run(`for await (const i of steps(-1)) console.log(i)`);
  const text = errorText(ran.outputs);
  assert.match(text, /^RangeError: steps\(n\) counts up from 0/);
  assert.match(text, /\(src\/engine\/host\.ts:\d+:\d+\)/);
  assert.doesNotMatch(text, /kernel\/|node:|tslab|alignlab-cell|file:/);
  assert.ok(!text.includes(root));
});

test("a cause is told with the error", async () => {
  const ran = await notebook.run(`try { JSON.parse("{") } catch (cause) { throw new Error("the file is not JSON", { cause }) }`);
  assert.match(errorText(ran.outputs), /^Error: the file is not JSON\n[^]*Caused by:\nSyntaxError: /);
});

test("a thrown value that is no Error is shown", async () => {
  const ran = await notebook.run(`throw { code: 7 }`);
  assert.equal(ran.reply?.evalue, "{ code: 7 }");
});

test("a printed error is labelled by its cell", async () => {
  const ran = await notebook.run(`\nconsole.log(new Error("shown, not thrown"))`);
  assert.match(printed(ran), new RegExp(`shown, not thrown\\n    at Cell \\[${ran.reply?.execution_count}\\], 2:13`));
});

test("type errors are error messages with line and column", async () => {
  const ran = await notebook.run(`const fine = 1\nconst wrong: number = "text"\nfine.missing`);
  const error = ran.outputs.find((output) => output.type === "error");
  assert.equal(error?.ename, "CompileError");
  assert.equal(error?.evalue, "2:7 - Type 'string' is not assignable to type 'number'.");
  const text = errorText(ran.outputs);
  assert.match(text, /2:7 - TS2322: Type 'string'.*\n  2 \| const wrong: number = "text"\n {12}\^/);
  assert.match(text, /3:6 - TS2339: Property 'missing' does not exist on type/);
  assert.equal(ran.reply?.status, "error");
});

test("a chain of type messages is one problem", async () => {
  const ran = await notebook.run(`const deep: { a: { b: number } } = { a: { b: "x" } as { b: string } }`);
  assert.equal(errorText(ran.outputs).match(/- TS\d+/g)?.length, 1);
});

test("types are strict", async () => {
  const ran = await notebook.run(`function untyped(x) { return x }`);
  assert.match(errorText(ran.outputs), /TS7006: Parameter 'x' implicitly has an 'any' type/);
});

test("syntax errors are error messages too", async () => {
  const ran = await notebook.run(`const = 5`);
  assert.equal(ran.reply?.ename, "CompileError");
  assert.match(errorText(ran.outputs), /1:7 - TS1134: Variable declaration expected/);
});

test("a failing cell keeps what it had set", async () => {
  await notebook.run(`const kept = "kept"; const broken: number = JSON.parse("x"); const later = 1`);
  assert.equal(await notebook.value("kept"), "kept");
  const read = await notebook.run("later + 1");
  assert.match(errorText(read.outputs), /ReferenceError: later has no value: cell \[\d+\] ended before it was set/);
  await notebook.run("const later = 5");
  assert.equal(await notebook.value("later + 1"), "6");
});

test("a function whose new version does not compile is not used as it was; other values stay", async () => {
  await notebook.run("function twice(x: number) { return x + 1 }\nconst thrice = (x: number) => 3 * x\nconst base = 4");
  await notebook.run("function twice(x: number): string { return 2 * x }\nconst thrice = (x: number) => 3 * y\nconst base = 5");
  for (const name of ["twice", "thrice"]) {
    const read = await notebook.run(`${name}(2)`);
    assert.match(errorText(read.outputs), new RegExp(`ReferenceError: ${name} is out of date: cell \\[\\d+\\] writes it anew and does not compile\\. Mend that cell`));
  }
  assert.equal(await notebook.value("base"), "4");
  await notebook.run("function twice(x: number) { return 2 * x }");
  assert.equal(await notebook.value("twice(2)"), "4");
});

test("cells after an error are aborted, unless they were sent with allow-errors", async () => {
  const stopped = await notebook.runAll([`throw new Error("stop here")`, `console.log("not run")`, "1"]);
  assert.deepEqual(stopped.cells.map((cell) => cell.reply?.status), ["error", "aborted", "aborted"]);
  assert.deepEqual(stopped.cells.slice(1).flatMap((cell) => cell.outputs), []);
  const allowed = await notebook.runAll([{ code: `throw new Error("go on")`, stop_on_error: false }, `console.log("run")`]);
  assert.deepEqual(allowed.cells.map((cell) => cell.reply?.status), ["error", "ok"]);
  assert.equal(printed(allowed.cells[1]!), "run\n");
  const [failed, next] = [allowed.cells[0]!, allowed.cells[1]!];
  assert.equal(next.reply!.execution_count, failed.reply!.execution_count! + 1);
});

test("an error that nothing waits for is told with its cell, and the kernel goes on", async () => {
  const rejected = await notebook.run(`void Promise.reject(new Error("nobody waits")); 1`, { settle: 0.5 });
  assert.match(printed(rejected, "stderr"), /Unhandled rejection: Error: nobody waits\n    at Cell \[\d+\], 1:21/);
  const thrown = await notebook.run(`setTimeout(() => { throw new Error("in a timer") }, 10)`, { settle: 0.5 });
  assert.match(printed(thrown, "stderr"), /Uncaught error: Error: in a timer/);
  assert.equal(await notebook.value("2 + 2"), "4");
});
