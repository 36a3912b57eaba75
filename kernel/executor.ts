import { join } from "node:path";
import vm from "node:vm";
import { StopError } from "../src/engine/host";
import { currentCell, type Cell } from "./cell";
import { CompileError, declaredFunctions, type CompiledCell, type Compiler } from "./compiler";
import type { Interrupter } from "./interrupt";
import type { Modules } from "./modules";
import { rememberRun, scriptName } from "./traceback";
import { loopTurn } from "./transform";
import { Variables } from "./variables";

type CellFunction = (
  exports: object,
  require: NodeJS.Require,
  filename: string,
  dirname: string,
  turn: () => void,
) => unknown;

/** Called at each turn of a cell's awaiting loops. */
function loopTurned(): void {
  if (currentCell.getStore()?.loopsOnAfterStop()) throw new StopError();
}

function isInterruption(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
}

export class Executor {
  private readonly variables = new Variables();

  constructor(
    private readonly compiler: Compiler,
    private readonly modules: Modules,
    private readonly interrupter: Interrupter,
    private readonly folder: string,
  ) {}

  /** Runs a cell to its end and returns the value of its last expression; throws what the cell throws. */
  async run(cell: Cell, source: string): Promise<unknown> {
    rememberRun(cell.count, source, []);
    const compiled = this.compile(cell, source);
    rememberRun(cell.count, source, compiled.maps);
    this.compiler.adopt(compiled);
    try {
      // In a turn of its own: Stop may end all that is on the stack, and we want to hear of it.
      const result = Promise.resolve().then(() => this.start(cell, compiled)).then(() => cell.settled());
      await Promise.race([result, cell.left]);
    } catch (error) {
      this.variables.markUnset(compiled.names, `cell [${cell.count}] ended before it was set`);
      throw isInterruption(error) ? new StopError("stopped while it computed") : error;
    } finally {
      this.modules.note();
    }
    return compiled.resultName === undefined ? undefined : this.variables.take(compiled.resultName);
  }

  /** A function whose new version does not compile is not used as it was: its old faults would be taken for new ones. */
  private compile(cell: Cell, source: string): CompiledCell {
    try {
      return this.interrupter.shield(() => this.compiler.compile(source));
    } catch (error) {
      if (error instanceof CompileError) this.variables.markOutdated(declaredFunctions(source), `cell [${cell.count}] writes it anew and does not compile. Mend that cell and run it, then this one`);
      throw error;
    }
  }

  private start(cell: Cell, { code, isAsync }: CompiledCell): unknown {
    const parameters = `exports, require, __filename, __dirname, ${loopTurn}`;
    const script = `(${isAsync ? "async " : ""}function (${parameters}) {\n${code}\n})`;
    const run = vm.runInThisContext(script, { filename: scriptName(cell.count), lineOffset: -1 }) as CellFunction;
    const start = () =>
      run(this.variables.exports, this.modules.require, join(this.folder, "notebook.ts"), this.folder, loopTurned);
    return currentCell.run(cell, () => interruptible(start));
  }
}

/** Runs code so that SIGINT ends it even when it never yields, as far as its first await. */
function interruptible(start: () => unknown): unknown {
  const key = "__alignlab_start";
  Object.defineProperty(globalThis, key, { value: start, configurable: true });
  return vm.runInThisContext(`{ const start = globalThis.${key}; delete globalThis.${key}; start(); }`, {
    filename: "node:alignlab",
    breakOnSigint: true,
  });
}
