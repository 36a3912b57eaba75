import assert from "node:assert/strict";
import { test } from "node:test";
import { DataFrame } from "danfojs-node";
import { displayMethod } from "../../src/engine/host";
import { historyFrame } from "../../src/log/frame";
import { sideBySide, table } from "../../src/log/table";

test("numbers of one column share their decimals and stand at the right", () => {
  const { text } = table([{ name: "a", loss: 0.5, n: 12_345, rate: 5e-5 }, { name: "bb", loss: -10.25, n: 7, rate: 0 }]);
  assert.equal(text, ["name    loss       n      rate", "a       0.50  12,345  5.000e−5", "bb    −10.25       7         0"].join("\n"));
  assert.match(table([{ loss: 0.123456 }], { decimals: 1 }).text, /0\.1$/);
  assert.match(table([{ loss: 0.123456, other: 1.5 }], { decimals: { loss: 5 } }).text, /0\.12346 +1\.500$/);
});

test("a data frame shows as itself; NaN is there and faint", () => {
  const frame = historyFrame([{ step: 1, epoch: 0.5, loss: 0.7 }, { step: 2, epoch: 1, eval_loss: 0.6 }]);
  const shown = table(frame, { caption: "Log", columns: ["step", "eval_loss"], heads: { eval_loss: "held-out loss" } });
  assert.equal(shown.text, ["Log", "step  held-out loss", "   1            NaN", "   2         0.6000"].join("\n"));
  assert.match(shown.html, /<caption[^>]*>Log<\/caption>/);
  assert.match(shown.html, /content-font-color2[^"]*">NaN</);
  const named = table(new DataFrame([[1], [2]], { columns: ["x"], index: ["a", "b"] }));
  assert.match(named.text, /a +1\nb +2/, "an index of names is shown");
});

test("long tables are cut in the middle with a note, long texts at their end", () => {
  const { html, text } = table(Array.from({ length: 100 }, (_, at) => ({ at })), { maxRows: 5 });
  assert.deepEqual(text.split("\n").map((line) => line.trim()), ["at", "0", "1", "2", "…", "98", "99", "5 of 100 rows"]);
  assert.equal(html.split("<tr>").length - 1, 7);
  assert.match(table([{ text: "x".repeat(50) }], { maxText: 10 }).html, /x{10}… \(40 more characters\)/);
});

test("text keeps its lines and is never markup", () => {
  const { html, [displayMethod]: show } = table([{ answer: "<script>alert(1)</script>\n& <|im_end|>" }]);
  assert.doesNotMatch(html, /<script|<\|/);
  assert.match(html, /white-space: pre-wrap[^>]*>&#60;script&#62;alert\(1\)&#60;\/script&#62;\n&#38; &#60;\|im_end\|&#62;</);
  assert.deepEqual(Object.keys(show()), ["text/html", "text/plain"]);
});

test("rows with different keys, empty tables, columns that are not there", () => {
  assert.match(table([{ a: 1 }, { b: "x" }]).text, /a {2}b\n1\n {3}x/);
  assert.match(table([], { columns: ["a"] }).text, /a\nno rows/);
  assert.throws(() => table([{ a: 1 }], { columns: ["b"] }), /no column "b"; the columns are a/);
});

test("answers stand side by side, in words one after the other", () => {
  const { html, text } = sideBySide([{ title: "before", text: "As an AI" }, { title: "after <b>", text: "ha\nha" }], { caption: "What?" });
  assert.equal(text, "What?\n\n── before ──\nAs an AI\n\n── after <b> ──\nha\nha");
  assert.equal(html.match(/width: 50%/g)!.length, 4);
  assert.match(html, /after &#60;b&#62;/);
  assert.throws(() => sideBySide([]), /at least one/);
});

test("rows are sorted by a column, what is missing last, and the head says so", () => {
  const rows = [{ name: "b", loss: 0.5 }, { name: "a", loss: NaN }, { name: "c", loss: 0.25 }, { name: "run 10" }, { name: "run 9", loss: 0.75 }];
  assert.deepEqual(table(rows, { sortBy: "loss", columns: ["name"] }).text.split("\n"), ["name", "c", "b", "run 9", "a", "run 10"], "by a column that is not shown too");
  const { html, text } = table(rows, { sortBy: { column: "loss", descending: true } });
  assert.deepEqual(text.split("\n").map((line) => line.slice(0, 6).trim()), ["name", "run 9", "b", "c", "a", "run 10"]);
  assert.match(text, /loss ▼/);
  assert.match(html, /<th scope="col" aria-sort="descending"[^>]*>loss ▼<\/th>/);
  assert.deepEqual(table(rows, { sortBy: "name", columns: ["name"] }).text.split("\n").slice(1), ["a", "b", "c", "run 9", "run 10"]);
  assert.equal(rows[0]!.name, "b", "the caller's rows stay as they are");
  assert.doesNotMatch(html, /<script|onclick/);
  assert.throws(() => table(rows, { sortBy: "margin" }), /no column "margin"/);
});

test("a data frame is sorted with its index; danfojs's own sorting shows as it is", () => {
  const frame = new DataFrame([[3, "x"], [1, "y"], [2, "z"]], { columns: ["n", "name"] });
  assert.match(table(frame, { sortBy: "n" }).text, /^n ▲ {2}name\n *1 {2}y\n *2 {2}z\n *3 {2}x$/);
  const named = new DataFrame([[3], [1]], { columns: ["n"], index: ["p", "q"] });
  assert.match(table(named, { sortBy: "n" }).text, /q +1\np +3/);
  assert.match(table(frame.sortValues("n", { ascending: false })).text, /3 {2}x\n.*2 {2}z\n.*1 {2}y/);
});
