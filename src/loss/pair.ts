import type { Tensor1D } from "@tensorflow/tfjs";

/** What a preference loss is a function of: a batch of pairs, every tensor [batch]. Log-probabilities are in nats. */
export interface PairLogps {
  /** log π(chosen | prompt): the sum over the answer's tokens, under the policy. */
  chosenLogps: Tensor1D;
  rejectedLogps: Tensor1D;
  /** The same under the reference. */
  refChosenLogps: Tensor1D;
  refRejectedLogps: Tensor1D;
  /** Number of tokens of each answer; needed by the losses that are taken per token (`lossNeedsLengths`). */
  chosenLengths?: Tensor1D;
  rejectedLengths?: Tensor1D;
}

/** @throws RangeError naming the first tensor that is not [batch] like the chosen log-probabilities. */
export function checkPair(logps: PairLogps): void {
  const [batch] = logps.chosenLogps.shape;
  for (const [name, tensor] of Object.entries(logps) as [string, Tensor1D | undefined][]) {
    if (tensor === undefined) continue;
    if (tensor.shape.length !== 1 || tensor.shape[0] !== batch) {
      throw new RangeError(`${name} has shape [${tensor.shape}]; all log-probabilities and lengths of a batch are vectors with one value for each pair, like chosenLogps [${logps.chosenLogps.shape}].`);
    }
  }
  if (batch === 0) throw new RangeError("A preference loss needs at least one pair; the tensors are empty.");
}

/** @throws RangeError unless beta is a positive number. */
export function checkBeta(beta: number): void {
  if (!(beta > 0 && Number.isFinite(beta))) throw new RangeError(`beta is ${beta}; a positive number is needed (0.1 is usual).`);
}
