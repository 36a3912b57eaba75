import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Which specs tfjs-node-gpu itself leaves out: a spec whose full name holds one of these texts. Read from the list in its
 * own runner, which the package carries.
 * @throws Error when the runner holds no list as expected
 */
export function nodeIgnoreList(root: string): (spec: string) => boolean {
  const file = join(root, "node_modules", "@tensorflow", "tfjs-node-gpu", "dist", "run_tests.js");
  const list = /IGNORE_LIST = \[(.*?)\n\];/s.exec(readFileSync(file, "utf8"))?.[1];
  const texts = [...(list ?? "").matchAll(/^\s*'(.+)',?$/gm)].map(([, text]) => text!);
  if (texts.length === 0) throw new Error(`${file} holds no list of ignored specs.`);
  return (spec) => texts.some((text) => spec.includes(text));
}
