import "./environment";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/tests";
import { jasmineEnvironment } from "./jasmine";
import { executed } from "./proof";
import { traced } from "./tracedKernels";
import type { SuiteReport } from "./report";

const pattern = process.argv.find((argument) => argument.startsWith("--grep="))?.slice("--grep=".length);
const report: SuiteReport = { specs: [], pending: 0, ops: 0, compiledCalls: 0 };

jasmineEnvironment.configure({ random: false, specFilter: (spec) => pattern === undefined || spec.getFullName().includes(pattern) });
jasmineEnvironment.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    if (status === "pending") report.pending++;
    if (status === "passed" || status === "failed") report.specs.push({ name: fullName, passed: status === "passed", messages: failedExpectations.map(({ message }) => message) });
  },
  suiteDone({ fullName, failedExpectations }) {
    if (failedExpectations.length > 0) report.specs.push({ name: `${fullName} (before or after all)`, passed: false, messages: failedExpectations.map(({ message }) => message) });
  },
});
jasmineEnvironment.execute(null, () => {
  process.send!({ ...report, ...executed, extra: traced }, () => process.exit());
});
