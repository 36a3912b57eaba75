import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorText, Notebook, printed, root } from "./notebook";

let notebook: Notebook;
before(async () => {
  notebook = await Notebook.open(join(root, "test", "kernel"));
});
after(() => notebook.close());

test("kernel_info names the language", async () => {
  const { reply, states } = await notebook.request("kernel_info_request");
  assert.equal(reply?.type, "kernel_info_reply");
  assert.equal(reply?.status, "ok");
  const language = reply?.language_info as Record<string, unknown>;
  assert.equal(language.name, "typescript");
  assert.equal(language.file_extension, ".ts");
  assert.deepEqual(states, ["busy", "idle"]);
});

test("comm_info has its own reply; comm messages are taken quietly", async () => {
  const info = await notebook.request("comm_info_request", { target_name: "jupyter.widget" });
  assert.deepEqual([info.reply?.type, info.reply?.status, info.reply?.comms], ["comm_info_reply", "ok", {}]);
  const open = await notebook.request("comm_open", { comm_id: "1", target_name: "jupyter.widget", data: {} });
  assert.deepEqual([open.reply, open.states, open.output], [null, ["busy", "idle"], []]);
  const message = await notebook.request("comm_msg", { comm_id: "1", data: {} });
  assert.deepEqual([message.states, message.output], [["busy", "idle"], []]);
});

test("completion and inspection know earlier cells, and count emoji as one character", async () => {
  await notebook.run(`/** How much. */\nconst rewardMargin = { chosenReward: 1, rejectedReward: 2 }`);
  const code = `"😀😀"; rewardMargin.cho`;
  const completed = (await notebook.request("complete_request", { code, cursor_pos: [...code].length })).reply;
  assert.equal(completed?.type, "complete_reply");
  assert.equal((completed?.matches as string[])[0], "chosenReward");
  assert.equal(completed?.cursor_start, [...code].length - 3);
  assert.equal(completed?.cursor_end, [...code].length);
  const inspected = (await notebook.request("inspect_request", { code: "rewardMargin", cursor_pos: 3, detail_level: 0 })).reply;
  assert.equal(inspected?.found, true);
  assert.match(String((inspected?.data as Record<string, string>)["text/plain"]), /rewardMargin: \{/);
  const nothing = (await notebook.request("inspect_request", { code: "   ", cursor_pos: 1, detail_level: 0 })).reply;
  assert.equal(nothing?.found, false);
});

test("is_complete is answered", async () => {
  const status = async (code: string) => (await notebook.request("is_complete_request", { code })).reply?.status;
  assert.equal(await status("const a = 1"), "complete");
  assert.equal(await status("for await (const i of steps(3)) await i"), "complete");
  assert.equal(await status("function f() {"), "incomplete");
  assert.equal(await status("const text = `first line"), "incomplete");
  assert.equal(await status("const = 5"), "invalid");
});

test("the cell's source is told to all clients; counts rise by one; a silent cell leaves no trace", async () => {
  const first = await notebook.run("1");
  assert.deepEqual(first.outputs[0], { type: "execute_input", code: "1", execution_count: first.reply?.execution_count });
  const silent = await notebook.run({ code: "2", silent: true });
  assert.deepEqual(silent.outputs, []);
  const next = await notebook.run("3");
  assert.equal(next.reply?.execution_count, first.reply!.execution_count! + 1);
});

test("cells sent together run one after the other, each busy and idle in turn", async () => {
  const { order } = await notebook.runAll(["1", "await new Promise((resolve) => setTimeout(resolve, 200))", "3"]);
  assert.deepEqual(order, [0, 1, 2].flatMap((cell) => [[cell, "busy"], [cell, "idle"]]));
});

test("questions are answered while a cell waits, and leave the kernel busy", async () => {
  const during = "await new Promise((resolve) => setTimeout(resolve, 3000))";
  const answer = await notebook.request("kernel_info_request", {}, { during });
  assert.equal(answer.reply?.type, "kernel_info_reply");
  const { order } = await notebook.runAll(["1"]);
  assert.equal(order[0]?.[1], "busy", "told again for the cell that still runs");
});

test("an interrupt may also come as a message", async () => {
  const answer = await notebook.request("interrupt_request", {}, { channel: "control", during: "await new Promise(() => {})" });
  assert.deepEqual([answer.reply?.type, answer.reply?.status], ["interrupt_reply", "ok"]);
  await setTimeout(1000);
  assert.equal(await notebook.value("1 + 1"), "2");
});

test("after a restart, also out of a loop that never yields, nothing is left of before and all cells run", async () => {
  const cells = [`const first = "one"`, `const both = first + " two"; both`, `import { steps } from "../../src/engine/host"; for await (const i of steps(2)) console.log(i)`];
  for (const during of [undefined, `console.log("spinning"); for (;;) {}`]) {
    await notebook.value("const before = 1; before");
    await notebook.restart(during);
    const ran = await notebook.runAll(cells);
    assert.deepEqual(ran.cells.map(({ reply }) => [reply?.status, reply?.execution_count]), [["ok", 1], ["ok", 2], ["ok", 3]]);
    assert.equal(ran.cells[1]!.outputs.at(-1)?.data?.["text/plain"], "one two");
    assert.equal(printed(ran.cells[2]!), "0\n1\n");
    assert.match(errorText((await notebook.run("before")).outputs), /TS2304: Cannot find name 'before'/);
  }
});

test("a kernel whose Jupyter was killed ends, even while it spins", async () => {
  const other = await Notebook.open(root);
  const running = other.run("for (;;) {}").catch(() => undefined);
  await setTimeout(5000);
  other.killJupyter();
  await running;
  for (let waited = 0; waited < 60 && existsSync(`/proc/${other.pid}`); waited++) await setTimeout(1000);
  assert.equal(existsSync(`/proc/${other.pid}`), false);
});

test("shutdown is answered and the process ends", async () => {
  const other = await Notebook.open(root);
  assert.equal(await other.value("40 + 2"), "42");
  const { alive } = await other.close();
  assert.equal(alive, false);
});
