import { display, inNotebook } from "../engine/host";
import type { TrainerCallback } from "../step/callbacks";
import { ACCENT, duration, escapeHtml, FAINT, tag, TRACK } from "./html";
import { paced } from "./pace";

export interface ProgressOptions {
  /** How much there is to do, in whatever is counted. */
  total: number;
  label?: string;
}

export interface ProgressBar {
  /** Says how much is done, with a short note such as the last loss. Shown at most four times a second. */
  update(done: number, note?: string): void;
  /** Shows the last state, with the time it took. Later calls do nothing. */
  end(note?: string): void;
}

const EVERY = 250;
let count = 0;

interface Progress {
  label: string;
  done: number;
  total: number;
  note: string;
  time: string;
}

function inWords({ label, done, total, note, time }: Progress): string {
  const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
  return [label, `${done}/${total}`, `${percent} %`, time, note].filter(Boolean).join("  ");
}

function asHtml(progress: Progress): string {
  const { label, done, total, note, time } = progress;
  const percent = total > 0 ? Math.min(100, (100 * done) / total) : 100;
  const bar =
    `<div role="progressbar" aria-label="${escapeHtml(label || "progress")}" aria-valuenow="${done}" aria-valuemin="0" aria-valuemax="${total}" ` +
    `style="flex: 0 0 220px; height: 10px; border-radius: 5px; background: ${TRACK}; overflow: hidden">` +
    `<div style="width: ${percent.toFixed(1)}%; height: 100%; background: ${ACCENT}"></div></div>`;
  const words = [`${done}/${total}`, `${Math.floor(percent)} %`, time].map((word) => `<span>${escapeHtml(word)}</span>`).join("");
  const name = label ? `<span style="font-weight: 600">${escapeHtml(label)}</span>` : "";
  const tail = note ? `<span style="color: ${FAINT}">${escapeHtml(note)}</span>` : "";
  const style = { display: "flex", "flex-wrap": "wrap", gap: "4px 14px", "align-items": "center", "font-variant-numeric": "tabular-nums" };
  return tag("div", style, name + bar + words + tail);
}

/**
 * A progress bar in one output that is updated in place. The time left is judged by the pace since the first
 * update, because the first step also traces and compiles. In a terminal only the end is printed.
 */
export function progressBar(options: ProgressOptions): ProgressBar {
  const { total, label = "" } = options;
  if (!(total >= 0)) throw new RangeError(`progressBar: the total is ${total}; give the number of things to do, 0 or more.`);
  const displayId = `alignlab-progress-${process.pid}-${++count}`;
  const startedAt = performance.now();
  let first: { at: number; done: number } | undefined;
  let [done, note, shown, ended] = [0, "", false, false];

  const timeText = (): string => {
    const now = performance.now();
    if (ended) return `in ${duration(now - startedAt)}`;
    if (!first || done <= first.done) return "";
    return `${duration(((now - first.at) / (done - first.done)) * Math.max(0, total - done))} left`;
  };
  const draw = (): void => {
    const progress = { label, done, total, note, time: timeText() };
    display({ "text/html": asHtml(progress), "text/plain": inWords(progress) }, { displayId, update: shown });
    shown = true;
  };
  const pace = paced(EVERY, draw);
  return {
    update(nowDone, nowNote) {
      if (ended) return;
      [done, note] = [nowDone, nowNote ?? note];
      if (done > 0) first ??= { at: performance.now(), done };
      if (inNotebook()) pace.request();
    },
    end(lastNote) {
      if (ended) return;
      pace.cancel();
      ended = true;
      note = lastNote ?? note;
      draw();
    },
  };
}

/** A training run's progress: steps, time left, the last loss. */
export function progressCallback(label = "training"): TrainerCallback {
  let bar: ProgressBar | undefined;
  return {
    onTrainBegin(state) {
      bar = progressBar({ total: state.maxSteps, label });
      bar.update(state.step);
    },
    onStepEnd: (state) => bar?.update(state.step),
    onLog(state, row) {
      if (row.loss !== undefined) bar?.update(state.step, `loss ${row.loss.toPrecision(4)}`);
    },
    onTrainEnd(state) {
      bar?.update(state.step);
      bar?.end(state.stopped ? `stopped at step ${state.step}` : undefined);
      bar = undefined;
    },
  };
}
