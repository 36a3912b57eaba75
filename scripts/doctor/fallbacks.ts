import type { KernelBackend } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/tfjs";
import { startWasm } from "../../src/engine/wasm";
import { startWebgpu } from "../../src/engine/webgpu";

// Starts each backend that computes without TensorFlow. The last line of stdout is JSON: for each, why it does not start,
// or null.

async function problemOf(start: () => Promise<KernelBackend>): Promise<string | null> {
  try {
    await start();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function main(): Promise<void> {
  const cpu = await problemOf(async () => tf.findBackendFactory("cpu")() as KernelBackend);
  const problems = { webgpu: await problemOf(startWebgpu), wasm: await problemOf(startWasm), cpu };
  // A GPU's driver may keep threads of its own.
  process.stdout.write(`${JSON.stringify(problems)}\n`, () => process.exit(0));
}

void main();
