import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Runs a Python script of this folder (standard library only) with the project's Python and returns what it prints, parsed. */
export function python<T>(script: string, ...args: string[]): T {
  const own = path.join(__dirname, "../../.venv/bin/python");
  const output = execFileSync(existsSync(own) ? own : "python3", [path.join(__dirname, script), ...args], { encoding: "utf8", maxBuffer: 1 << 26 });
  return JSON.parse(output) as T;
}

/** A folder of its own for one test, removed afterwards. */
export async function inTemporaryFolder<T>(work: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(path.join(tmpdir(), "alignlab-test-"));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
