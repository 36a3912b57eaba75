import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute, type ExecuteOptions, type RunEvent } from "../../scripts/notebooks/execute";
import { joined, type Notebook } from "../../scripts/notebooks/ipynb";

/** Runs cells of the Python kernel, which is in every venv with JupyterLab: what is tested here is the driver. */
async function runCells(codes: string[], options: Partial<ExecuteOptions> = {}, onEvent: (event: RunEvent, stop: () => void) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), "alignlab-"));
  const input = join(folder, "in.ipynb");
  const output = join(folder, "out.ipynb");
  const cells = codes.map((code, index) => ({ cell_type: "code", id: `c${index}`, metadata: {}, source: code, execution_count: null, outputs: [] }));
  writeFileSync(input, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  const execution = execute({ input, output, cwd: folder, logFile: join(folder, "log"), environment: { ALIGNLAB_PROFILE: "quick" }, kernel: "python3", ...options });
  const events: RunEvent[] = [];
  for await (const event of execution.events) {
    events.push(event);
    onEvent(event, execution.stop);
  }
  const exitCode = await execution.exitCode;
  const notebook = exitCode === 2 ? null : (JSON.parse(readFileSync(output, "utf8")) as Notebook);
  rmSync(folder, { recursive: true });
  const text = (index: number) => (notebook?.cells[index].outputs ?? []).map((out) => joined(out.text)).join("");
  return { events, exitCode, text, folder };
}

test("cells run in order with the environment and the folder, and their output is streamed", async () => {
  const run = await runCells(["import os; print(os.environ['ALIGNLAB_PROFILE'])", "", "print(os.getcwd())"]);
  assert.equal(run.exitCode, 0);
  assert.equal(run.text(0), "quick\n");
  assert.ok(run.text(2).includes(run.folder));
  assert.deepEqual(run.events.filter((event) => event.event === "cell").map((event) => event.index), [0, 2]);
  assert.ok(run.events.some((event) => event.event === "output" && event.text === "quick"));
});

test("a failing cell ends the run with its error; what ran before is kept, what comes after is not run", async () => {
  const run = await runCells(["print('kept')", "1 / 0", "print('never')"]);
  assert.equal(run.exitCode, 1);
  const failed = run.events.find((event) => event.event === "cell-end" && event.failure !== null);
  assert.ok(failed?.event === "cell-end" && failed.index === 1 && failed.failure?.ename === "ZeroDivisionError");
  assert.equal(run.text(0), "kept\n");
  assert.equal(run.text(2), "");
});

test("with keepGoing later cells run too, and the exit code still tells", async () => {
  const run = await runCells(["1 / 0", "print('later')"], { keepGoing: true });
  assert.equal(run.exitCode, 1);
  assert.equal(run.text(1), "later\n");
});

test("stop interrupts the running cell, keeps its output and runs no later cell", async () => {
  const loop = "import time\nprint('begun', flush=True)\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('stopped')";
  const run = await runCells([loop, "print('never')"], {}, (event, stop) => {
    if (event.event === "output" && event.text === "begun") stop();
  });
  assert.equal(run.exitCode, 130);
  assert.equal(run.text(0), "begun\nstopped\n");
  assert.equal(run.text(1), "");
});

test("a cell that stop breaks off is said to be stopped, not to have failed", async () => {
  const run = await runCells(["import time\nprint('begun', flush=True)\ntime.sleep(60)", "print('never')"], {}, (event, stop) => {
    if (event.event === "output" && event.text === "begun") stop();
  });
  assert.equal(run.exitCode, 130);
  assert.ok(run.events.some((event) => event.event === "cell-end" && event.failure?.ename === "Stopped"));
  const { peak, ...end } = run.events.at(-1) as Extract<RunEvent, { event: "end" }>;
  assert.deepEqual(end, { event: "end", stopped: true, failed: [] });
  assert.ok(peak === null || peak > 1e6);
});

test("the most memory that the kernel held is told", { skip: process.platform !== "linux" }, async () => {
  const run = await runCells(["x = bytearray(300_000_000)\nx[:] = b'1' * 300_000_000", "del x"]);
  const { peak } = run.events.at(-1) as Extract<RunEvent, { event: "end" }>;
  assert.ok(peak! > 300e6 && peak! < 1.2e9, String(peak));
});

test("a kernel that dies is reported on its cell", async () => {
  const run = await runCells(["import os; os._exit(3)"]);
  assert.equal(run.exitCode, 1);
  assert.ok(run.events.some((event) => event.event === "cell-end" && event.failure?.ename === "DeadKernel"));
});

test("an unknown kernel is one sentence", async () => {
  const run = await runCells(["1"], { kernel: "nowhere" });
  assert.equal(run.exitCode, 2);
  assert.ok(run.events.some((event) => event.event === "fatal" && /"nowhere" is not installed/.test(event.message)));
});

test("under a limit of memory what asks for more fails, and the kernel goes on", { skip: process.platform !== "linux" && "only Linux keeps to the limit" }, async () => {
  const run = await runCells(["block = bytearray(300 << 20)", "more = bytearray(900 << 20)", "print(len(block))"], { memory: 1 << 30, keepGoing: true });
  const failed = run.events.flatMap((event) => (event.event === "cell-end" && event.failure ? [[event.index, event.failure.ename]] : []));
  assert.deepEqual(failed, [[1, "MemoryError"]]);
  assert.equal(run.text(2), `${300 << 20}\n`);
});
