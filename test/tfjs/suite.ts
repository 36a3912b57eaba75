import "./environment";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/tests";
import { binding } from "../../src/engine/backend";
import { jasmineEnvironment, type SpecResult } from "./jasmine";
import { executed } from "./proof";
import type { SuiteReport } from "./report";
import { gradients } from "./tracedGradients";
import { kernels } from "./tracedKernels";

// The bundle's entry: runs every spec whose name holds the text after --grep= and sends the report to the parent process.
const text = process.argv.find((argument) => argument.startsWith("--grep="))?.slice("--grep=".length) ?? "";
const specs: SuiteReport["specs"] = [];
let pending = 0;

const add = (name: string, { failedExpectations }: SpecResult): unknown =>
  specs.push({ name, passed: failedExpectations.length === 0, messages: failedExpectations.map(({ message }) => message) });

jasmineEnvironment.configure({ random: false, specFilter: (spec) => spec.getFullName().includes(text) });
jasmineEnvironment.addReporter({
  specDone(spec) {
    if (spec.status === "pending") pending++;
    if (spec.status === "passed" || spec.status === "failed") add(spec.fullName, spec);
  },
  suiteDone(suite) {
    if (suite.failedExpectations.length > 0) add(`${suite.fullName} (before or after all of it)`, suite);
  },
});
jasmineEnvironment.execute(null, () => {
  const report: SuiteReport = { tensorflow: binding.TF_Version, specs, pending, ...executed, kernels, gradients };
  process.send!(report, () => process.exit());
});
