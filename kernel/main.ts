/**
 * The notebook kernel: `node --import tsx kernel/main.ts <connection file>`, started by Jupyter in the notebook's folder.
 */
import { dirname, join } from "node:path";
import { kernelKey, type KernelBridge } from "../src/engine/host";
import { currentCell } from "./cell";
import { bundleOf } from "./display";
import { Compiler } from "./compiler";
import { Executor } from "./executor";
import { Interrupter } from "./interrupt";
import { Language } from "./language";
import { Modules } from "./modules";
import { Publisher } from "./publisher";
import { Server } from "./server";
import { labelCells } from "./traceback";
import { tslabJupyter } from "./tslab";
import { Wire } from "./wire";

const root = dirname(__dirname);
const folder = process.cwd();
/** Jupyter asks its first questions before this; getting ready to compile would keep it waiting. */
const warmUpAfterMs = 1000;
/** A kernel that no cell came to by then has time to read `src` and its libraries, which nearly every notebook imports. */
const preloadAfterMs = 2500;

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function installBridge(publisher: Publisher): void {
  const noCell = new AbortController().signal;
  const bridge: KernelBridge = {
    display: (data, options) => publisher.display(data, options),
    clearOutput: (wait) => publisher.clearOutput(wait),
    bundleOf,
    get signal() {
      const cell = currentCell.getStore();
      if (!cell) return noCell;
      cell.watchesSignal = true;
      return cell.signal;
    },
    holdCell: (work) => currentCell.getStore()?.hold(work),
  };
  Object.defineProperty(globalThis, kernelKey, { value: bridge });
  tslabJupyter().lastWriteDisplayData = ({ data, metadata, transient }, update) => {
    const displayId = (transient as { display_id?: string } | undefined)?.display_id;
    publisher.display({ ...data }, { displayId, update, metadata: { ...metadata } });
  };
}

/** Errors of code that nothing waits for are shown with the cell they come from; the kernel goes on. */
function reportStrayErrors(publisher: Publisher): void {
  const show = (kind: string) => (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    publisher.print("stderr", `${kind}: ${labelCells(text)}\n`);
  };
  process.on("uncaughtException", show("Uncaught error"));
  process.on("unhandledRejection", show("Unhandled rejection"));
}

async function main(connectionFile: string | undefined): Promise<void> {
  if (!connectionFile) throw new Error("usage: node --import tsx kernel/main.ts <connection file>");
  process.env.ALIGNLAB_ROOT = root;
  const wire = new Wire(connectionFile);
  const publisher = new Publisher(wire);
  const interrupter = new Interrupter((cell, text) => currentCell.run(cell, () => publisher.print("stderr", text)));
  const modules = new Modules(folder, root);
  const compiler = once(() => interrupter.shield(() => new Compiler(folder, root)));
  const executor = once(() => new Executor(compiler(), modules, interrupter, folder));
  const exit = () => {
    wire.close();
    setTimeout(() => process.exit(0), 50);
  };
  const server = new Server({ wire, publisher, interrupter, language: new Language(compiler), modules, executor, root, exit });
  await interrupter.guard();
  installBridge(publisher);
  reportStrayErrors(publisher);
  await server.listen();
  setTimeout(compiler, warmUpAfterMs).unref();
  const preload = () => server.unused && interrupter.shield(() => compiler().preload(join(root, "src", "index")));
  setTimeout(preload, preloadAfterMs).unref();
}

void main(process.argv[2]);
