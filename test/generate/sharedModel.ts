import { after, before } from "node:test";
import { disposeGeneration } from "../../src/generate/session";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { tinyModel } from "./tinyModel";

/** Makes a tiny model before the tests of a file, hands it to `take`, and frees it after them, with what generation holds of it. */
export function shareTinyModel(options: Parameters<typeof tinyModel>[0], take: (model: LlamaForCausalLM) => void): void {
  let model: LlamaForCausalLM;
  before(async () => take((model = await tinyModel(options))));
  after(async () => {
    await disposeGeneration(model);
    model.dispose();
  });
}
