import { LlamaForCausalLM, openModel, PACKAGED_MODEL } from "../../src";

/** The packaged model, or one of its first layers alone, with its embedding, final norm and head. */
export async function firstLayers(layers?: number): Promise<LlamaForCausalLM> {
  const files = await openModel(PACKAGED_MODEL);
  const config = layers === undefined ? files.config : { ...files.config, num_hidden_layers: layers };
  return LlamaForCausalLM.create(config, (name) => files.tensors.read(name));
}
