import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel } from "../../src/model/load";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import type { DpoJob } from "../job";
import { runHeld } from "./heldTrainer";

// Our side of `npm run bench -- dpo`.

runHeld(async (job: DpoJob, argsOf, callbacks) => {
  const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
  // What an earlier run left on the disk would spare the copy of the policy that is to be measured.
  if (job.precompute === false) model.fingerprint = null;
  const trainer = new DPOTrainer({ model, tokenizer, trainDataset: job.texts.flat(), args: { ...argsOf(job.texts[0]!.length), maxPromptLength: null, beta: job.beta }, callbacks });
  if (job.precompute !== false) await trainer.precomputeReference();
  return trainer;
});
