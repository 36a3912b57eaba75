import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { sourcePath } from "../../scripts/notebooks/folders";
import { gradeMarks } from "../../scripts/notebooks/marks";
import { parsePercent } from "../../scripts/notebooks/percent";
import { exercises } from "../../src/exercises/checks/index";
import { course } from "../../src/exercises/course";
import { questions } from "../../src/exercises/questions";

const cells = (text: string) => parsePercent(text, "01.ts");
const solved = "// %%\nfunction pad() {\n  // BEGIN SOLUTION\n  x;\n  // END SOLUTION\n}\n// %%\nawait check(\"pad\", pad);\n// BEGIN HIDDEN TESTS\ny;\n// END HIDDEN TESTS\n";

test("a solution, its check, a written answer and the imports each have nbgrader's mark", () => {
  const written = '// %%\n// BEGIN SOLUTION\nconst a = "";\n// END SOLUTION\nquestion("padding-side", a);\n';
  const marks = gradeMarks(cells(`// %%\nimport { pad } from "../../src";\n${solved}${written}// %%\nx;\n// %% [markdown]\n// y\n`), "01");
  const common = { schema_version: 3, task: false };
  assert.deepEqual(marks, [
    { ...common, grade_id: "imports", grade: false, solution: false, locked: true },
    { ...common, grade_id: "answer-pad", grade: false, solution: true, locked: false },
    { ...common, grade_id: "check-pad", grade: true, solution: false, locked: true, points: 4 },
    { ...common, grade_id: "question-padding-side", grade: true, solution: true, locked: false, points: 4 },
    null, null,
  ]);
});

test("a notebook that is not marked has none; an exercise without points and a solution without a check are told", () => {
  assert.deepEqual(gradeMarks(cells(solved), "00"), [null, null]);
  assert.throws(() => gradeMarks(cells(solved.replace('check("pad"', 'check("padding"')), "01"), /gives "padding" no points in notebook 01/);
  assert.throws(() => gradeMarks(cells(solved.slice(0, solved.indexOf("// %%\nawait"))), "01"), /line 1: no cell after this solution checks it/);
});

test("the course gives points to every exercise and question of its notebooks, and to nothing else", () => {
  const marked = course.flatMap((entry) => Object.keys(entry.exercises));
  assert.deepEqual([...marked].sort(), Object.keys(exercises).sort());
  for (const { notebook, exercises: own, questions: asked } of course) {
    assert.ok(Object.keys(asked).every((id) => id in questions));
    const name = { "00": "00-tour", "01": "01-dpo-from-scratch" }[notebook]!;
    const marks = gradeMarks(parsePercent(readFileSync(sourcePath(name), "utf8")), notebook).filter((mark) => mark !== null);
    const ids = marks.map((mark) => mark!.grade_id);
    assert.equal(new Set(ids).size, ids.length, "grade ids are unique");
    if (Object.values(own).every((points) => points === 0)) {
      assert.deepEqual(ids, [], "practice is not marked");
      continue;
    }
    assert.deepEqual(ids.filter((id) => id.startsWith("check-")), Object.keys(own).map((id) => `check-${id}`));
    assert.deepEqual(ids.filter((id) => id.startsWith("question-")).sort(), Object.keys(asked).map((id) => `question-${id}`).sort());
  }
});
