/** What can compute, in the order in which the engine prefers it. */
export const BACKENDS = ["tensorflow", "webgpu", "wasm", "cpu"] as const;
export type BackendName = (typeof BACKENDS)[number];
/** The backends that compute without TensorFlow: slower, and for small models only. */
export type FallbackName = Exclude<BackendName, "tensorflow">;

/** Environment variable that names the backend. */
export const BACKEND_VARIABLE = "ALIGNLAB_BACKEND";

/** Thrown for a backend that there is not, that cannot start, or that cannot do what is asked of it. */
export class BackendError extends Error {
  override name = "BackendError";
}

/**
 * The backend that the environment names; null where it leaves the choice to the engine.
 * @throws BackendError for a name that is no backend's
 */
export function namedBackend(environment: NodeJS.ProcessEnv = process.env): BackendName | null {
  const name = environment[BACKEND_VARIABLE];
  if (name === undefined || name === "") return null;
  if ((BACKENDS as readonly string[]).includes(name)) return name as BackendName;
  throw new BackendError(`${BACKEND_VARIABLE} is ${JSON.stringify(name)}; it must be one of ${BACKENDS.join(", ")}. Unset it, and the best backend that starts is taken.`);
}

let problem: string | null = null;

/** Why TensorFlow does not compute although nobody named another backend; null where it computes or was not wanted. */
export const tensorflowProblem = (): string | null => problem;

/**
 * Opens TensorFlow's library, unless another backend is named. Where none is named, TensorFlow is not needed: null then
 * leaves the choice to `startFallback`. Who names a library, with ALIGNLAB_TENSORFLOW, names TensorFlow.
 * @throws what `open` throws, where TensorFlow is named
 */
export function openTensorflow<T>(open: () => T, environment: NodeJS.ProcessEnv = process.env): T | null {
  const named = namedBackend(environment);
  if (named !== null && named !== "tensorflow") return null;
  try {
    return open();
  } catch (error) {
    if (named === "tensorflow" || environment.ALIGNLAB_TENSORFLOW) throw error;
    problem = error instanceof Error ? error.message : String(error);
    return null;
  }
}

/**
 * Stands for a part of TensorFlow in a process that computes without it: every use says so, but for `given`.
 * @param what the part, for the error
 */
export function absent<T extends object>(what: string, given: Readonly<Record<string, unknown>> = {}): T {
  return new Proxy(given, {
    get: (target, key) => {
      if (typeof key === "string" && Object.hasOwn(target, key)) return target[key];
      throw new BackendError(`${what} (${String(key)}) needs TensorFlow, and this process computes without it. ${WITH_TENSORFLOW}`);
    },
  }) as unknown as T;
}

/** What to do about something that only TensorFlow can. */
export const WITH_TENSORFLOW = `Run \`npm start\` once, which installs TensorFlow, and leave ${BACKEND_VARIABLE} unset.`;
