import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** The rows of a JSON lines file that ends with a line break. */
export function readRows<Row>(file: string): Row[] {
  return readFileSync(file, "utf8").replace(/\n$/, "").split("\n").map((line) => JSON.parse(line) as Row);
}

/** The files that a card's front matter names, which are there; its licence is CC0 and it is as small as it says. */
export function cardFiles(folder: string): string[] {
  const front = /^---\n([\s\S]*?)\n---\n/.exec(readFileSync(path.join(folder, "README.md"), "utf8"))?.[1] ?? "";
  assert.match(front, /^license: cc0-1\.0$/m);
  assert.match(front, /^\s+- n<1K$/m);
  const files = [...front.matchAll(/path: (\S+)/g)].map((match) => match[1]!);
  for (const file of files) assert.ok(existsSync(path.join(folder, file)), file);
  return files;
}

export function assertRefused(problems: string[], pattern: RegExp): void {
  assert.ok(problems.some((problem) => pattern.test(problem)), `no problem matches ${pattern}: ${problems.slice(0, 5).join("; ") || "none at all"}`);
}
