import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { limitBundle, limitText, PrintLimit, viewOf } from "../../kernel/limit";

test("what a cell prints is shown as it comes up to 5,000,000 characters, then a note, and at the end the last 20,000", () => {
  const limit = new PrintLimit<"stdout" | "stderr">();
  const line = `${"x".repeat(99)}\n`;
  const shown = Array.from({ length: 60_000 }, () => limit.take("stdout", line));
  assert.ok(shown.slice(0, 50_000).every((text) => text === line));
  assert.match(shown[50_000]!, /^\n\[Cut here: this cell has printed 5,000,000 characters\. Of what follows, its end is shown when the cell ends\.\]\n$/);
  assert.ok(shown.slice(50_001).every((text) => text === ""));
  assert.equal(limit.take("stderr", "last words\n"), "");
  const ended = limit.close();
  assert.deepEqual(ended.map(({ name }) => name), [...Array.from({ length: 200 }, () => "stdout"), "stderr"]);
  const [note, first] = ended[0]!.text.split("]\n");
  assert.equal(note, "[980,011 characters left out. Print less, or write it to a file.");
  assert.equal(first!.length + ended.slice(1).reduce((sum, { text }) => sum + text.length, 0), 20_000);
  assert.equal(ended.at(-1)!.text, "last words\n");
  assert.deepEqual(limit.close(), []);
});

test("one text longer than all limits is cut in its middle, and no character is cut in two", () => {
  const limit = new PrintLimit<"stdout">();
  const shown = limit.take("stdout", `a${"😀".repeat(3_000_000)}b`);
  assert.match(shown, /^a(😀)+\n\[Cut here/u);
  const [ended] = limit.close();
  assert.match(ended!.text, /^\[[\d,]+ characters left out\. Print less, or write it to a file\.\]\n(😀)+b$/u);
  const hidden = Number(/^\[([\d,]+)/.exec(ended!.text)![1]!.replaceAll(",", ""));
  assert.equal(shown.split("\n[")[0]!.length + hidden + ended!.text.split("]\n")[1]!.length, 6_000_002);
  assert.match(limitText("😀".repeat(10), 5), /^😀😀\n\[Cut here: 4 of 20 characters are shown\.\]$/u);
});

test("a little more than the limit is shown whole in the end", () => {
  const limit = new PrintLimit<"stdout">();
  limit.take("stdout", "x".repeat(4_999_999));
  assert.match(limit.take("stdout", "yz"), /^y\n\[Cut here/);
  assert.deepEqual(limit.close(), [{ name: "stdout", text: "z" }]);
});

test("of an output too large, the plain text is cut and other types are left out, each with a note", () => {
  const svg = "<svg/>";
  const small = { "text/plain": "a chart", "image/svg+xml": svg, "application/json": { a: 1 } };
  assert.deepEqual(limitBundle(small), small);
  const large = limitBundle({ "text/plain": "t".repeat(1_000_001), "image/svg+xml": svg, "text/html": "h".repeat(20_000_001), "application/json": { rows: "r".repeat(20_000_000) } });
  assert.deepEqual(Object.keys(large), ["text/plain", "image/svg+xml"]);
  assert.match(
    String(large["text/plain"]),
    /^t{1000000}\n\[Cut here: 1,000,000 of 1,000,001 characters are shown\.\]\n\[text\/html left out: it has 20,000,001 characters, and an output may have 20,000,000\.\]\n\[application\/json left out: it has 20,000,011 characters/,
  );
  assert.match(String(limitBundle({ "text/html": "h".repeat(20_000_001) })["text/plain"]), /^\[text\/html left out/);
});

test("nested arrays are shown as far as they can be read, and inspect counts what it leaves out", () => {
  const nested = (sizes: number[]): unknown => (sizes.length === 0 ? 0.5 : Array.from({ length: sizes[0]! }, () => nested(sizes.slice(1))));
  for (const [value, most] of [[nested([40, 40]), 40 * 40], [nested([8, 64, 64]), 20_000], [nested([12, 12, 12, 12, 12]), 20_000]] as const) {
    const text = inspect(value, viewOf(value));
    const numbers = text.match(/0\.5/g)?.length ?? 0;
    assert.ok(numbers <= most, `${numbers} numbers`);
    if (most > 1600) assert.match(text, /more items/);
    else assert.equal(numbers, most);
  }
  assert.equal(viewOf({ name: "small", inner: [1, 2, { a: [new Map([[1, 2]])] }] }).maxArrayLength, 100);
});

test("judging a value runs no getter and ends on cycles", () => {
  const cyclic: Record<string, unknown> = { get trap(): never { throw new Error("read"); } };
  cyclic.self = cyclic;
  assert.equal(viewOf(cyclic).depth, 4);
  assert.equal(viewOf(new Proxy({}, { ownKeys: () => { throw new Error("trapped"); } })).depth, 4);
});
