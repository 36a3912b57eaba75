import { test } from "node:test";
import assert from "node:assert/strict";
import { editionCells, rewriteImports, rewriteLinks } from "../../scripts/notebooks/editions";
import { parsePercent } from "../../scripts/notebooks/percent";

const source = `// %%
import { check, tf } from "../../src";
// %%
function twice(x: number): number {
  // The factor is an integer.
  // BEGIN SOLUTION: double "x"
  return 2 * x;
  // END SOLUTION
}
// %%
let answer = "";
// BEGIN SOLUTION
answer = "Because of the answer.";
// STUDENT EDITION
// answer = \`
// write here\`;
// END SOLUTION
`;
const texts = (edition: "student" | "solution") => editionCells(parsePercent(source), edition).map((cell) => cell.text);

test("the student edition has a todo in place of the solution and keeps the comments before it", () => {
  const [imports, twice, question] = texts("student");
  assert.equal(imports, 'import { check, tf, todo } from "../src";');
  assert.equal(twice, 'function twice(x: number): number {\n  // The factor is an integer.\n  todo("double \\"x\\"");\n}');
  assert.equal(question, 'let answer = "";\nanswer = `\nwrite here`;');
});

test("the solution edition keeps the solution between nbgrader's marks", () => {
  const [imports, twice, question] = texts("solution");
  assert.equal(imports, 'import { check, tf } from "../../src";');
  assert.match(twice, /\/\/ BEGIN SOLUTION: double "x"\n {2}return 2 \* x;\n {2}\/\/ END SOLUTION/);
  assert.equal(question, 'let answer = "";\n// BEGIN SOLUTION\nanswer = "Because of the answer.";\n// END SOLUTION');
});

test("no line of a solution is left in the student edition", () => {
  const student = texts("student").join("\n");
  for (const line of ["return 2 * x;", "Because of the answer."]) assert.ok(!student.includes(line), line);
});

test("todo joins names imported over several lines", () => {
  const cells = parsePercent('// %%\nimport {\n  check,\n  tf,\n} from "../../src";\n// BEGIN SOLUTION\nx();\n// END SOLUTION\n');
  assert.match(editionCells(cells, "student")[0].text, /^import \{\n {2}check,\n {2}tf,\n {2}todo,\n\} from "\.\.\/src";\ntodo\(\);$/);
});

test("marks that do not match are named by line", () => {
  const bad = (body: string) => () => editionCells(parsePercent(`// %%\n${body}\n`), "student", "07.ts");
  assert.throws(bad("// BEGIN SOLUTION\nx"), /07\.ts:2: BEGIN SOLUTION without an END/);
  assert.throws(bad("x\n// END SOLUTION"), /07\.ts:3: END SOLUTION without its BEGIN/);
  assert.throws(bad("// BEGIN SOLUTION\n// BEGIN SOLUTION"), /07\.ts:3: BEGIN SOLUTION inside/);
});

test("hidden tests are in the solution edition alone, and their marks have partners", () => {
  const cells = parsePercent("// %%\nawait check(x);\n// BEGIN HIDDEN TESTS\nawait check(y);\n// END HIDDEN TESTS\nz;\n");
  assert.equal(editionCells(cells, "student")[0].text, "await check(x);\nz;");
  assert.equal(editionCells(cells, "solution")[0].text, cells[0].text);
  const bad = (body: string) => () => editionCells(parsePercent(`// %%\n${body}\n`), "student", "07.ts");
  assert.throws(bad("// BEGIN HIDDEN TESTS\nx"), /07\.ts:1: BEGIN HIDDEN TESTS without an END/);
  assert.throws(bad("x\n// END HIDDEN TESTS"), /END HIDDEN TESTS without its partner/);
  assert.throws(bad("// BEGIN HIDDEN TESTS\n// BEGIN HIDDEN TESTS\n// END HIDDEN TESTS"), /BEGIN HIDDEN TESTS without its partner/);
});

test("an edition can lie elsewhere, with todo at hand", () => {
  const [imports] = editionCells(parsePercent(source), "solution", "07.ts", { folder: "runs/course/autograded/student/07", needsTodo: true });
  assert.equal(imports.text, 'import { check, tf, todo } from "../../../../../src";');
});

test("imports resolve from the notebook's own folder", () => {
  const code = 'import { a } from "../../src";\nimport "../../src/x";\nconst b = await import(\'../../data/y\');\nimport fs from "node:fs";';
  assert.equal(
    rewriteImports(code, "notebooks"),
    'import { a } from "../src";\nimport "../src/x";\nconst b = await import(\'../data/y\');\nimport fs from "node:fs";',
  );
  assert.equal(rewriteImports(code, "notebooks/solutions"), code);
  assert.equal(rewriteImports('import { a } from "./own";', "notebooks"), 'import { a } from "./source/own";');
});

test("links that lead out of the notebooks' folder are rewritten for each edition", () => {
  const text = "[a](../../docs/a.md#b), ![c](../../docs/c.png), [next](01-x.ipynb), [far](https://example.org/../../a)";
  assert.equal(rewriteLinks(text, "notebooks"), "[a](../docs/a.md#b), ![c](../docs/c.png), [next](01-x.ipynb), [far](https://example.org/../../a)");
  assert.equal(rewriteLinks(text, "notebooks/solutions"), text);
  const [cell] = editionCells([{ kind: "markdown", text: "[a](../../docs/a.md)", line: 1, options: {} }], "student");
  assert.equal(cell.text, "[a](../docs/a.md)");
});
