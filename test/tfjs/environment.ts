import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util";
import { jasmineEnvironment } from "./jasmine";
import { proveBackend } from "./proof";
import { traceGradients } from "./tracedGradients";
import { traceKernels } from "./tracedKernels";

/** The name that tfjs-core puts into the full name of every spec that it runs on a backend. */
export const ENVIRONMENT = "test-tensorflow";

// Before the specs are declared: each asks at once for which backends it is to be.
setTestEnvs([{ name: ENVIRONMENT, backendName: "tensorflow", flags: {}, isDataSync: true }]);
proveBackend(jasmineEnvironment, ` ${ENVIRONMENT} {} `);
if (process.argv.includes("--jit")) {
  traceKernels();
  traceGradients();
}
