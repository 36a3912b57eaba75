import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { typescript as ts } from "../../kernel/tslab";
import { editionCells, type Edition } from "../../scripts/notebooks/editions";
import { notebookNames, sourcePath } from "../../scripts/notebooks/folders";
import { parsePercent } from "../../scripts/notebooks/percent";
import { tf } from "../../src/engine/backend";
import { exercises, type ExerciseId } from "../../src/exercises/checks/index";
import { judge } from "../../src/exercises/judge";
import { todo } from "../../src/exercises/todo";

const isCheck = /^await check\("(.*?)", (\w+)(?:, (\{ hidden: true \}))?\);$/gm;

/**
 * The checks of an edition, as [exercise, the function that is checked, whether with the hidden cases]. The code of the
 * cells that define the functions runs in order, as in a notebook.
 */
function checkedFunctions(source: string, edition: Edition): [ExerciseId, unknown, boolean][] {
  const cells = editionCells(parsePercent(source), edition);
  const checked = cells.flatMap((cell) => [...cell.text.matchAll(isCheck)].map(([, id, name, hidden]) => ({ id, name, hidden: hidden !== undefined })));
  const names = new Set(checked.map(({ name }) => name));
  const defining = cells.filter((cell) => names.has(/^function (\w+)/m.exec(cell.text)?.[1] ?? ""));
  const results = checked.map(({ id, name, hidden }) => `["${id}", ${name}, ${hidden}]`);
  const script = ts.transpileModule(`${defining.map((cell) => cell.text).join("\n")}\nreturn [${results.join(", ")}];`, { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText;
  return new Function("tf", "todo", script)(tf, todo) as [ExerciseId, unknown, boolean][];
}

for (const name of notebookNames().filter((notebook) => !notebook.startsWith("00"))) {
  const source = readFileSync(sourcePath(name), "utf8");

  test(`${name}: every check is still to do in the student edition, and its hint is folded above it`, async () => {
    const functions = checkedFunctions(source, "student");
    assert.ok(functions.length > 0);
    for (const [id, answer] of functions) assert.equal((await judge(exercises[id] as never, answer as never)).state, "todo", id);
    const cells = editionCells(parsePercent(source), "student");
    cells.forEach((cell, index) => {
      if (/^\s*todo\(/m.test(cell.text)) assert.match(cells[index - 1].text, /^<details><summary>Hint<\/summary>\n\n[\s\S]+<\/details>$/, cell.text);
    });
  });

  test(`${name}: every check passes in the solution edition, with the hidden cases, too, whatever came before it`, async () => {
    const checks = checkedFunctions(source, "solution");
    const hidden = checks.filter(([, , isHidden]) => isHidden).map(([id]) => id);
    assert.deepEqual([...new Set(hidden)].sort(), [...new Set(checks.map(([id]) => id))].sort());
    for (const [id, answer, isHidden] of [...checks, ...checks.reverse()]) {
      const verdict = await judge(exercises[id] as never, answer as never, { hidden: isHidden });
      assert.equal(verdict.state, "passed", JSON.stringify(verdict));
      assert.ok(verdict.right.length > 0);
    }
  });

  test(`${name}: the student edition knows nothing of the hidden cases`, () => {
    assert.ok(checkedFunctions(source, "student").every(([, , hidden]) => !hidden));
  });
}
