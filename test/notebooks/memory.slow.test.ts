import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../scripts/notebooks/folders";
import { runNotebook } from "../../scripts/notebooks/run";

const asked = process.env.ALIGNLAB_NOTEBOOK_MEMORY === "1" ? {} : { skip: "ALIGNLAB_NOTEBOOK_MEMORY=1 asks for it: six minutes on two cores" };

/** What the machine has: the kernel's process is given no more, whatever it asks for. */
const MACHINE_GIB = 8;
/** What JupyterLab, a browser and the system leave the kernel of it. */
const LIMIT_GIB = 6;

interface Pair {
  prompt: string;
  chosen: string;
  rejected: string;
}

/** The forty longest pairs: as much memory as all of them together need at once, in a fraction of the time. */
function longestPairs(): string {
  const lines = readFileSync(join(root, "data/human-like/train.jsonl"), "utf8").trim().split("\n");
  const length = (line: string): number => {
    const { prompt, chosen, rejected } = JSON.parse(line) as Pair;
    return prompt.length + Math.max(chosen.length, rejected.length);
  };
  return `${lines.sort((a, b) => length(b) - length(a)).slice(0, 40).join("\n")}\n`;
}

test(`01-dpo-from-scratch: the profile for 8 GiB runs under a limit of ${MACHINE_GIB} GiB, with a peak below ${LIMIT_GIB} GiB by the system's own count`, asked, async () => {
  const folder = mkdtempSync(join(tmpdir(), "alignlab-longest-"));
  writeFileSync(join(folder, "train.jsonl"), longestPairs());
  Object.assign(process.env, { ALIGNLAB_DATA: join(folder, "train.jsonl"), ALIGNLAB_MEMORY_GB: String(LIMIT_GIB * 1.073741824) });
  const { exitCode, failures, folder: run, peak } = await runNotebook({ name: "01-dpo-from-scratch", edition: "solution", profile: "small", memory: MACHINE_GIB * 2 ** 30 }, false);
  assert.equal(exitCode, 0, failures.map(({ index, failure }) => `cell ${index + 1}: ${failure.traceback ?? failure.evalue}`).join("\n"));
  assert.ok(peak !== null && peak > 2 ** 31, "the peak was counted");
  assert.ok(peak < LIMIT_GIB * 2 ** 30, `${(peak / 2 ** 30).toFixed(2)} GiB`);
  rmSync(run, { recursive: true });
  rmSync(folder, { recursive: true });
});
