import type { LlamaForCausalLM } from "../model/llama";

/** @throws RangeError unless `value` is a whole number of at least `least` */
export function checkNumber(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) throw new RangeError(`generate: ${name} is ${value}; it must be a whole number of ${least} or more.`);
}

export function checkToken(model: LlamaForCausalLM, id: number, what: string): void {
  const { vocabSize } = model.config;
  if (!Number.isInteger(id) || id < 0 || id >= vocabSize) throw new RangeError(`generate: ${what} is ${id}; the model's token ids go from 0 to ${vocabSize - 1}.`);
}

export function checkPrompts(model: LlamaForCausalLM, prompts: readonly (readonly number[])[]): void {
  if (!Array.isArray(prompts) || prompts.some((prompt) => !Array.isArray(prompt))) {
    throw new TypeError("generate: the prompts must be an array of arrays of token ids, one for each prompt; wrap a single prompt in [ ].");
  }
  const { maxPositionEmbeddings } = model.config;
  prompts.forEach((prompt, index) => {
    if (prompt.length === 0) throw new RangeError(`generate: prompt ${index} is empty. Give at least one token, for example the model's bos token.`);
    if (prompt.length >= maxPositionEmbeddings) {
      throw new RangeError(`generate: prompt ${index} has ${prompt.length} tokens; the model has ${maxPositionEmbeddings} positions, one of which the first new token needs. Shorten the prompt.`);
    }
    for (const id of prompt) checkToken(model, id, `a token of prompt ${index}`);
  });
}
