import { display, inNotebook, type MimeBundle } from "../../engine/host";
import type { TrainerCallback } from "../../step/callbacks";
import { TrainingDivergedError } from "../../step/trainer";
import { escapeHtml, FAINT, tag } from "../html";
import { paced } from "../pace";
import { findingOf, HealthWatch, type HealthFinding } from "./health";
import { HEALTH_RULES, lossNotFinite } from "./rules";

const EVERY = 250;
const EDGES = { alarm: "#d55e00", warning: "#e69f00" } as const;
let count = 0;

const headline = (findings: readonly HealthFinding[], step: number): string =>
  findings.length === 0 ? `${HEALTH_RULES.length} rules, nothing to remark up to step ${step}` : `${findings.length} ${findings.length === 1 ? "remark" : "remarks"} up to step ${step}`;

const inWords = ({ step, title, message, source }: HealthFinding): string => `Step ${step}: ${title}. ${message} [${source}]`;

function asHtml({ severity, step, title, message, source }: HealthFinding): string {
  const words = `<strong>Step ${step}: ${escapeHtml(title)}.</strong> ${escapeHtml(message)} ${tag("span", { color: FAINT }, escapeHtml(source))}`;
  return tag("div", { "border-left": `4px solid ${EDGES[severity]}`, padding: "2px 10px", margin: "6px 0", "max-width": "52em" }, words, ` role="note"`);
}

/** All that was found so far, as one output. */
export function healthBundle(findings: readonly HealthFinding[], step: number): MimeBundle {
  const head = `<strong>Health</strong> ${tag("span", { color: FAINT }, escapeHtml(headline(findings, step)))}`;
  return {
    "text/html": tag("div", { margin: "4px 0" }, [head, ...findings.map(asHtml)].join(""), ' role="status"'),
    "text/plain": [`Health: ${headline(findings, step)}`, ...findings.map((finding) => `  ${inWords(finding)}`)].join("\n"),
  };
}

/** What the error says that ended the run: a loss that is no number, and the batch that gave it. */
function divergence(error: unknown): HealthFinding | null {
  if (!(error instanceof TrainingDivergedError)) return null;
  const { step, rows } = error;
  return findingOf(lossNotFinite, step, { title: `A number is no longer finite, on the rows ${rows.join(", ")} of the training set`, message: error.message });
}

/**
 * Watches a run's log while it grows and says, each thing once and with its step, what a practitioner would: see
 * `HEALTH_RULES`. It is one output, updated in place: put the callback after the live chart's, and it stands under it. In a
 * terminal each remark is printed when it is made.
 */
export function healthMonitor(): TrainerCallback {
  let [watch, findings, displayId, shown, step] = [new HealthWatch(), [] as HealthFinding[], "", false, 0];
  const draw = (): void => {
    display(healthBundle(findings, step), { displayId, update: shown });
    shown = true;
  };
  let pace = paced(EVERY, draw);
  const say = (found: readonly HealthFinding[]): void => {
    findings.push(...found);
    if (inNotebook()) pace.request();
    else for (const finding of found) display({ "text/plain": inWords(finding) });
  };
  const see: TrainerCallback["onLog"] = (state, row) => {
    step = state.step;
    say(watch.add(row));
  };
  return {
    onTrainBegin(state) {
      [watch, findings, displayId, shown, step] = [new HealthWatch(), [], `alignlab-health-${process.pid}-${++count}`, false, state.step];
      pace = paced(EVERY, draw);
      // A run that goes on from a checkpoint has its earlier rows already.
      say(state.logHistory.flatMap((row) => watch.add(row)));
    },
    onLog: see,
    onEvaluate: see,
    onTrainError(_state, error) {
      const found = divergence(error);
      if (found && !findings.some(({ rule }) => rule === found.rule)) say([found]);
    },
    onTrainEnd() {
      pace.cancel();
      if (inNotebook()) draw();
    },
  };
}
