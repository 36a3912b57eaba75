import { AsyncLocalStorage } from "node:async_hooks";
import type { Header } from "./wire";

/** One run of one cell. */
export class Cell {
  private readonly controller = new AbortController();
  private rejectRun: (reason: unknown) => void = () => undefined;
  private loopsSinceStop = 0;
  /** Whether the code asked for its stop signal, and so can be expected to end by itself. */
  watchesSignal = false;
  /** What the cell waits for beside its own code. */
  private readonly held: Promise<unknown>[] = [];
  /** Rejected when the cell is left without waiting for its code. */
  readonly left: Promise<never>;

  constructor(
    readonly parent: Header,
    readonly count: number,
  ) {
    this.left = new Promise<never>((_, reject) => (this.rejectRun = reject));
    this.left.catch(() => undefined);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  stop(reason: Error): void {
    this.controller.abort(reason);
  }

  /** Makes the cell wait for work that it began. */
  hold(work: Promise<unknown>): void {
    this.held.push(work);
    work.catch(() => undefined);
  }

  /** Done once all that is held is. */
  async settled(): Promise<void> {
    await Promise.all(this.held);
  }

  leave(reason: Error): void {
    this.rejectRun(reason);
  }

  /** Called at each turn of the cell's own loops: whether this is the second turn since Stop. */
  loopsOnAfterStop(): boolean {
    return this.signal.aborted && ++this.loopsSinceStop > 1;
  }
}

/** Which cell a piece of code belongs to, also in callbacks that run after the cell's end. */
export const currentCell = new AsyncLocalStorage<Cell>();
