import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as alignlab from "../../src";
import { root } from "./blocks";

const text = (...path: string[]): string => readFileSync(join(root, ...path), "utf8");

/** Names of the public surface, values and types. */
const exported = [...text("src", "index.ts").matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) => names!.split(",").map((name) => name.trim().replace(/^type /, "")));

/** Settings of trainers and of LoRA, options of generation and of trainers, as their interfaces list them. */
const settings = [
  ...Object.keys({ ...alignlab.DPO_DEFAULTS, ...alignlab.SFT_DEFAULTS, ...alignlab.REWARD_DEFAULTS, ...alignlab.LORA_DEFAULTS }),
  ...["generate/options.ts", "step/arguments.ts", "step/dpoTrainer.ts", "step/sftTrainer.ts", "step/methodTrainer.ts"].flatMap((file) => [...text("src", file).matchAll(/^ {2}(\w+)\??: /gm)].map(([, name]) => name!)),
];

/** Columns of a log: the tests of the trainers hold them to TRL's. */
const columns = [...text("src", "step", "callbacks.ts").matchAll(/`([\w/]+)`/g)].map(([, name]) => name!).concat(["step", "epoch"]);

const rows = text("docs", "glossary.md").split("\n").filter((line) => /^\| (?!term)/.test(line)).map((line) => line.split("|").map((cell) => cell.trim()));

test("every term of the glossary is tied to a name that exists", () => {
  assert.ok(rows.length > 50);
  const known = new Set([...exported, ...settings, ...columns]);
  for (const [, term, meaning, here] of rows) {
    const names = [...here!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    assert.ok(names.length > 0 && meaning!.length > 10, term);
    for (const name of names) assert.ok(known.has(name), `${term}: ${name} is neither exported, nor a setting, nor a column of a log`);
  }
});

test("no term stands there twice", () => {
  const terms = rows.map(([, term]) => term!);
  assert.deepEqual(terms.filter((term, index) => terms.indexOf(term) !== index), []);
});
