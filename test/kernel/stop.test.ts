import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { errorText, Notebook, printed, root, temporaryFolder, type RunOptions } from "./notebook";

const here = join(root, "test", "kernel");

let notebook: Notebook;
before(async () => {
  notebook = await Notebook.open(here);
  await notebook.value(`import { steps, stopSignal, tick } from "../../src/engine/host"; 1`);
});
after(() => notebook.close());

/** Presses Stop once the cell has printed "go". */
const onceGoing: RunOptions = { stop: [{ when: "go", after: 0.3 }] };

/** Every kind of Stop leaves a kernel that runs the next cell. */
async function expectAlive(): Promise<void> {
  assert.equal(await notebook.value("1 + 1"), "2");
}

test("a loop over steps() ends, the cell is ok and keeps its variables", async () => {
  const ran = await notebook.run(
    `let last = -1; console.log("go"); for await (const i of steps(Infinity)) { last = i }
     const afterwards = "reached"`,
    onceGoing,
  );
  assert.equal(ran.reply?.status, "ok");
  assert.equal(await notebook.value("last > 0 && afterwards"), "reached");
});

test("work that watches stopSignal() ends by itself and returns what it has", async () => {
  const ran = await notebook.run(
    `async function train() {
       const signal = stopSignal(), log: number[] = []
       while (!signal.aborted) { await new Promise((resolve) => setTimeout(resolve, 20)); log.push(1) }
       await new Promise((resolve) => setTimeout(resolve, 500))
       return { log, saved: true }
     }
     console.log("go"); const kept = await train(); console.log("after the run")`,
    onceGoing,
  );
  assert.equal(ran.reply?.status, "ok");
  assert.match(printed(ran), /after the run/);
  assert.equal(await notebook.value("kept.saved && kept.log.length > 1"), "true");
});

test("a loop that ignores Stop is thrown out at its next tick, and keeps the cell's variables", async () => {
  const ran = await notebook.run(
    `let turns = 0; async function ignore() { for (;;) { await tick(); turns += 1; if (turns === 5) console.log("go") } }
     await ignore()
     const never = 1`,
    onceGoing,
  );
  assert.equal(ran.reply?.status, "error");
  assert.equal(ran.reply?.ename, "StopError");
  assert.equal(await notebook.value("turns > 1"), "true");
  const read = await notebook.run("never");
  assert.match(errorText(read.outputs), /never has no value: cell \[\d+\] ended before it was set/);
});

test("an async loop that never looks is left at once, and does not go on in the background", async () => {
  const ran = await notebook.run(
    `let rounds = 0; console.log("go"); while (true) { await new Promise((resolve) => setTimeout(resolve, 10)); rounds += 1 }`,
    onceGoing,
  );
  assert.equal(ran.reply?.ename, "StopError");
  const still = await notebook.value(
    "await new Promise((resolve) => setTimeout(resolve, 300)); const before = rounds; await new Promise((resolve) => setTimeout(resolve, 500)); rounds - before",
  );
  assert.equal(still, "0");
});

test("a wait that never ends is left at once", async () => {
  const ran = await notebook.run(`console.log("go"); await new Promise(() => {})`, onceGoing);
  assert.equal(ran.reply?.ename, "StopError");
  await expectAlive();
});

test("a second Stop leaves a cell whose code watches the signal and does not end", async () => {
  const ran = await notebook.run(`stopSignal(); console.log("go"); await new Promise(() => {})`, {
    stop: [{ when: "go", after: 0.3 }, { when: "Press Stop again", after: 0.2 }],
  });
  assert.match(printed(ran, "stderr"), /Press Stop again to leave the cell at once/);
  assert.equal(ran.reply?.ename, "StopError");
  await expectAlive();
});

const endless: [string, string][] = [
  ["a synchronous loop", `console.log("go"); process.stdout.write(""); for (let i = 0; ; i++) if (i === 1e7) console.log("still")`],
  ["a synchronous loop after an await", `console.log("go"); await tick(); for (;;) {}`],
  ["a synchronous loop in a timer", `console.log("go"); await new Promise(() => setTimeout(() => { for (;;) {} }, 50))`],
  ["a loop of microtasks", `console.log("go"); for (;;) await null`],
  ["a loop of microtasks in a function", `console.log("go"); const spin = async () => { for (;;) await null }; await spin()`],
];
for (const [name, code] of endless) {
  test(`${name} ends`, async () => {
    const ran = await notebook.run(`const kept${code.length} = "kept"; ${code}`, { stop: [{ after: 4 }] });
    assert.equal(ran.reply?.status, "error");
    assert.equal(ran.reply?.ename, "StopError");
    assert.ok(ran.alive);
    assert.equal(await notebook.value(`kept${code.length}`), "kept");
    const timers = await notebook.value("await new Promise((resolve) => setTimeout(resolve, 20)); await tick(); 'timers run'");
    assert.equal(timers, "timers run");
  });
}

test("Stop while a cell is still compiled reaches it, even if it never yields", async () => {
  const long = Array.from({ length: 3000 }, (_, i) => `const name${i}: { a: number } = { a: ${i} };`).join("\n");
  const ran = await notebook.run(`${long}\nconsole.log("go"); for (;;) {}`, { stop: [{ after: 0.1 }] });
  assert.equal(ran.reply?.ename, "StopError");
  await expectAlive();
});

test("an import that was stopped half-way can be done again", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "endless.ts");
  const cell = `import { done } from ${JSON.stringify(relative(here, file).replace(/\.ts$/, ""))}; done`;
  writeFileSync(file, `export const done: string = "no"; console.log("go"); for (;;) {}`);
  const ran = await notebook.run(cell, onceGoing);
  assert.equal(ran.reply?.ename, "StopError", errorText(ran.outputs));
  writeFileSync(file, `export const done: string = "yes"`);
  assert.equal(await notebook.value(cell), "yes");
  rmSync(folder, { recursive: true });
});

test("a long native call keeps output and Stop alive, and its result arrives", async () => {
  await notebook.value(
    `import koffi from "koffi"; const usleep = koffi.load("libc.so.6").func("int usleep(unsigned int)"); 1`,
  );
  const ran = await notebook.run(
    `const call = new Promise<string>((resolve) => usleep.async(4_000_000, () => resolve("returned")));
     let during = 0; console.log("go"); for await (const i of steps(Infinity)) during = i
     console.log("stopped at", during > 5); const result = await call; result`,
    { stop: [{ when: "go", after: 1 }] },
  );
  assert.equal(ran.reply?.status, "ok");
  assert.match(printed(ran), /stopped at true/);
  assert.equal(ran.outputs.at(-1)?.data?.["text/plain"], "returned");
});

test("Stop while a native call blocks the thread waits for its end, and does not break what follows", async () => {
  const ran = await notebook.run(
    `await tick(); console.log("go"); await new Promise((resolve) => setTimeout(resolve, 100)); usleep(6_000_000); console.log("the call returned"); "result"`,
    { stop: [{ when: "go", after: 1 }] },
  );
  assert.match(printed(ran), /the call returned/);
  assert.equal(ran.reply?.status, "ok");
});

test("Stop while no cell runs changes nothing", async () => {
  const idle = await notebook.run(`"quick"`, { stop: [{ after: 0.4 }, { after: 0.6 }], settle: 1.5 });
  assert.ok(idle.alive);
  const next = await notebook.run("for await (const i of steps(3)) console.log(i)");
  assert.equal(printed(next), "0\n1\n2\n");
});

test("cells sent after a stopped one do not run, as the protocol asks", async () => {
  const { cells } = await notebook.runAll([`console.log("go"); await new Promise(() => {})`, `console.log("next")`], onceGoing);
  assert.equal(cells[1]!.reply?.status, "aborted");
  assert.equal(cells[1]!.outputs.length, 0);
});
