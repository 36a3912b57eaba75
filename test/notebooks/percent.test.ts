import { test } from "node:test";
import assert from "node:assert/strict";
import { parsePercent } from "../../scripts/notebooks/percent";

const source = `// ---
// jupyter:
//   jupytext:
//     text_representation: {extension: .ts, format_name: percent}
// ---

// %% [markdown]
// # A heading
//
// Two lines,
//   the second indented.

// %% tags=["setup", "keep"] id="first"
import { tf } from "../../src";

const x = 1;

// %%
`;

test("cells, their text and their options", () => {
  const cells = parsePercent(source);
  assert.deepEqual(cells.map((cell) => cell.kind), ["markdown", "code", "code"]);
  assert.equal(cells[0].text, "# A heading\n\nTwo lines,\n  the second indented.");
  assert.equal(cells[1].text, 'import { tf } from "../../src";\n\nconst x = 1;');
  assert.deepEqual(cells[1].options, { tags: ["setup", "keep"], id: "first" });
  assert.equal(cells[1].line, 13);
  assert.equal(cells[2].text, "");
});

test("a markdown line without its comment mark is named by file and line", () => {
  assert.throws(() => parsePercent("// %% [markdown]\n// fine\nnot fine\n", "05.ts"), /05\.ts:3: .*must start with/);
});

test("text before the first cell and unknown cell kinds are refused", () => {
  assert.throws(() => parsePercent("const x = 1;\n// %%\n", "05.ts"), /05\.ts:1: text outside of a cell/);
  assert.throws(() => parsePercent("// %% [raw]\n// x\n", "05.ts"), /05\.ts:1: cells are code or \[markdown\]/);
});
