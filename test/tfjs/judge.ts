import type { Mode, SuiteReport } from "./report";

/** Specs that fail for one reason, by their full names. */
export interface Exception {
  reason: string;
  specs: string[];
  /** Of which run; of both unless said. */
  only?: Mode;
}

export interface Expectations {
  exceptions: readonly Exception[];
  /** Whether tfjs-node-gpu leaves a spec out. */
  ignoredByNode: (spec: string) => boolean;
  /** Whether only some specs were chosen, so that a list's entries may be absent. */
  partial: boolean;
}

export interface Verdict {
  passed: number;
  /** One line for each thing that is wrong. */
  failures: string[];
  /** Specs that failed as listed. */
  excepted: number;
  /** Specs outside and inside tfjs-node-gpu's own list of exceptions: how many ran, how many passed. */
  outside: { ran: number; passed: number };
  inside: { ran: number; passed: number };
}

/** What a run proves: a spec that fails and is not listed is a failure, and so is a list's entry that no longer holds. */
export function judge(report: SuiteReport, mode: Mode, expectations: Expectations): Verdict {
  const { ignoredByNode, partial } = expectations;
  const exceptions = expectations.exceptions.filter(({ only }) => only === undefined || only === mode);
  const listed = new Set(exceptions.flatMap(({ specs }) => specs));
  const failed = report.specs.filter(({ passed }) => !passed);
  const failedNames = new Set(failed.map(({ name }) => name));
  const ranNames = new Set(report.specs.map(({ name }) => name));

  const failures = failed.filter(({ name }) => !listed.has(name)).map(({ name, messages }) => `${name}\n    ${messages.join("\n    ")}`);
  for (const name of listed) {
    if (failedNames.has(name) || (partial && !ranNames.has(name))) continue;
    failures.push(`${name}\n    ${ranNames.has(name) ? "passes, though it is listed as an exception" : "is listed as an exception, and there is no such spec"}`);
  }
  if (mode === "eager") {
    for (const name of listed) if (!ignoredByNode(name)) failures.push(`${name}\n    is listed as an exception, and tfjs-node-gpu passes it`);
  }
  failures.push(...judgeBackend(report, mode, partial));
  const count = (inside: boolean): Verdict["inside"] => {
    const specs = report.specs.filter(({ name }) => ignoredByNode(name) === inside);
    return { ran: specs.length, passed: specs.filter(({ passed }) => passed).length };
  };
  return { passed: report.specs.length - failed.length, failures, excepted: failed.filter(({ name }) => listed.has(name)).length, outside: count(false), inside: count(true) };
}

function judgeBackend({ specs, ops, kernels, gradients }: SuiteReport, mode: Mode, partial: boolean): string[] {
  if (specs.length === 0) return ["no spec ran"];
  if (ops === 0) return ["TensorFlow ran nothing: the specs were computed elsewhere"];
  if (mode === "jit" && (kernels.traced === 0 || (gradients.traced === 0 && !partial))) return ["nothing ran through jit"];
  return [];
}
