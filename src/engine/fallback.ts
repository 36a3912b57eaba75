import type { KernelBackend } from "@tensorflow/tfjs";
import { BACKEND_VARIABLE, BackendError, WITH_TENSORFLOW, namedBackend, tensorflowProblem, type FallbackName } from "./choice";
import { holdCell } from "./host";
import { tf } from "./tfjs";
import { startWasm } from "./wasm";
import { startWebgpu } from "./webgpu";

/** How each backend starts, the fastest first, and what it is. */
const FALLBACKS: Record<FallbackName, { start: () => Promise<KernelBackend>; what: string }> = {
  webgpu: { start: startWebgpu, what: "tfjs on WebGPU" },
  wasm: { start: startWasm, what: "tfjs on WebAssembly, one thread" },
  cpu: { start: async () => startCpu(), what: "tfjs in plain JavaScript" },
};

/** tfjs's own view of a backend that is being started: ops refuse to run, and `tf.ready()` waits. */
interface Starting {
  pendingBackendInit: Promise<boolean> | null;
  backendName: string | null;
}

function startCpu(): KernelBackend {
  const backend = tf.findBackendFactory("cpu")() as KernelBackend & { firstUse: boolean };
  // tfjs would advertise its own addon on first use.
  backend.firstUse = false;
  return backend;
}

/**
 * Starts a backend other than TensorFlow: the one that the environment names, or the first that starts. Said aloud once.
 * WebGPU and WebAssembly start asynchronously: `await tf.ready()` before the first op, as tfjs asks for; whatever loads
 * or makes a model does so by itself, and so does the cell of a notebook that imports the engine. Where the named one cannot start, that promise is rejected with the reason.
 */
export function startFallback(): void {
  const named = namedBackend() as FallbackName | null;
  if (named === "cpu") {
    take("cpu", startCpu());
    announce("cpu", []);
    return;
  }
  const engine = tf.engine() as unknown as Starting;
  engine.backendName = named ?? "webgpu, wasm or cpu";
  engine.pendingBackendInit = start(named === null ? (Object.keys(FALLBACKS) as FallbackName[]) : [named]).then(() => true);
  holdCell(engine.pendingBackendInit);
}

async function start(names: readonly FallbackName[]): Promise<void> {
  const refused: string[] = [];
  for (const name of names) {
    try {
      take(name, await FALLBACKS[name].start());
      announce(name, refused);
      return;
    } catch (error) {
      refused.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new BackendError(`${BACKEND_VARIABLE} names a backend that cannot start. ${refused.join(" ")} ${WITH_TENSORFLOW}`);
}

/** Makes a backend that has started the one of this process. */
function take(name: FallbackName, backend: KernelBackend): void {
  if (tf.findBackendFactory(name)) tf.removeBackend(name);
  tf.registerBackend(name, () => backend);
  (tf.engine() as unknown as Starting).pendingBackendInit = null;
  tf.setBackend(name);
}

function announce(name: FallbackName, refused: readonly string[]): void {
  const problem = tensorflowProblem();
  const why = problem === null ? `${BACKEND_VARIABLE} names it` : [`TensorFlow cannot be used (${problem.replace(/\.$/, "")})`, ...refused.map((text) => text.replace(/\.$/, ""))].join("; ");
  console.warn(`Backend ${name} (${FALLBACKS[name].what}): ${why}. It computes in float32 and is meant for small models.`);
}
