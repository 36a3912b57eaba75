import { fork } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { bundleSuite } from "./bundle";
import { EXCEPTIONS } from "./exceptions";
import { judge, type Verdict } from "./judge";
import { nodeIgnoreList } from "./nodeIgnoreList";
import type { Mode, SuiteReport } from "./report";

const USAGE = `npm run test:tfjs [-- OPTIONS]

Runs tfjs-core's own specs on the TensorFlow backend: once with each op as it is, once with every
kernel and every gradient through jit.

  --eager       the first run only
  --jit         the second run only
  --grep=TEXT   only specs whose full name holds the text

Exit codes: 0 when all specs pass but the listed exceptions, 1 when one fails, an exception passes or none ran, 2 wrong options.`;

const root = resolve(__dirname, "..", "..");

/** Runs the bundle in a process of its own, for tfjs and jasmine keep global state. */
function runSuite(bundle: string, mode: Mode, grep: string): Promise<SuiteReport> {
  const args = [...(mode === "jit" ? ["--jit"] : []), `--grep=${grep}`];
  // What specs print (warnings that they provoke) goes nowhere; TensorFlow's own fatal errors are kept.
  const child = fork(bundle, args, { execArgv: [], env: { ...process.env, ALIGNLAB_ROOT: root }, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let tail = "";
  child.stderr!.on("data", (data) => (tail = (tail + data).slice(-2000)));
  return new Promise((settle, fail) => {
    child.once("message", (message) => settle(message as SuiteReport));
    child.once("error", fail);
    child.once("exit", (code, signal) => fail(new Error(`The specs ended with ${signal ?? code} before they reported.\n${tail}`)));
  });
}

const number = (value: number): string => value.toLocaleString("en-US");

function describe(mode: Mode, { tensorflow, pending, ops, compiledCalls, kernels, gradients }: SuiteReport, verdict: Verdict): string {
  const { outside, inside } = verdict;
  const lines = [
    `${mode === "jit" ? "Through jit" : "Each op as it is"}, TensorFlow ${tensorflow}: ${number(verdict.passed)} specs pass, ${number(verdict.failures.length)} failures, ${number(verdict.excepted)} exceptions listed with their reasons.`,
    `  Outside of tfjs-node-gpu's own list of exceptions ${number(outside.passed)} of ${number(outside.ran)} pass, inside ${number(inside.passed)} of ${number(inside.ran)}; tfjs-core has switched off ${number(pending)}.`,
    `  TensorFlow ran ${number(ops)} ops${mode === "jit" ? " while tracing and outside of it" : ""} and ${number(compiledCalls)} compiled calls.`,
  ];
  if (mode === "jit") {
    lines.push(
      `  Compiled: ${number(gradients.traced)} of ${number(gradients.calls)} gradients, forward and backward pass in one function; outside of them ${number(kernels.traced)} of ${number(kernels.calls)} calls of kernels, one by one.`,
      "  The other calls failed, as specs of bad input and the exceptions have it.",
    );
  }
  return [...verdict.failures.map((failure) => `✗ ${failure}`), ...lines].join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { eager: { type: "boolean" }, jit: { type: "boolean" }, grep: { type: "string", default: "" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const bundle = await bundleSuite(root);
  const expectations = { exceptions: EXCEPTIONS, ignoredByNode: nodeIgnoreList(root), partial: values.grep !== "" };
  const modes: Mode[] = values.eager === values.jit ? ["eager", "jit"] : values.jit ? ["jit"] : ["eager"];
  let passed = 0;
  let failed = 0;
  for (const mode of modes) {
    const report = await runSuite(bundle, mode, values.grep);
    const verdict = judge(report, mode, expectations);
    console.log(describe(mode, report, verdict));
    passed += verdict.passed;
    failed += verdict.failures.length;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => (process.exitCode = code),
  (error: Error & { code?: string }) => {
    const wrongOption = error.code?.startsWith("ERR_PARSE_ARGS") ?? false;
    console.error(wrongOption ? `${error.message}\n\n${USAGE}` : error.message);
    process.exitCode = wrongOption ? 2 : 1;
  },
);
