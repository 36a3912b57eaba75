import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { openSafetensors } from "../hub/safetensors";
import { writeSafetensors } from "../hub/writeSafetensors";
import { UnsupportedModelError } from "./config";
import type { LlamaForCausalLM } from "./llama";
import { LORA_TARGETS, Lora, loraConfig, loraModules, loraNames, type LoraConfig, type LoraModule, type LoraTarget } from "./lora";

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE = "adapter_model.safetensors";

/** adapter_config.json's entries that say nothing on what the adapter computes. */
const WITHOUT_EFFECT = new Set([
  "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "init_lora_weights", "exclude_modules", "layers_to_transform", "layers_pattern",
  "loftq_config", "eva_config", "corda_config", "lora_ga_config", "kasa_config", "velora_config", "monteclora_config", "qalora_group_size", "megatron_config", "megatron_core", "ensure_weight_tying",
]);
const UNDERSTOOD = new Set(["peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "bias"]);

export interface SaveAdapterOptions {
  /** What PEFT loads beneath the adapter: a hub id or a folder. Default null: whoever loads it says so. */
  baseModel?: string | null;
  /** README.md with its front matter. Default: one that says no more than what is saved. */
  card?: string;
}

/**
 * Saves an adapter as PEFT's `PeftModel.from_pretrained` reads it: adapter_config.json, adapter_model.safetensors, README.md.
 * @throws Error for an adapter that is merged, since its matrices alone say nothing then
 */
export async function saveAdapter(dir: string, lora: Lora, { baseModel = null, card = plainCard(baseModel) }: SaveAdapterOptions = {}): Promise<void> {
  if (lora.isMerged) throw new Error("saveAdapter: the adapter is merged into the model. Call unmerge() first, or save the model.");
  await mkdir(dir, { recursive: true });
  const { r, loraAlpha, loraDropout, useRslora } = lora.config;
  const config = {
    peft_type: "LORA", task_type: "CAUSAL_LM", base_model_name_or_path: baseModel, inference_mode: true,
    r, lora_alpha: loraAlpha, lora_dropout: loraDropout, target_modules: targetModulesOf(lora), use_rslora: useRslora,
    bias: "none", fan_in_fan_out: false, init_lora_weights: true, modules_to_save: null, use_dora: false,
  };
  const tensors = [...lora.parameters].map(([name, parameter]) => ({ name, shape: parameter.shape, data: async () => (await parameter.data()) as Float32Array }));
  await writeSafetensors(path.join(dir, WEIGHTS_FILE), tensors);
  await writeFile(path.join(dir, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
  await writeFile(path.join(dir, "README.md"), card);
}

/** Names of projections, or where an adapter leaves out some layers those of its modules. */
function targetModulesOf(lora: Lora): string[] {
  const { targetModules } = lora.config;
  return lora.modules.length === targetModules.length * lora.layers.length ? [...targetModules] : lora.modules.map(({ name }) => name);
}

function plainCard(baseModel: string | null): string {
  return ["---", "library_name: peft", ...(baseModel ? [`base_model: ${baseModel}`] : []), "tags:", "- alignlab", "- lora", "---", "", "# LoRA adapter", ""].join("\n");
}

/**
 * Adds to a model the adapter that PEFT, or `saveAdapter`, saved in a folder.
 * @throws UnsupportedModelError for an adapter that is not LoRA on this model's projections, naming what does not fit
 */
export function loadAdapter(model: LlamaForCausalLM, dir: string): Lora {
  const files = [CONFIG_FILE, WEIGHTS_FILE].map((name) => path.join(dir, name)) as [string, string];
  const missing = files.find((file) => !existsSync(file));
  if (missing) throw new Error(`${missing} is missing: no adapter in PEFT's layout is in ${dir}.`);
  const tensors = openSafetensors(files[1]);
  const modules = modulesOf(model, [...tensors.tensors.keys()], files[1]);
  const targets = LORA_TARGETS.filter((target) => modules.some(({ projection }) => `${projection}_proj` === target));
  const config = parseAdapterConfig(JSON.parse(readFileSync(files[0], "utf8")) as Record<string, unknown>, targets, files[0]);
  const read = (name: string, shape: readonly number[]): Float32Array => {
    const found = tensors.tensors.get(name);
    if (found?.shape.join() !== shape.join()) throw new UnsupportedModelError(`${files[1]}: ${name} ${found ? `has shape [${found.shape}]` : "is missing"}; this model and r = ${config.r} call for [${shape}].`);
    return tensors.read(name);
  };
  // Read before anything of the model changes.
  const values = new Map(modules.map((module) => {
    const [outputs, inputs] = model.parameters.get(`${module.name}.weight`)!.shape as [number, number];
    const names = loraNames(module.name);
    return [module.name, { a: read(names.a, [config.r, inputs]), b: read(names.b, [outputs, config.r]) }] as const;
  }));
  return new Lora(model, config, modules, ({ name }) => values.get(name)!);
}

function modulesOf(model: LlamaForCausalLM, names: readonly string[], file: string): LoraModule[] {
  const present = new Set(names);
  const modules = loraModules(model, LORA_TARGETS).filter(({ name }) => present.has(loraNames(name).a) || present.has(loraNames(name).b));
  const known = new Set(modules.flatMap(({ name }) => Object.values(loraNames(name))));
  const unknown = names.find((name) => !known.has(name));
  if (unknown) throw new UnsupportedModelError(`${file}: ${unknown} belongs to no projection of this model; LoRA on ${LORA_TARGETS.join(", ")} is read.`);
  if (modules.length === 0) throw new UnsupportedModelError(`${file} holds no tensors.`);
  return modules;
}

function parseAdapterConfig(entries: Record<string, unknown>, targetModules: readonly LoraTarget[], file: string): LoraConfig {
  const isNeutral = (value: unknown): boolean => value === null || value === false || (typeof value === "object" && Object.keys(value as object).length === 0);
  for (const [name, value] of Object.entries(entries)) {
    if (UNDERSTOOD.has(name) || WITHOUT_EFFECT.has(name) || isNeutral(value)) continue;
    throw new UnsupportedModelError(`${file}: ${name} = ${JSON.stringify(value)} is not supported.`);
  }
  if (entries.peft_type !== "LORA") throw new UnsupportedModelError(`${file}: peft_type is ${JSON.stringify(entries.peft_type)}; "LORA" is read.`);
  if ((entries.bias ?? "none") !== "none") throw new UnsupportedModelError(`${file}: bias = ${JSON.stringify(entries.bias)} is not supported.`);
  const { r, lora_alpha: loraAlpha, lora_dropout: loraDropout, use_rslora: useRslora } = entries;
  try {
    return loraConfig({ r, loraAlpha, loraDropout, useRslora, targetModules } as Partial<LoraConfig>);
  } catch (error) {
    throw new UnsupportedModelError(`${file}: ${(error as Error).message}`);
  }
}
