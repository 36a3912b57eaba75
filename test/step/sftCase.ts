import { writeFileSync } from "node:fs";
import { tf } from "../../src/engine/backend";
import { RandomSource } from "../../src/engine/random";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { saveModel } from "../../src/model/load";
import { addLora, type Lora } from "../../src/model/lora";
import { saveAdapter } from "../../src/model/loraFiles";
import type { SFTRow } from "../../src/tokens/sft";
import { tinyModel } from "../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "./tiny";

// What test/step/make_sft.py, make_dpo_lora.py and the tests of SFT, DPO and LoRA begin with: node --import tsx test/step/sftCase.ts FOLDER

export const sftModel = (): Promise<LlamaForCausalLM> => tinyModel({ vocab: 32, scale: 0.2, positions: 64, eos: 3 });

/** An adapter on all seven projections, B drawn too, so that gradients of both matrices are there. */
export function sftAdapter(model: LlamaForCausalLM): Lora {
  const lora = addLora(model, { r: 4, loraAlpha: 8, targetModules: "all-linear" }, 5);
  const random = new RandomSource(6);
  for (const [name, parameter] of lora.parameters) {
    if (name.includes("lora_B")) tf.tidy(() => parameter.assign(tf.tensor(Float32Array.from({ length: parameter.size }, () => 0.1 * random.normal()), parameter.shape)));
  }
  return lora;
}

export const pairs = tinyRows(12);

/** The same texts in every form that rows come in. */
export const sftRows: Record<"messages" | "chatCompletion" | "textCompletion" | "text", SFTRow[]> = {
  messages: pairs.map(({ prompt, chosen, rejected }) => ({
    messages: [{ role: "user", content: prompt }, { role: "assistant", content: chosen }, { role: "user", content: "a b" }, { role: "assistant", content: rejected }],
  })),
  chatCompletion: pairs.map(({ prompt, chosen }) => ({ prompt: [{ role: "user", content: prompt }], completion: [{ role: "assistant", content: chosen }] })),
  textCompletion: pairs.map(({ prompt, chosen }) => ({ prompt: `${prompt} `, completion: chosen })),
  text: pairs.map(({ prompt, chosen }) => ({ text: `${prompt} ${chosen}` })),
};

async function main(folder: string): Promise<void> {
  const model = await sftModel();
  await saveModel(`${folder}/model`, { model, tokenizer: tinyTokenizer() }, { card: "" });
  await saveAdapter(`${folder}/adapter`, sftAdapter(model), { baseModel: `${folder}/model` });
  writeFileSync(`${folder}/rows.json`, JSON.stringify(sftRows));
  writeFileSync(`${folder}/pairs.json`, JSON.stringify(pairs));
}

if (require.main === module) void main(process.argv[2]!);
