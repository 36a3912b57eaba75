import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const SRC = resolve(__dirname, "..", "src");

/** Each folder's place in the flow; a folder imports from folders of a lower place only. loss and generate stand side by side. */
const PLACE: Record<string, number> = {
  engine: 0, hub: 1, stats: 1, data: 2, tokens: 3, model: 4, loss: 5, generate: 5, step: 6, log: 7, chart: 8, exercises: 9,
};

interface Import {
  from: string;
  to: string;
  place: string;
}

function wrongWay({ from, to }: Import): boolean {
  return from !== to && PLACE[to]! >= PLACE[from]!;
}

function importsOf(file: string, text: string): Import[] {
  const from = relative(SRC, file).split("/")[0]!;
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*"(\.[^"]+)"/g)].flatMap(([, path]) => {
    const target = relative(SRC, resolve(dirname(file), path!));
    const to = target.split("/")[0]!;
    return to in PLACE ? [{ from, to, place: `${relative(SRC, file)} → ${target}` }] : [];
  });
}

test("src: each folder imports only from its left", () => {
  const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.path, entry.name))
    .filter((file) => file !== join(SRC, "index.ts"));
  assert.ok(files.length > 80);
  const folders = new Set(files.map((file) => relative(SRC, file).split("/")[0]!));
  assert.deepEqual([...folders].sort(), Object.keys(PLACE).sort());
  const imports = files.flatMap((file) => importsOf(file, readFileSync(file, "utf8")));
  assert.ok(imports.length > 200);
  assert.deepEqual(imports.filter(wrongWay).map(({ place }) => place), []);
});

test("an import from the right is found", () => {
  const found = importsOf(join(SRC, "loss", "dpo.ts"), 'import { x } from "../step/trainer";\nimport { tf } from "../engine/backend";');
  assert.deepEqual(found.filter(wrongWay).map(({ place }) => place), ["loss/dpo.ts → step/trainer"]);
});
