import { afterEach, beforeEach } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const root = resolve(__dirname, "../..");

/** What was displayed since the test began, and the folder that it works in. */
export interface Displayed {
  shown: Record<string, unknown>[];
  folder: string;
}

/** Gives each test of a file a kernel that keeps what is displayed, and a run folder of its own. */
export function useKernelDouble(): Displayed {
  const displayed: Displayed = { shown: [], folder: "" };
  beforeEach(() => {
    displayed.shown = [];
    displayed.folder = mkdtempSync(join(root, "runs-test-"));
    process.env.ALIGNLAB_RUN_DIR = relative(root, displayed.folder);
    const kernel = { display: (data: Record<string, unknown>) => displayed.shown.push(data), clearOutput() {}, signal: new AbortController().signal };
    (globalThis as Record<symbol, unknown>)[Symbol.for("alignlab.kernel")] = kernel;
  });
  afterEach(() => {
    rmSync(displayed.folder, { recursive: true });
    delete process.env.ALIGNLAB_RUN_DIR;
    delete (globalThis as Record<symbol, unknown>)[Symbol.for("alignlab.kernel")];
  });
  return displayed;
}
