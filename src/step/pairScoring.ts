import type { Tensor } from "@tensorflow/tfjs";
import { pairScores, scoreTensorList, scoreTensorsFrom, toScoreTensors, type PairScores } from "../loss/scores";
import type { LlamaForSequenceClassification } from "../model/classification";
import type { PackingOptions } from "../tokens/packing";
import type { ScoredRow } from "../tokens/rewardRows";
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
