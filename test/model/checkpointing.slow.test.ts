import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

interface Peak {
  /** MiB */
  raised: number;
  loss: number;
  first: number;
}

async function peak(how: "plain" | "checkpointed", precision: string): Promise<Peak> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", require.resolve("tsx"), path.join(__dirname, "checkpointingPeak.ts"), how, precision]);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Peak;
}

// Twelve layers of which one at a time is in memory: a third leaves room for what is kept in either case.
for (const precision of ["float32", "bfloat16"]) {
  test(`TensorFlow does not join the second computation with the first: ${precision}, a fresh process each`, async () => {
    const [plain, checkpointed] = [await peak("plain", precision), await peak("checkpointed", precision)];
    assert.deepEqual([checkpointed.loss, checkpointed.first], [plain.loss, plain.first]);
    assert.ok(plain.raised > 300 && checkpointed.raised < plain.raised / 3, `${checkpointed.raised} MiB for ${plain.raised} MiB`);
  });
}
