import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readNotebook, studentText } from "../../scripts/notebooks/build";
import { editionCells } from "../../scripts/notebooks/editions";
import { notebookNames, notebookPath, root, sourcePath } from "../../scripts/notebooks/folders";
import { solutionProblems } from "../../scripts/notebooks/inspect";
import type { RunMetadata } from "../../scripts/notebooks/ipynb";
import { parsePercent } from "../../scripts/notebooks/percent";
import { questions, type QuestionId } from "../../src/exercises/questions";

const names = notebookNames();

test("the course has its notebooks", () => {
  assert.ok(names.includes("00-tour") && names.includes("01-dpo-from-scratch"));
});

for (const name of names) {
  const source = readFileSync(sourcePath(name), "utf8");

  test(`${name}: the student edition is up to date (npm run notebooks:build)`, () => {
    assert.equal(readFileSync(notebookPath(name, "student"), "utf8"), studentText(source, `${name}.ts`));
  });

  test(`${name}: the solution edition holds the outputs of a recorded run of this source`, () => {
    const solution = readNotebook(notebookPath(name, "solution"));
    assert.ok(solution, "it is missing: npm run notebooks:build");
    assert.deepEqual(solutionProblems(solution, source, `${name}.ts`), []);
  });

  test(`${name}: its first cell states the peak memory of the recorded run`, () => {
    const measured = (readNotebook(notebookPath(name, "solution"))?.metadata.alignlab as RunMetadata).peak_memory_gib;
    const stated = Number(/at most (\d+\.\d) GiB of\s+memory/.exec(parsePercent(source)[0].text)?.[1]);
    assert.ok(measured !== undefined && Math.abs(stated - measured) < 0.25, `stated ${stated} GiB, measured ${measured} GiB`);
  });

  test(`${name}: above each written answer stands the question that it asks`, () => {
    const words = (text: string): string => text.replace(/[`\s]+/g, " ");
    const cells = parsePercent(source);
    cells.forEach(({ text }, at) => {
      const id = /^question\("([\w-]+)",/m.exec(text)?.[1];
      if (id) assert.ok(words(cells[at - 1].text).includes(words(questions[id as QuestionId].ask)), id);
    });
  });

  test(`${name}: no line of a solution is in the student edition`, () => {
    const student = editionCells(parsePercent(source), "student").map((cell) => cell.text).join("\n");
    const solutions = [...source.matchAll(/\/\/ BEGIN SOLUTION.*\n([\s\S]*?)\n\s*\/\/ (?:STUDENT EDITION|END SOLUTION)/g)];
    assert.ok(solutions.length > 0);
    for (const [, code] of solutions) {
      for (const line of code.split("\n").map((text) => text.trim())) {
        if (line.length > 20) assert.ok(!student.includes(line), line);
      }
    }
  });
}

test("every student edition type-checks with its todos, so that a student meets no error but his own", () => {
  mkdirSync(join(root, "runs"), { recursive: true });
  const folder = mkdtempSync(join(root, "runs", "types-"));
  try {
    for (const name of names) {
      const cells = editionCells(parsePercent(readFileSync(sourcePath(name), "utf8")), "student").filter((cell) => cell.kind === "code");
      writeFileSync(join(folder, `${name}.ts`), cells.map((cell) => cell.text.replaceAll('from "../src"', 'from "../../src"')).join("\n\n"));
    }
    const config = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false, allowUnreachableCode: true }, include: ["."] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail((error as { stdout?: string }).stdout ?? String(error));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
