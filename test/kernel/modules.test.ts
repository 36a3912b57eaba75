import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Modules } from "../../kernel/modules";
import { temporaryFolder } from "./notebook";

/** Writes files of a project; an edit is another number in it. */
function writeFiles(root: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

test("what the running engine stands on is not loaded anew, and that is told once; all else is, with its dependents", async () => {
  const root = temporaryFolder();
  try {
    const number = (value: number): string => `export const value: number = ${value};\n`;
    writeFiles(root, {
      "src/engine/host.ts": number(1), "src/engine/backend.ts": `import { value } from "./host";\nexport const held = { value };\n`,
      "src/loss/dpo.ts": `import { held } from "../engine/backend";\nexport const loss = { of: held, edit: 1 };\n`, "src/index.ts": `export { loss } from "./loss/dpo";\nexport { held } from "./engine/backend";\n`,
    });
    const modules = new Modules(join(root, "notebooks"), root);
    const load = (): { loss: { of: object; edit: number }; held: object } => modules.require("../src/index") as never;
    const before = load();
    modules.note();
    assert.deepEqual(modules.refresh(), { changed: [], dependents: 0, held: [] });
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFiles(root, { "src/engine/host.ts": number(2), "src/loss/dpo.ts": `import { held } from "../engine/backend";\nexport const loss = { of: held, edit: 2 };\n` });
    assert.deepEqual(modules.refresh(), { changed: ["src/loss/dpo.ts"], dependents: 1, held: ["src/engine/host.ts"] });
    const after = load();
    modules.note();
    assert.equal(after.loss.edit, 2);
    assert.equal(after.held, before.held);
    assert.equal(after.loss.of, before.held);
    assert.deepEqual(modules.refresh(), { changed: [], dependents: 0, held: [] });
  } finally {
    rmSync(root, { recursive: true });
  }
});
