import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel } from "../../src/model/load";
import { SFTTrainer } from "../../src/step/sftTrainer";
import type { SftLoraJob } from "../job";
import { runHeld } from "./heldTrainer";

// Our side of `npm run bench -- sft-lora`.

runHeld(async (job: SftLoraJob, argsOf, callbacks) => {
  const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
  return new SFTTrainer({ model, tokenizer, trainDataset: job.texts.flat(), peftConfig: { ...job.lora, targetModules: "all-linear" }, args: { ...argsOf(job.texts[0]!.length), maxLength: null }, callbacks });
});
