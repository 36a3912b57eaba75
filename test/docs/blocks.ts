import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(__dirname, "../..");

/** The fenced code blocks of a document in one language, in their order. */
export function codeBlocks(document: string, language: string): string[] {
  const text = readFileSync(join(root, "docs", document), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)\\n\`\`\`$`, "gm"))].map(([, code]) => code!);
}
