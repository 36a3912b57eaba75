import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stopSignal } from "../../engine/host";
import { disposeGeneration } from "../../generate/session";
import { generateText, type GenerateTextOptions } from "../../generate/text";
import type { LlamaForCausalLM } from "../../model/llama";
import type { Message, Tokenizer } from "../../tokens/tokenizer";
import type { TrainingArguments } from "../arguments";
import type { TrainerCallback, TrainerState } from "../callbacks";
import { jsonLine } from "../jsonl";
import { RUN_FILES } from "./folder";

/** Prompts that the model answers while it is trained. */
export interface SampleOptions {
  /** What the user says, or whole chats that end with the user's turn. */
  prompts: readonly (string | Message[])[];
  /** After which steps, 0 for before the first; a number: before the first, after every so many, and after the last. */
  steps: number | readonly number[];
  /** Default: greedy, at most 64 tokens. */
  generation?: Partial<Omit<GenerateTextOptions, "onText" | "stream">>;
}

/** One answer, under the names of TRL's table of completions. */
export interface Sample {
  step: number;
  epoch: number;
  prompt: string | Message[];
  completion: string;
}

/** @throws RangeError for prompts or steps that are none, Error without a folder to keep them in */
function checkOptions({ prompts, steps }: SampleOptions, outputDir: string | undefined): asserts outputDir is string {
  if (!outputDir) throw new Error("samples: the answers are kept in args.outputDir, which is not set.");
  if (!Array.isArray(prompts) || prompts.length === 0) throw new RangeError("samples: there are no prompts; give at least one.");
  const each = typeof steps === "number" ? [steps] : steps;
  const least = typeof steps === "number" ? 1 : 0;
  const bad = each.find((step) => !(Number.isInteger(step) && step >= least));
  if (bad !== undefined) throw new RangeError(`samples: steps has ${bad}; whole numbers of ${least} or above are needed.`);
}

/**
 * Keeps in `samples.jsonl` of the run's folder what the model answers as training goes on. A resumed run keeps the
 * answers up to its checkpoint. Drawn answers come from `generation.seed`, so that training's numbers stay as they are.
 */
function sampleCallback(model: LlamaForCausalLM, tokenizer: Tokenizer, options: SampleOptions, outputDir: string | undefined): TrainerCallback {
  checkOptions(options, outputDir);
  const { prompts, steps, generation } = options;
  const file = join(outputDir, RUN_FILES.samples);
  const isDue = ({ step, maxSteps }: TrainerState): boolean => (typeof steps === "number" ? step % steps === 0 || step === maxSteps : steps.includes(step));
  const take = async ({ step, epoch }: TrainerState): Promise<void> => {
    const answers = await generateText(model, tokenizer, prompts, { maxNewTokens: 64, ...generation });
    // Answers that Stop cut off are no measure of the model.
    if (stopSignal().aborted) return;
    const each = answers.length / prompts.length;
    appendFileSync(file, answers.map((completion, i) => jsonLine({ step, epoch, prompt: prompts[Math.floor(i / each)]!, completion } satisfies Sample)).join(""));
  };
  return {
    async onTrainBegin(state) {
      const kept = state.step > 0 && existsSync(file) ? readSamples(outputDir).filter(({ step }) => step <= state.step) : [];
      mkdirSync(outputDir, { recursive: true });
      writeFileSync(file, kept.map(jsonLine).join(""));
      if (state.step === 0 && isDue(state)) await take(state);
    },
    onStepEnd: (state) => (isDue(state) ? take(state) : undefined),
    onTrainEnd: () => disposeGeneration(model),
  };
}

/** A trainer's listeners, the one that takes samples first. */
export function callbacksWithSamples(options: { model: LlamaForCausalLM; tokenizer: Tokenizer; samples?: SampleOptions; callbacks?: readonly TrainerCallback[] }, { outputDir }: TrainingArguments): TrainerCallback[] {
  const { model, tokenizer, samples, callbacks = [] } = options;
  return [...(samples ? [sampleCallback(model, tokenizer, samples, outputDir)] : []), ...callbacks];
}

/** The answers that a run's folder keeps, in their order; a line that a killed run left half written is passed over. */
export function readSamples(folder: string): Sample[] {
  const lines = readFileSync(join(folder, RUN_FILES.samples), "utf8").split("\n");
  const torn = lines.pop()!;
  if (torn !== "") console.warn(`${join(folder, RUN_FILES.samples)}: the last line is cut off and passed over.`);
  return lines.map((line) => JSON.parse(line) as Sample);
}
