import type { KernelBackend } from "@tensorflow/tfjs";
import type { GpuDevice } from "./webgpu";

/** Milliseconds between two looks for events while nobody waits for one. */
const PAUSE = 20;

/** How a function looks that a native addon made. */
const NATIVE = "function () { [native code] }";

/**
 * Dawn for Node looks for events at every turn of the event loop for as long as a device lives: it would hold a core, and
 * a program would never end. Here it does so while a tensor is being read, else now and then, which keeps no program
 * alive. When the process ends the device is destroyed first: Dawn does not survive it otherwise.
 */
export function restWhileIdle(backend: KernelBackend, device: GpuDevice): void {
  const atOnce = globalThis.setImmediate;
  let reads = 0;
  let waiting: { look: () => void; timer: NodeJS.Timeout } | null = null;
  // Dawn finds the function here at each turn.
  globalThis.setImmediate = Object.assign((callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
    if (reads > 0 || waiting || callback.name !== "" || String(callback) !== NATIVE) return atOnce(callback, ...args);
    const look = (): void => {
      waiting = null;
      callback();
    };
    waiting = { look, timer: setTimeout(look, PAUSE).unref() };
    // Dawn makes no use of what it gets back.
    return undefined as unknown as NodeJS.Immediate;
  }, atOnce) as typeof setImmediate;
  const { read } = backend;
  backend.read = async function (dataId) {
    reads++;
    if (waiting) {
      const { look, timer } = waiting;
      waiting = null;
      clearTimeout(timer);
      atOnce(look);
    }
    try {
      return await read.call(this, dataId);
    } finally {
      reads--;
    }
  };
  process.once("exit", () => device.destroy());
}
