import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { Notebook, printed, root } from "./notebook";

let notebook: Notebook;
before(async () => {
  notebook = await Notebook.open(join(root, "test", "kernel"));
});
after(() => notebook.close());

const host = `import { display, clearOutput } from "../../src/engine/host"`;

test("every one of 50,000 printed lines arrives, in order, and the cell becomes idle", async () => {
  const ran = await notebook.run("for (let i = 0; i < 50000; i++) console.log(`line ${i}`)");
  assert.equal(ran.idle, true);
  const lines = printed(ran).trimEnd().split("\n");
  assert.equal(lines.length, 50_000);
  assert.deepEqual(lines, Array.from({ length: 50_000 }, (_, i) => `line ${i}`));
  assert.ok(ran.outputs.length < 2000, `coalesced, not one message a line: ${ran.outputs.length}`);
});

test("stderr and stdout arrive complete, each under its own name and in the order printed", async () => {
  const ran = await notebook.run("for (let i = 0; i < 2000; i++) { console.log('out', i); console.error('err', i) }");
  const all = Array.from({ length: 2000 }, (_, i) => i);
  assert.equal(printed(ran), all.map((i) => `out ${i}\n`).join(""));
  assert.equal(printed(ran, "stderr"), all.map((i) => `err ${i}\n`).join(""));
  const text = ran.outputs.filter((output) => output.type === "stream").map((output) => output.text).join("");
  assert.ok(text.startsWith("out 0\nerr 0\nout 1\nerr 1\n"));
});

test("what is printed while a cell works is shown before it ends", async () => {
  const ran = await notebook.run(
    `console.log("first"); await new Promise((resolve) => setTimeout(resolve, 500)); console.log("second")`,
  );
  const streams = ran.outputs.filter((output) => output.type === "stream").map((output) => output.text);
  assert.deepEqual(streams, ["first\n", "second\n"]);
});

test("a character split between two writes arrives whole", async () => {
  const ran = await notebook.run(
    `const bytes = Buffer.from("smile 😀 and ü\\n"); process.stdout.write(bytes.subarray(0, 8)); process.stdout.write(bytes.subarray(8))`,
  );
  assert.equal(printed(ran), "smile 😀 and ü\n");
});

test("what a callback prints after its cell's end goes to that cell, also when another runs", async () => {
  const result = await notebook.runAll(
    [
      `setTimeout(() => console.log("late"), 600); console.log("early")`,
      `await new Promise((resolve) => setTimeout(resolve, 1200)); console.log("other")`,
    ],
    { settle: 0.3 },
  );
  assert.equal(printed(result.cells[0]!), "early\nlate\n");
  assert.equal(printed(result.cells[1]!), "other\n");
  const alone = await notebook.run(`setTimeout(() => console.log("after the end"), 300)`, { settle: 1 });
  assert.equal(printed(alone), "after the end\n");
});

test("a display is one whole bundle, and can be updated under its id", async () => {
  await notebook.run(host);
  const ran = await notebook.run(`
    display({ "image/svg+xml": "<svg/>", "text/plain": "a chart" }, { displayId: "chart-1", metadata: { isolated: true } });
    console.log("between");
    display({ "image/svg+xml": "<svg></svg>", "text/plain": "a chart" }, { displayId: "chart-1", update: true });`);
  assert.deepEqual(ran.outputs.slice(1), [
    {
      type: "display_data",
      data: { "image/svg+xml": "<svg/>", "text/plain": "a chart" },
      metadata: { isolated: true },
      transient: { display_id: "chart-1" },
    },
    { type: "stream", name: "stdout", text: "between\n" },
    {
      type: "update_display_data",
      data: { "image/svg+xml": "<svg></svg>", "text/plain": "a chart" },
      metadata: {},
      transient: { display_id: "chart-1" },
    },
  ]);
});

test("5,000 updates of a display all arrive", async () => {
  const ran = await notebook.run(
    `display({ "text/plain": "-1" }, { displayId: "many" }); for (let i = 0; i < 5000; i++) display({ "text/plain": String(i) }, { displayId: "many", update: true })`,
  );
  assert.equal(ran.idle, true);
  const values = ran.outputs.filter((output) => output.type === "update_display_data").map((output) => output.data?.["text/plain"]);
  assert.deepEqual(values, Array.from({ length: 5000 }, (_, i) => String(i)));
});

test("clearOutput asks the notebook to clear", async () => {
  const ran = await notebook.run(`console.log("a"); clearOutput(true); console.log("b")`);
  assert.deepEqual(
    ran.outputs.slice(1).map(({ type, text, wait }) => [type, text ?? wait]),
    [["stream", "a\n"], ["clear_output", true], ["stream", "b\n"]],
  );
});

test("the display of stock tslab still works", async () => {
  const ran = await notebook.run(`import { display as show } from "tslab"; show.html("<b>bold</b>")`);
  const shown = ran.outputs.find((output) => output.type === "display_data");
  assert.deepEqual(shown?.data, { "text/html": "<b>bold</b>" });
});

test("a cell's last value is its result; undefined and null are none", async () => {
  const ran = await notebook.run(`const list = [1, 2]; list`);
  const result = ran.outputs.find((output) => output.type === "execute_result");
  assert.equal(result?.data?.["text/plain"], "[ 1, 2 ]");
  assert.equal(result?.execution_count, ran.reply?.execution_count);
  const results = (await notebook.runAll(["undefined", "null", "console.log(1)", "const x = 5"])).cells.map(
    (cell) => cell.outputs.filter((output) => output.type === "execute_result").length,
  );
  assert.deepEqual(results, [0, 0, 0, 0]);
});

test("a value that knows how to show itself does", async () => {
  await notebook.run(
    `class Shown { [Symbol.for("Jupyter.display")]() { return { "text/html": "<i>rich</i>", "text/plain": "plain" } } }; const shown = new Shown()`,
  );
  const result = await notebook.run("shown");
  assert.deepEqual(result.outputs.at(-1)?.data, { "text/html": "<i>rich</i>", "text/plain": "plain" });
  const displayed = await notebook.run("display(shown)");
  assert.deepEqual(displayed.outputs.at(-1)?.data, { "text/html": "<i>rich</i>", "text/plain": "plain" });
});

test("a data frame is a table, its text escaped, its middle left out when it is long", async () => {
  await notebook.run(`import * as dfd from "danfojs-node"`, { timeout: 120 });
  const small = await notebook.run(
    `new dfd.DataFrame([{ prompt: "<b>hi</b> & \\"you\\"", loss: 0.693147180559 }, { prompt: "x", loss: 1 }])`,
  );
  const data = small.outputs.at(-1)?.data as Record<string, string>;
  assert.match(data["text/html"]!, /<th>prompt<\/th><th>loss<\/th>/);
  assert.match(data["text/html"]!, />&#60;b&#62;hi&#60;\/b&#62; &#38; &#34;you&#34;</);
  assert.match(data["text/html"]!, /<td>0\.693147<\/td>/);
  assert.match(data["text/plain"]!, /prompt +loss\n0 +<b>hi<\/b> & "you" +0\.693147\n1 +x +1\n2 rows × 2 columns/);
  const long = await notebook.run(`new dfd.DataFrame(Array.from({ length: 1000 }, (_, i) => ({ i })))`);
  const html = String(long.outputs.at(-1)?.data?.["text/html"]);
  assert.match(html, /1000 rows × 1 columns/);
  assert.match(html, /<td>29<\/td><\/tr><tr><th>…<\/th><td>…<\/td><\/tr><tr><th>990<\/th>/);
  const series = await notebook.run(`new dfd.Series([1.5, null, 3])`);
  assert.match(String(series.outputs.at(-1)?.data?.["text/html"]), /<td>1\.5<\/td>/);
});

test("characters of every kind arrive as they were printed, shown and thrown; half a character becomes one that a file can hold", async () => {
  const text = "ü é 漢字 עברית 🏳️‍🌈 \u0000 \u2028 \\ud83d";
  const ran = await notebook.run(`const größe = ${JSON.stringify(text).replace("\u2028", "\\u2028")}; console.log(größe); display({ "text/plain": größe }); größe`);
  assert.equal(printed(ran), `${text}\n`);
  assert.deepEqual(ran.outputs.filter(({ data }) => data).map(({ data }) => data!["text/plain"]), [text, text]);
  const failed = await notebook.run("throw new Error(größe)");
  assert.equal(failed.reply?.evalue, text);
  const half = await notebook.run(`console.log("😀"[0]); "\\\\" + "😀"[1]`);
  assert.equal(printed(half), "�\n");
  assert.equal(half.outputs.at(-1)?.data?.["text/plain"], "\\�");
});

test("a cell that prints without end is cut with a note, its last lines shown, and later cells print again", async () => {
  const ran = await notebook.run(`for (let i = 0; i < 130000; i++) console.log(String(i).padStart(99, "."))`);
  const text = printed(ran);
  assert.ok(text.length < 5_100_000, String(text.length));
  assert.match(text, /\.49999\n\n\[Cut here: this cell has printed 5,000,000 characters\.[^\n]*\]\n\[7,980,000 characters left out\.[^\n]*\]\n\.+129800\n/);
  assert.match(text, /\.129999\n$/);
  assert.equal(printed(await notebook.run(`console.log("again")`)), "again\n");
});

test("a large value is shown in part at once, and says so", async () => {
  const nested = await notebook.run("const nest = (sizes: number[]): unknown => sizes.length === 0 ? 0.5 : Array.from({ length: sizes[0]! }, () => nest(sizes.slice(1))); nest([60, 60, 60, 12])");
  const text = String(nested.outputs.at(-1)?.data?.["text/plain"]);
  assert.ok(text.length < 300_000 && text.includes("more items"), String(text.length));
  const long = await notebook.run(`"x".repeat(2_000_000)`);
  assert.match(String(long.outputs.at(-1)?.data?.["text/plain"]), /^x{1000000}\n\[Cut here: 1,000,000 of 2,000,000 characters are shown\.\]$/);
  const thrown = await notebook.run(`throw new Error("x".repeat(1_000_000))`);
  assert.match(thrown.reply!.evalue!, /^x{100000}\n\[Cut here: 100,000 of 1,000,000 characters are shown\.\]$/);
});
