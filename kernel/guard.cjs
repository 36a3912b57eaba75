// Two worker threads that keep Stop alive while the main thread computes. Plain JavaScript: a worker that loads tsx
// first would start too late.
//
// "sentinel" sits in a wait that only SIGINT ends (`breakOnSigint` takes the signal away from the main thread, which
// could not answer it while busy) and passes the news on. "breaker" gives the main thread's event loop time to take
// notice, and if it is spinning in JavaScript ends that through the inspector.
const { parentPort, workerData } = require("node:worker_threads");
const vm = require("node:vm");

/** Shared counters: never set; presses of Stop; presses that the main thread has taken notice of; kernel code running. */
const NEVER = 0;
const PRESSED = 1;
const TAKEN = 2;
const KERNEL = 3;

/** How long a main thread that spins is left to end by itself after one press, in probes of `probeMs`. */
const patience = 10;
const probeMs = 300;

const counters = new Int32Array(workerData.counters);

function sentinel() {
  globalThis.waitForSignal = () => Atomics.wait(counters, NEVER, 0);
  // Registered twice: while the inner wait is renewed the outer one holds the signal, which otherwise would end the process.
  globalThis.watchSignals = () => {
    for (;;) {
      try {
        vm.runInThisContext("waitForSignal()", { breakOnSigint: true });
      } catch {
        Atomics.add(counters, PRESSED, 1);
        parentPort.postMessage("interrupt");
        workerData.breaker.postMessage("interrupt");
      }
    }
  };
  parentPort.postMessage("ready");
  for (;;) {
    try {
      vm.runInThisContext("watchSignals()", { breakOnSigint: true });
    } catch {
      Atomics.add(counters, PRESSED, 1);
      parentPort.postMessage("interrupt");
    }
  }
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const taken = () => Atomics.load(counters, TAKEN) === Atomics.load(counters, PRESSED);

/** Resolves when the main thread runs JavaScript: at once if it spins, at its end if it is in a native call. */
function probe(session) {
  return new Promise((resolve) => session.post("Runtime.getIsolateId", resolve));
}

async function breakMainThread() {
  const { Session } = require("node:inspector");
  let session;
  const before = Atomics.load(counters, TAKEN);
  for (let probes = 1; ; probes++) {
    await sleep(probeMs);
    if (taken()) break;
    if (!session) {
      session = new Session();
      session.connectToMainThread();
    }
    await probe(session);
    if (taken()) break;
    const presses = Atomics.load(counters, PRESSED) - before;
    if (probes < patience && presses < 2) continue;
    if (Atomics.load(counters, KERNEL) > 0) continue;
    // Posted together: interrupt.ts makes the first last long enough for the second to follow in the same turn.
    session.post("Runtime.evaluate", { expression: 'globalThis[Symbol.for("alignlab.unwind")]()' });
    await new Promise((resolve) => session.post("Runtime.terminateExecution", resolve));
    parentPort.postMessage("terminated");
    probes = 0;
  }
  session?.disconnect();
}

function breaker() {
  let busy = false;
  workerData.sentinel.on("message", async () => {
    if (busy) return;
    busy = true;
    await breakMainThread();
    busy = false;
  });
}

if (workerData.role === "sentinel") sentinel();
else breaker();
