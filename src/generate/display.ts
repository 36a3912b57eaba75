import { display, inNotebook } from "../engine/host";
import { FAINT, duration, escapeHtml, tag } from "../engine/html";
import { paced } from "../engine/pace";
import type { GenerationStep } from "./options";

const EVERY = 150;
let count = 0;

/** Answers that grow in one output of a notebook, with the time left. */
export interface AnswerDisplay {
  /** Shows where generation stands; at most some times a second. */
  update(step: GenerationStep): void;
  /** Shows the answers as they ended. */
  end(answers: readonly string[]): void;
}

/**
 * Shows answers while they are generated. The time left is judged by the pace since the second token, because the first
 * also computes the prompts and compiles; an answer may end sooner. In a terminal only the end is printed.
 * @param prompts what stands above each answer @param decode gives the text of tokens
 */
export function answerDisplay(prompts: readonly string[], decode: (tokens: readonly number[]) => string): AnswerDisplay {
  const displayId = `alignlab-answers-${process.pid}-${++count}`;
  const startedAt = performance.now();
  let first: { at: number; done: number } | undefined;
  let step: GenerationStep | undefined;
  let shown = false;
  const show = (answers: readonly string[], time: string): void => {
    const text = answers.map((answer, i) => (prompts.length > 1 ? `${prompts[i]}\n${answer}` : answer)).join("\n\n");
    display({ "text/html": asHtml(prompts, answers, time), "text/plain": `${text}\n(${time})` }, { displayId, update: shown });
    shown = true;
  };
  const timeText = ({ done, total }: GenerationStep): string => {
    if (!first || done <= first.done) return `token ${done} of at most ${total}`;
    const left = ((performance.now() - first.at) / (done - first.done)) * (total - done);
    return `token ${done} of at most ${total}, at most ${duration(left)} left`;
  };
  const pace = paced(EVERY, () => show(step!.sequences().map(decode), timeText(step!)));
  return {
    update(now) {
      step = now;
      first ??= { at: performance.now(), done: now.done };
      if (inNotebook()) pace.request();
    },
    end(answers) {
      pace.cancel();
      show(answers, `in ${duration(performance.now() - startedAt)}`);
    },
  };
}

function asHtml(prompts: readonly string[], answers: readonly string[], time: string): string {
  const blocks = answers.map((answer, i) => {
    const head = prompts.length > 1 || answers.length > 1 ? tag("div", { color: FAINT }, escapeHtml(prompts[i] ?? "")) : "";
    return tag("div", { margin: "0 0 8px" }, head + tag("div", { "white-space": "pre-wrap" }, escapeHtml(answer)));
  });
  return tag("div", {}, blocks.join("") + tag("div", { color: FAINT, "font-size": "90%" }, escapeHtml(time)));
}
