// Two worker threads that keep Stop alive while the main thread computes. Plain JavaScript: a worker that loads tsx
// first would start too late.
//
// "sentinel" sits in a wait that only SIGINT ends (`breakOnSigint` takes the signal away from the main thread, which
// could not answer it while busy) and passes the news on. "breaker" gives the main thread's event loop time to take
// notice, and if it is spinning in JavaScript ends that through the inspector. It also ends an orphaned kernel.
const { parentPort, workerData } = require("node:worker_threads");
const vm = require("node:vm");

/** Shared counters: never set; presses of Stop; presses whose cell has ended; kernel code running. */
const NEVER = 0;
const PRESSED = 1;
const DONE = 2;
const KERNEL = 3;
/** Set while both messages that end the main thread's work are on their way. */
const POSTED = 4;
/** Rises while a stopped cell is still on its way to its end and the event loop turns. */
const BEAT = 5;

/** How long a main thread that spins is left to end by itself after one press, in probes of `probeMs`. */
const patience = 10;
/** The same after another press. */
const impatience = 2;
const probeMs = 300;

const counters = new Int32Array(workerData.counters);

function pressed() {
  Atomics.add(counters, PRESSED, 1);
  parentPort.postMessage("interrupt");
  workerData.breaker.postMessage("interrupt");
}

function sentinel() {
  globalThis.waitForSignal = () => Atomics.wait(counters, NEVER, 0);
  // Registered twice: while the inner wait is renewed the outer one holds the signal, which otherwise would end the process.
  globalThis.watchSignals = () => {
    for (;;) {
      try {
        vm.runInThisContext("waitForSignal()", { breakOnSigint: true });
      } catch {
        pressed();
      }
    }
  };
  parentPort.postMessage("ready");
  for (;;) {
    try {
      vm.runInThisContext("watchSignals()", { breakOnSigint: true });
    } catch {
      pressed();
    }
  }
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const done = () => Atomics.load(counters, DONE) === Atomics.load(counters, PRESSED);

/** Resolves when the main thread runs JavaScript: at once if it spins, at its end if it is in a native call. */
function probe(session) {
  return new Promise((resolve) => session.post("Runtime.getIsolateId", resolve));
}

async function breakMainThread() {
  const { Session } = require("node:inspector");
  let session;
  let before = Atomics.load(counters, DONE);
  let beat = Atomics.load(counters, BEAT);
  for (let probes = 1; ; probes++) {
    await sleep(probeMs);
    if (done()) break;
    if (!session) {
      session = new Session();
      session.connectToMainThread();
    }
    await probe(session);
    if (done()) break;
    const lastBeat = beat;
    beat = Atomics.load(counters, BEAT);
    if (Atomics.load(counters, KERNEL) > 0 || beat !== lastBeat) {
      probes = 0;
      continue;
    }
    const presses = Atomics.load(counters, PRESSED) - before;
    if (probes < (presses < 2 ? patience : impatience)) continue;
    // The first lasts until the second is posted (interrupt.ts), so that no JavaScript runs between them.
    Atomics.store(counters, POSTED, 0);
    session.post("Runtime.evaluate", { expression: 'globalThis[Symbol.for("alignlab.unwind")]()' });
    const ended = new Promise((resolve) => session.post("Runtime.terminateExecution", resolve));
    Atomics.store(counters, POSTED, 1);
    await ended;
    parentPort.postMessage("terminated");
    before = Atomics.load(counters, PRESSED) - 1;
    probes = 0;
  }
  session?.disconnect();
}

/** A kernel whose Jupyter is gone ends, busy or not. */
function watchParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
  }, 2000);
}

function breaker() {
  watchParent();
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
