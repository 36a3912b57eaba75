import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { RewardTrainer } from "../../src/step/rewardTrainer";
import type { RewardJob } from "../job";
import { runHeld } from "./heldTrainer";

// Our side of `npm run bench -- reward`.

runHeld(async (job: RewardJob, argsOf, callbacks) => {
  const { model, tokenizer } = await loadSequenceClassifier(PACKAGED_MODEL, { seed: job.seed });
  const trainDataset = job.batches.flat().map(({ chosen, rejected }) => ({ chosen_ids: chosen, rejected_ids: rejected }));
  return new RewardTrainer({ model, tokenizer, trainDataset, args: { ...argsOf(job.batches[0]!.length), maxLength: null }, callbacks });
});
