import { setImmediate, setTimeout } from "node:timers/promises";
import type { Content, Request } from "./wire";

/** Requests that a client sent before it could know of an error arrive within this time. */
const gatherMs = 20;

/** Execute requests, one at a time and in order; after an error those already waiting are dropped, as the protocol asks. */
export class ExecuteQueue {
  private readonly waiting: Request[] = [];
  private busy = false;

  constructor(
    /** Runs a cell and returns what to send once it is decided which of the waiting requests are dropped. */
    private readonly run: (request: Request) => Promise<{ failed: boolean; finish: () => void }>,
    private readonly drop: (request: Request, reply: Content) => void,
  ) {}

  add(request: Request): void {
    this.waiting.push(request);
    if (this.busy) return;
    this.busy = true;
    // In a turn of its own: when Stop ends all that is at work in one, the loop that receives requests must not be.
    void setImmediate().then(() => this.work());
  }

  private async work(): Promise<void> {
    for (let request = this.waiting.shift(); request; request = this.waiting.shift()) {
      const { failed, finish } = await this.run(request);
      const dropped = failed && request.content.stop_on_error !== false ? await this.takeWaiting() : [];
      finish();
      for (const other of dropped) this.drop(other, { status: "aborted" });
      await setImmediate();
    }
    this.busy = false;
  }

  /** Taken before the error is told: whatever comes after it was sent by someone who may know. */
  private async takeWaiting(): Promise<Request[]> {
    await setTimeout(gatherMs);
    return this.waiting.splice(0);
  }
}
