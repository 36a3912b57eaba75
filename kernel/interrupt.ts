import { join } from "node:path";
import { MessageChannel, Worker, type TransferListItem } from "node:worker_threads";
import { StopError } from "../src/engine/host";
import { currentCell, type Cell } from "./cell";

interface AsyncWrap {
  clearAsyncIdStack(): void;
}

const pressedCounter = 1;
const doneCounter = 2;
const kernelCounter = 3;
const postedCounter = 4;
const beatCounter = 5;
/** Shorter than the breaker's probes. */
const beatMs = 100;
/** Longer than the breaker can take between its two messages, see guard.cjs. */
const unwindMs = 5000;
/** How long a cell may take to end after Stop before it says how to leave it. */
const explainAfterMs = 2000;

/**
 * Node's record of nested callbacks, which its asynchronous hooks keep; they serve AsyncLocalStorage until Node 22.
 * Later Nodes do without the record, and have no such binding.
 */
function asyncWrap(): AsyncWrap | undefined {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return (process as unknown as { binding(name: "async_wrap"): AsyncWrap }).binding("async_wrap");
  } catch {
    return undefined;
  } finally {
    process.noDeprecation = noDeprecation;
  }
}

/**
 * Run by the breaker on the main thread just before it ends what runs there. Node takes the abrupt end for corruption
 * and aborts if hooks are on and its record of nested callbacks is not empty; Node itself empties it after an uncaught
 * exception.
 */
function installUnwind(counters: Int32Array, wrap: AsyncWrap | undefined): void {
  const unwind = () => {
    const end = Date.now() + unwindMs;
    while (Atomics.load(counters, postedCounter) === 0 && Date.now() < end);
    currentCell.disable();
    wrap?.clearAsyncIdStack();
  };
  Object.defineProperty(globalThis, Symbol.for("alignlab.unwind"), { value: unwind });
}

/**
 * What Stop does to the running cell: the first press aborts its signal. Code that watches the signal ends by itself;
 * a cell that never asked for it, or a second press, is left at once.
 */
export class Interrupter {
  private cell: Cell | undefined;
  private beating: NodeJS.Timeout | undefined;
  private readonly wrap = asyncWrap();
  private readonly counters = new Int32Array(new SharedArrayBuffer(24));

  constructor(private readonly explain: (cell: Cell, text: string) => void) {}

  enter(cell: Cell): void {
    this.cell = cell;
  }

  /** The cell has ended and its reply is sent. */
  exit(cell: Cell): void {
    if (this.cell === cell) this.cell = undefined;
    clearInterval(this.beating);
    this.beating = undefined;
    this.noteDone();
  }

  private noteDone(): void {
    Atomics.store(this.counters, doneCounter, Atomics.load(this.counters, pressedCounter));
  }

  /** Starts the threads that receive SIGINT; resolves when they do. See guard.cjs. */
  async guard(): Promise<void> {
    installUnwind(this.counters, this.wrap);
    const { port1, port2 } = new MessageChannel();
    const counters = this.counters.buffer;
    const start = (role: string, data: object, transferList: TransferListItem[]) => {
      const worker = new Worker(join(__dirname, "guard.cjs"), {
        workerData: { role, counters, ...data },
        transferList,
        execArgv: [],
      });
      worker.unref();
      return worker;
    };
    const breaker = start("breaker", { sentinel: port1 }, [port1]);
    const sentinel = start("sentinel", { breaker: port2 }, [port2]);
    breaker.on("message", () => this.terminated());
    await new Promise<void>((resolve) => {
      sentinel.on("message", (message) => {
        if (message === "ready") resolve();
        else this.interrupt();
      });
    });
  }

  /** Runs the kernel's own work, which Stop must not break off in the middle. */
  shield<T>(work: () => T): T {
    Atomics.add(this.counters, kernelCounter, 1);
    try {
      return work();
    } finally {
      Atomics.sub(this.counters, kernelCounter, 1);
    }
  }

  interrupt(): void {
    const cell = this.cell;
    if (!cell) return this.noteDone();
    this.beating ??= setInterval(() => void Atomics.add(this.counters, beatCounter, 1), beatMs);
    if (cell.signal.aborted) {
      cell.leave(new StopError("stopped: the cell was left before its code had ended"));
      return;
    }
    cell.stop(new StopError("stopped"));
    if (!cell.watchesSignal) cell.leave(new StopError("stopped"));
    else setTimeout(() => this.explainWait(cell), explainAfterMs).unref();
  }

  private terminated(): void {
    // Again: what ran at the very end may have left its mark, which no one must see when the next cell turns hooks on.
    this.wrap?.clearAsyncIdStack();
    this.cell?.leave(new StopError("stopped while it computed"));
  }

  private explainWait(cell: Cell): void {
    if (cell === this.cell) this.explain(cell, "Stop: waiting for the running step to end. Press Stop again to leave the cell at once.\n");
  }
}
