import type { Tensor } from "@tensorflow/tfjs";
import { stopSignal } from "../engine/host";
import { LeakSentinel } from "../engine/sentinel";
import type { LlamaForCausalLM } from "../model/llama";
import { BeamRun } from "./beamRun";
import type { GenerateOptions } from "./options";
import { SequenceRun } from "./sequenceRun";
import { GenerationSession } from "./session";
import { resolveOptions } from "./settings";

/** Why a sequence ended: an end token, a stop string, its length, or Stop. */
export type FinishReason = "eos" | "stop" | "length" | "stopped";

export interface Generated {
  /**
   * New tokens only, for each prompt, `numReturnSequences` of them one after the other; the end token, or the token that
   * completes a stop string, is included, as in transformers' output.
   */
  sequences: number[][];
  finishedBy: FinishReason[];
  /**
   * With `returnLogps`: of each new token log softmax(logits / temperature), in nats, as the model gave it when the token was
   * chosen. It is that of the whole distribution, before `topK`, `topP`, `minP` and penalties.
   */
  logps?: number[][];
  /** With beams: log-probability ÷ length^lengthPenalty of each sequence, transformers' `sequences_scores`. */
  sequencesScores?: number[];
}

/** What computes one call. */
export interface GenerationRun {
  /** Chooses the tokens at a place of the answers. @returns whether any answer goes on */
  step(position: number): Promise<boolean>;
  /** What there is so far. */
  result(): Generated;
  /** Tensors that one step leaves to the next. */
  readonly held: Tensor[];
  dispose(): void;
}

/**
 * Continues prompts, all of them at once, with a key-value cache; equal prompts are computed once. The event loop goes on
 * meanwhile, and Stop keeps what was generated. Calls on the same model wait for one another.
 * @param prompts token ids, lengths may differ
 * @throws RangeError or TypeError for an option or a prompt that cannot be used
 */
export async function generate(model: LlamaForCausalLM, prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<Generated> {
  if (model.finalNorm.isDisposed) throw new Error("generate: the model was disposed; load it again.");
  const settings = resolveOptions(model, prompts, options);
  if (prompts.length === 0) return { sequences: [], finishedBy: [] };
  const signal = options.signal ?? stopSignal();
  const session = GenerationSession.of(model);
  return session.exclusive(async () => {
    session.allow(settings.decodeWeights);
    if (settings.precision === "auto") await session.measure();
    const run: GenerationRun = settings.beams ? new BeamRun(session, prompts, settings, settings.beams, options) : new SequenceRun(session, prompts, settings, options);
    try {
      await runToEnd(run, signal);
      return run.result();
    } finally {
      run.dispose();
      session.release();
    }
  });
}

/** Steps until all has ended or `signal` is aborted. */
async function runToEnd(run: GenerationRun, signal: AbortSignal): Promise<void> {
  const sentinel = LeakSentinel.begin("Generation");
  try {
    for (let position = 0; !signal.aborted; position++) {
      const goesOn = await run.step(position);
      sentinel?.check(`the token at place ${position}`, { held: run.held, newVariables: true });
      if (!goesOn) return;
    }
  } finally {
    sentinel?.end();
  }
}
