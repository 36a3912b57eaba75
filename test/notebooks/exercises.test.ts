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

/** The cells of an edition that check something, as [exercise, the function that is checked]. Their code runs in order, as in a notebook. */
function checkedFunctions(source: string, edition: Edition): [ExerciseId, unknown][] {
  const cells = editionCells(parsePercent(source), edition).filter((cell) => /^await check\(.*\);$/m.test(cell.text) && /^function /m.test(cell.text));
  const checked: string[] = [];
  const code = cells.map((cell) => cell.text.replace(/^await check\((".*?"), (\w+)\).*$/gm, (_, id: string, name: string) => (checked.push(`[${id}, ${name}]`), "")));
  const script = ts.transpileModule(`${code.join("\n")}\nreturn [${checked.join(", ")}];`, { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText;
  return new Function("tf", "todo", script)(tf, todo) as [ExerciseId, unknown][];
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

  test(`${name}: every check passes in the solution edition`, async () => {
    for (const [id, answer] of checkedFunctions(source, "solution")) {
      const verdict = await judge(exercises[id] as never, answer as never);
      assert.equal(verdict.state, "passed", JSON.stringify(verdict));
    }
  });
}
