import { test } from "node:test";
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { notebookNames } from "../../scripts/notebooks/folders";
import { runMimeType, runNotebook } from "../../scripts/notebooks/run";

for (const name of notebookNames()) {
  test(`${name} runs from top to bottom in quick mode through the real kernel`, async () => {
    const { exitCode, folder, notebook, failures, peak } = await runNotebook({ name, edition: "solution", profile: "quick" }, false);
    const told = failures.map(({ index, failure }) => `cell ${index + 1}: ${failure.traceback ?? failure.evalue}`).join("\n");
    assert.equal(exitCode, 0, `${told}\nThe executed notebook and the kernel's log are in ${folder}.`);
    const code = notebook.cells.filter((cell) => cell.cell_type === "code");
    assert.ok(code.every((cell) => cell.execution_count != null), "every cell was run");
    assert.ok(code.some((cell) => cell.outputs?.some((output) => output.data?.[runMimeType])), "the run said what it runs on");
    assert.ok(peak === null || peak < 6 * 2 ** 30, `a machine with 8 GiB has room for ${(peak! / 2 ** 30).toFixed(1)} GiB, with JupyterLab and a browser beside it`);
    // Kept on failure, for a look at it.
    rmSync(folder, { recursive: true });
  });
}
