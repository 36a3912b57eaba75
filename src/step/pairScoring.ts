import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { promptBucket } from "../engine/buckets";
import { halves, pairScores, scoreTensorList, scoreTensorsFrom, toScoreTensors, type PairScores } from "../loss/scores";
import type { LlamaForSequenceClassification } from "../model/classification";
import type { EncoderForSequenceClassification } from "../model/encoderClassification";
import { toTextTensors } from "../model/textScorer";
import { padTexts } from "../tokens/padTexts";
import type { PackingOptions } from "../tokens/packing";
import { longestText, type ScoredRow } from "../tokens/rewardRows";
import { packScores, scoredLength } from "../tokens/scoredPairs";

/** How a kind of model computes the scores of a batch of pairs. */
export interface PairScoring {
  /** Tokens of a pair, as the batches are grouped by. */
  length(row: ScoredRow): number;
  /** A batch on the device. */
  tensors(rows: readonly ScoredRow[]): Tensor[];
  /** Scores of what `tensors` gave, inside a trace. */
  scores(tensors: readonly Tensor[]): PairScores;
}

/** Of a causal model: whatever beginning the texts of a batch share is computed once. @param packing is asked for anew with each batch */
export function packedScoring(model: LlamaForSequenceClassification, packing: () => PackingOptions): PairScoring {
  return {
    length: scoredLength,
    tensors: (rows) => scoreTensorList(toScoreTensors(packScores(rows, packing()))),
    scores: (tensors) => pairScores(model, scoreTensorsFrom(tensors)),
  };
}

/** Of an encoder, whose every token depends on all of its text: each text by itself, the chosen ones first, filled up to one length. */
export function paddedScoring(model: EncoderForSequenceClassification): PairScoring {
  return {
    length: longestText,
    tensors: (rows) => {
      const texts = [...rows.map(({ chosen_ids: ids }) => ids), ...rows.map(({ rejected_ids: ids }) => ids)].map((ids) => ({ ids, tokenTypeIds: ids.map(() => 0) }));
      const length = Math.min(promptBucket(Math.max(...texts.map(({ ids }) => ids.length))), model.maxTokens);
      return toTextTensors(padTexts(texts, model.padTokenId ?? 0, length));
    },
    scores: ([ids, mask, types]) => halves(model.forward(ids as Tensor2D, mask as Tensor2D, types as Tensor2D)),
  };
}
