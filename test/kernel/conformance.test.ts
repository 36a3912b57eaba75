import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { root, writeSpecs } from "./notebook";

/** What the protocol has for other kernels. */
const notOurs: Record<string, string> = {
  // Python's help in a pane below the notebook; TypeScript has no command that asks for one.
  test_pager: "skipped: No code page something",
  // A message of protocol 5.4; this kernel speaks 5.3.
  test_recv_iopub_welcome_msg: "skipped: Iopub welcome messages are not supported",
};

test("jupyter-kernel-test passes, but for what the kernel has no use for", async () => {
  const specs = mkdtempSync(join(tmpdir(), "alignlab-kernel-"));
  writeSpecs(specs);
  try {
    const python = spawn(join(root, ".venv", "bin", "python"), [join(__dirname, "conformance.py"), "alignlab-under-test"], {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      cwd: __dirname,
      env: { ...process.env, JUPYTER_PATH: specs, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
    });
    const [said, [code]] = await Promise.all([buffer(python.stdio[3] as NodeJS.ReadableStream), once(python, "exit")]);
    assert.equal(code, 0);
    const outcomes = JSON.parse(said.toString()) as Record<string, string>;
    const passed = ["clear_output", "completion", "display_data", "error", "execute_result", "execute_stderr", "execute_stdout", "history", "inspect", "is_complete", "kernel_info"];
    assert.deepEqual(outcomes, { ...notOurs, ...Object.fromEntries(passed.map((name) => [`test_${name}`, "passed"])) });
  } finally {
    rmSync(specs, { recursive: true });
  }
});
