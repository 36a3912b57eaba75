import type { Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf } from "../../engine/backend";
import { BUCKETED, ROUNDINGS } from "../../engine/buckets";
import { jit, type JitFunction } from "../../engine/jit";
import type { Precision } from "../../engine/recorder";
import { scoreTensorList, scoreTensorsFrom, textScores, toScoreTensors } from "../../loss/scores";
import type { LlamaForSequenceClassification } from "../../model/classification";
import { saidBy, type PromptRow } from "../../tokens/prompts";
import { answeredIds } from "../../tokens/rewardRows";
import { packTexts } from "../../tokens/scoredPairs";
import type { Tokenizer } from "../../tokens/tokenizer";
import { chunks } from "../batches";

/**
 * What an answer is worth.
 * @param prompt what was said: the text of the prompt, of a chat its last turn @param text the answer without special tokens
 * @param ids the answer as it was drawn, with its end token where it has one
 */
export type RewardFunction = (prompt: string, text: string, ids: readonly number[]) => number | Promise<number>;

/** A classifier that answers are read by as its training read texts: chats by its tokenizer's template, plain texts with the end token behind them. */
export interface RewardModel {
  model: LlamaForSequenceClassification;
  /** The classifier's own, which may be another than the policy's. */
  tokenizer: Tokenizer;
  /** What the reward is of each text's logits, [texts, labels] → [texts]; `expectedRating` for a model of ratings. Default: the score of a model of one label. */
  scoreOf?: (logits: Tensor2D) => Tensor1D;
}

export type RewardSource = RewardFunction | RewardModel;

/** An answer to be scored. */
export interface AnsweredPrompt {
  prompt: PromptRow["prompt"];
  text: string;
  ids: readonly number[];
}

export interface RewardScorer {
  /** @param groupSize answers to each prompt, which stand next to each other @throws TypeError naming prompt and answer for a reward that is no finite number */
  score(answers: readonly AnsweredPrompt[], groupSize: number): Promise<number[]>;
  /** Weights that the rewards depend on. */
  readonly parameters: ReadonlyMap<string, Variable>;
  dispose(): void;
}

export interface ScorerSettings {
  /** Of a model's matrix products. */
  precision: Precision;
  /** Answers that a model reads at once. */
  batchSize: number;
}

/** @throws TypeError or RangeError for a reward that is neither, or a model that gives no single score or cannot tell where texts end */
export function rewardScorer(reward: RewardSource, settings: ScorerSettings): RewardScorer {
  if (typeof reward === "function") return new FunctionScorer(reward);
  if (typeof reward !== "object" || !reward?.model || !reward.tokenizer) throw new TypeError("reward must be a function of (prompt, text, ids), or a reward model as { model, tokenizer }.");
  return new ModelScorer(reward, settings);
}

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

function requireFinite(scores: readonly unknown[], answers: readonly AnsweredPrompt[]): number[] {
  const bad = scores.findIndex((score) => typeof score !== "number" || !Number.isFinite(score));
  if (bad < 0) return scores as number[];
  const { prompt, text } = answers[bad]!;
  const score = scores[bad];
  throw new TypeError(`The reward of an answer is ${typeof score === "number" ? score : JSON.stringify(score)}; a finite number is needed. The prompt is ${shown(saidBy(prompt))}, the answer ${shown(text)}.`);
}

class FunctionScorer implements RewardScorer {
  readonly parameters: ReadonlyMap<string, Variable> = new Map();

  constructor(private readonly reward: RewardFunction) {}

  async score(answers: readonly AnsweredPrompt[]): Promise<number[]> {
    return requireFinite(await Promise.all(answers.map(({ prompt, text, ids }) => this.reward(saidBy(prompt), text, ids))), answers);
  }

  dispose(): void {
    // A function holds nothing.
  }
}

class ModelScorer implements RewardScorer {
  private readonly compiled: JitFunction<Tensor[], Tensor>;
  private readonly padTokenId: number;

  constructor(private readonly reward: RewardModel, private readonly settings: ScorerSettings) {
    const { model, tokenizer, scoreOf } = reward;
    if (!scoreOf && model.numLabels !== 1) throw new RangeError(`The reward model gives each text ${model.numLabels} scores; a reward is one. Give reward.scoreOf, which makes one of them, for example expectedRating.`);
    const padTokenId = model.padTokenId ?? tokenizer.padTokenId;
    if (padTokenId === null) throw new RangeError("Neither the reward model nor its tokenizer names a padding or an end token, so it cannot be told where a text ends. Set model.padTokenId.");
    this.padTokenId = padTokenId;
    this.compiled = jit((...tensors: Tensor[]) => {
      const logits = textScores(model, scoreTensorsFrom(tensors));
      return scoreOf ? scoreOf(logits) : tf.reshape(logits, [-1]);
    }, { precision: settings.precision, name: "reward_scores", expectedTraces: BUCKETED });
  }

  get parameters(): ReadonlyMap<string, Variable> {
    return this.reward.model.parameters;
  }

  async score(answers: readonly AnsweredPrompt[], groupSize: number): Promise<number[]> {
    const texts = answers.map(({ prompt, text }) => answeredIds(prompt, text, this.reward.tokenizer));
    const { maxPositionEmbeddings } = this.reward.model.config;
    const long = texts.findIndex(({ length }) => length > maxPositionEmbeddings);
    if (long >= 0) throw new RangeError(`The reward model has ${maxPositionEmbeddings} positions; the prompt ${shown(saidBy(answers[long]!.prompt))} with its answer takes ${texts[long]!.length}. Shorten the prompt or the answers.`);
    const scores: number[] = [];
    for (const batch of chunks(texts, Math.ceil(this.settings.batchSize / groupSize) * groupSize)) {
      const tensors = scoreTensorList(toScoreTensors(packTexts(batch, groupSize, { padTokenId: this.padTokenId, ...ROUNDINGS[2] })));
      const result = this.compiled(...tensors);
      try {
        scores.push(...(await result.data()));
      } finally {
        tf.dispose([result, ...tensors]);
      }
    }
    return requireFinite(scores, answers);
  }

  dispose(): void {
    this.compiled.dispose();
  }
}
