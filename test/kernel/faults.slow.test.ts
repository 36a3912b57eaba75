import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { countWatches, Notebook, printed, root, temporaryFolder, type KernelName } from "./notebook";

// The faults of tslab 1.0.22 that this project's kernel mends. Each is looked for in both kernels: a test here fails when
// ours has the fault, and also when stock tslab no longer has it, since then the mend has lost its reason.

const places = new Map<KernelName, { folder: string; notebook: Notebook }>();

before(async () => {
  for (const kernel of ["alignlab-under-test", "tslab"] as const) {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "helper.ts"), `export const version: string = "one";\n`);
    writeFileSync(join(folder, "user.ts"), `import { version } from "./helper";\nexport const told = (): string => "told " + version;\n`);
    // A copy, since stock tslab finds nothing outside the notebook's folder.
    writeFileSync(join(folder, "host.ts"), readFileSync(join(root, "src", "engine", "host.ts")));
    mkdirSync(join(folder, "..", `${basename(folder)}-beside`));
    writeFileSync(join(folder, "..", `${basename(folder)}-beside`, "index.ts"), `export const beside: string = "found";\n`);
    places.set(kernel, { folder, notebook: await Notebook.open(folder, kernel) });
  }
});
after(async () => {
  for (const { folder, notebook } of places.values()) {
    await notebook.close();
    for (const path of [folder, `${folder}-beside`]) rmSync(path, { recursive: true });
  }
});

/** Longer than stock tslab refuses cells after one that failed, which would hide other faults. */
const refusalMs = 500;

/** What both kernels show of one fault. */
function fault<Seen>(name: string, look: (notebook: Notebook, folder: string) => Promise<Seen>, { ours, stock }: { ours: Seen; stock: Seen }): void {
  for (const [kernel, wanted] of [["alignlab-under-test", ours], ["tslab", stock]] as const) {
    test(`${name}: ${kernel === "tslab" ? "stock tslab has the fault" : "mended"}`, async () => {
      const { folder, notebook } = places.get(kernel)!;
      if (kernel === "tslab") await setTimeout(refusalMs);
      assert.deepEqual(await look(notebook, folder), wanted);
    });
  }
}

/** Whether a cell ends well, and the text that it shows, as value or printed. */
async function shown(notebook: Notebook, code: string): Promise<string> {
  const ran = await notebook.run(code, { timeout: 120 });
  if (ran.reply?.status !== "ok") return "failed";
  const result = ran.outputs.find(({ type }) => type === "execute_result")?.data?.["text/plain"];
  return String(result ?? printed(ran)).trimEnd();
}

fault(
  "an error is an error message with its name, in the reply too",
  async (notebook) => {
    const ran = await notebook.run(`throw new RangeError("too far")`);
    return [ran.outputs.find(({ type }) => type === "error")?.ename, ran.reply?.ename];
  },
  { ours: ["RangeError", "RangeError"], stock: [undefined, undefined] },
);

fault(
  "with allow-errors the cells after an error run",
  async (notebook) => {
    const { cells } = await notebook.runAll([{ code: `throw new Error("go on")`, stop_on_error: false }, { code: `console.log("run")`, stop_on_error: false }]);
    return printed(cells[1]!);
  },
  { ours: "run\n", stock: "" },
);

fault("top-level for await runs", (notebook) => shown(notebook, "async function* two() { yield 1; yield 2 }\nlet sum = 0\nfor await (const i of two()) sum += i\nsum"), { ours: "3", stock: "failed" });

fault("a module outside the notebook's folder is found", (notebook, folder) => shown(notebook, `import { beside } from "../${basename(folder)}-beside"; beside`), { ours: "found", stock: "failed" });

fault("types are strict", (notebook) => shown(notebook, "function untyped(x) { return x }\nuntyped(1)"), { ours: "failed", stock: "1" });

fault("ES2023 is known", (notebook) => shown(notebook, "[3, 1, 2].toSorted().join()"), { ours: "1,2,3", stock: "failed" });

fault("packages with an exports map have types", (notebook) => shown(notebook, `import { register } from "tsx/cjs/api"; typeof register`), { ours: "function", stock: "failed" });

fault(
  "an edited file is loaded again with those that depend on it",
  async (notebook, folder) => {
    const cell = `import { told } from "./user"; told()`;
    const first = await shown(notebook, cell);
    writeFileSync(join(folder, "helper.ts"), `export const version: string = "two";\n`);
    await setTimeout(1000);
    return [first, await shown(notebook, cell)];
  },
  { ours: ["told one", "told two"], stock: ["told one", "told one"] },
);

fault(
  "a display is one whole bundle that can be updated",
  async (notebook) => {
    const ran = await notebook.run(`import { display } from "./host"
display({ "image/svg+xml": "<svg/>", "text/plain": "a chart" }, { displayId: "chart" })
display({ "image/svg+xml": "<svg></svg>", "text/plain": "a chart" }, { displayId: "chart", update: true })`);
    return ran.outputs.filter(({ type }) => type !== "execute_input").map(({ type, data, transient }) => [type, Object.keys(data ?? {}).join(), transient?.display_id]);
  },
  {
    ours: ["display_data", "update_display_data"].map((type) => [type, "image/svg+xml,text/plain", "chart"]),
    stock: [["stream", "", undefined]],
  },
);

fault("a package's files are not watched", async (notebook) => {
  await shown(notebook, `import * as tf from "@tensorflow/tfjs"; 1`);
  return countWatches(notebook.pid) <= 3;
}, { ours: true, stock: false });

fault(
  "comm_info has its own reply",
  async (notebook) => (await notebook.request("comm_info_request", { target_name: "jupyter.widget" })).reply?.type,
  { ours: "comm_info_reply", stock: "complete_reply" },
);

fault(
  "a data frame is a table",
  async (notebook) => {
    const ran = await notebook.run(`import * as dfd from "danfojs-node"\nnew dfd.DataFrame([{ prompt: "x", loss: 1 }])`, { timeout: 120 });
    return [ran.reply?.status, ran.outputs.some(({ data }) => String(data?.["text/html"]).includes("<th>prompt</th>"))];
  },
  { ours: ["ok", true], stock: ["ok", false] },
);

fault(
  "Stop ends an asynchronous loop, whose cell keeps its variables",
  async (notebook) => {
    await notebook.run(
      `let rounds = 0; console.log("go"); while (true) { await new Promise((resolve) => setTimeout(resolve, 10)); rounds += 1; Object.assign(globalThis, { beats: rounds }) }`,
      { stop: [{ when: "go", after: 0.5 }] },
    );
    const beats = () => shown(notebook, "String(Reflect.get(globalThis, 'beats'))");
    const first = await beats();
    await setTimeout(500);
    return { ended: first === (await beats()), rounds: (await shown(notebook, "rounds > 0")) === "true" };
  },
  { ours: { ended: true, rounds: true }, stock: { ended: false, rounds: false } },
);

// Last: stock tslab never becomes idle again.
fault(
  "50,000 printed lines arrive, and the idle status after them",
  async (notebook) => {
    const ran = await notebook.run("for (let i = 0; i < 50000; i++) console.log(`line ${i}`)", { timeout: 10 });
    return { whole: printed(ran).trimEnd().split("\n").length === 50_000, idle: ran.idle };
  },
  { ours: { whole: true, idle: true }, stock: { whole: false, idle: false } },
);
