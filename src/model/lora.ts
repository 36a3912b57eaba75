import type { Scalar, Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../engine/backend";
import { RandomSource } from "../engine/random";
import { LAYER_NAMES, parameterShapes, type Adapter, type LlamaForCausalLM } from "./llama";
import { PROJECTIONS, type LayerAdapters, type LowRank, type Projection } from "./lowRank";

/** A projection by Hugging Face's name: `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj`, `up_proj` or `down_proj`. */
export type LoraTarget = `${Projection}_proj`;

export const LORA_TARGETS: readonly LoraTarget[] = PROJECTIONS.map((name) => `${name}_proj` as const);

/** PEFT's LoraConfig in camelCase. */
export interface LoraConfig {
  /** Rank of the updates. Default 8. */
  r: number;
  /** α: the updates are scaled by α/r. Default 8. */
  loraAlpha: number;
  /** Share of an update's inputs that SFTTrainer and DPOTrainer drop while they train, from 0 to below 1. Default 0. */
  loraDropout: number;
  /** The projections that get an update, in every layer, or `all-linear` for all seven. Default q_proj and v_proj. */
  targetModules: readonly LoraTarget[] | "all-linear";
  /** Scales by α/√r instead (Kalajdzievski 2023). Default false. */
  useRslora: boolean;
}

export const LORA_DEFAULTS: LoraConfig = { r: 8, loraAlpha: 8, loraDropout: 0, targetModules: ["q_proj", "v_proj"], useRslora: false };

/** A module that gets an update, by its name in the model: `model.layers.0.self_attn.q_proj`. */
export interface LoraModule {
  name: string;
  layer: number;
  projection: Projection;
}

/** The modules of the projections, layer by layer. */
export function loraModules(model: LlamaForCausalLM, targets: readonly LoraTarget[]): LoraModule[] {
  const chosen = PROJECTIONS.filter((projection) => targets.includes(`${projection}_proj`));
  return model.layers.flatMap((_, layer) => chosen.map((projection) => ({ name: `model.layers.${layer}.${LAYER_NAMES[projection]}`, layer, projection })));
}

/**
 * Fills in defaults and checks.
 * @throws RangeError with the setting's name, its value and what it may be
 */
export function loraConfig(given: Partial<LoraConfig> = {}): LoraConfig & { targetModules: readonly LoraTarget[] } {
  const unknown = Object.keys(given).find((name) => !(name in LORA_DEFAULTS));
  if (unknown) throw new RangeError(`LoraConfig has no ${unknown}. It has ${Object.keys(LORA_DEFAULTS).join(", ")}.`);
  const config = { ...LORA_DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
  const { r, loraAlpha, loraDropout, useRslora } = config;
  const targetModules = config.targetModules === "all-linear" ? LORA_TARGETS : config.targetModules;
  const refuse = (name: keyof LoraConfig, needed: string): never => {
    throw new RangeError(`LoraConfig: ${name} is ${JSON.stringify(config[name])}; ${needed} is needed.`);
  };
  if (!(Number.isInteger(r) && r > 0)) refuse("r", "a whole number above 0");
  if (!(Number.isFinite(loraAlpha) && loraAlpha > 0)) refuse("loraAlpha", "a number above 0");
  if (!(loraDropout >= 0 && loraDropout < 1)) refuse("loraDropout", "a number from 0 to below 1");
  if (typeof useRslora !== "boolean") refuse("useRslora", "true or false");
  if (!Array.isArray(targetModules) || targetModules.length === 0 || targetModules.some((name) => !LORA_TARGETS.includes(name))) {
    refuse("targetModules", `"all-linear" or a list of ${LORA_TARGETS.join(", ")}`);
  }
  return { r, loraAlpha, loraDropout, targetModules, useRslora };
}

/** s of an update s·B·A: α/r, or with rank-stabilised LoRA α/√r. */
export const loraScaling = ({ r, loraAlpha, useRslora }: LoraConfig): number => loraAlpha / (useRslora ? Math.sqrt(r) : r);

/** PEFT's names of a module's two matrices in adapter_model.safetensors. */
export const loraNames = (module: string): { a: string; b: string } => ({ a: `base_model.model.${module}.lora_A.weight`, b: `base_model.model.${module}.lora_B.weight` });

/** What A and B of a module begin with, row-major. */
export type LoraValues = (module: LoraModule, shapes: { a: [r: number, inputs: number]; b: [outputs: number, r: number] }) => { a: Float32Array; b: Float32Array };

let adapterCount = 0;

/**
 * LoRA (Hu et al. 2022): a model whose matrices W stay as they are, while y = W·x + s·B·A·x, with A [r, in] and
 * B [out, r], is trained. Made by `addLora` or `loadAdapter`.
 */
export class Lora implements Adapter {
  readonly config: LoraConfig & { targetModules: readonly LoraTarget[] };
  /** A and B of every module, under PEFT's names. */
  readonly parameters: ReadonlyMap<string, Variable>;
  readonly layers: readonly LayerAdapters[];
  private readonly scale: Variable;
  private merged = false;

  /** @throws Error for a model that has an adapter */
  constructor(private readonly model: LlamaForCausalLM, config: Partial<LoraConfig>, readonly modules: readonly LoraModule[], values: LoraValues) {
    if (model.adapter) throw new Error("The model has an adapter already. Take it away first with its unload() or mergeAndUnload().");
    this.config = loraConfig(config);
    const { r, loraDropout: dropout } = this.config;
    const prefix = `lora${adapterCount++}`;
    const variable = (data: Float32Array, shape: number[], name: string, trainable = true): Variable =>
      tf.tidy(() => toResource(tf.variable(tf.tensor(data, shape), trainable, `${prefix}/${name}`)));
    const parameters = new Map<string, Variable>();
    const layers: LayerAdapters[] = model.layers.map(() => ({}));
    const shapes = parameterShapes(model.config);
    this.scale = variable(Float32Array.of(loraScaling(this.config)), [], "scale", false);
    modules.forEach((module, place) => {
      const [outputs, inputs] = shapes.get(`${module.name}.weight`) as [number, number];
      const initial = values(module, { a: [r, inputs], b: [outputs, r] });
      const names = loraNames(module.name);
      const a = variable(initial.a, [r, inputs], names.a);
      const b = variable(initial.b, [outputs, r], names.b);
      parameters.set(names.a, a).set(names.b, b);
      layers[module.layer]![module.projection] = { a, b, scale: this.scale, dropout, place };
    });
    this.parameters = parameters;
    this.layers = layers;
    model.setAdapter(this);
  }

  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Whether the updates are part of the model's matrices now. */
  get isMerged(): boolean {
    return this.merged;
  }

  /** s·B·A as it is added to the parameter's product now; null where there is none. */
  deltaOf(parameter: string): Tensor2D | null {
    const module = this.modules.find(({ name }) => `${name}.weight` === parameter);
    return module ? this.product(this.layers[module.layer]![module.projection]!, this.scale as unknown as Scalar) : null;
  }

  private product({ a, b }: LowRank, scale: Scalar): Tensor2D {
    return tf.tidy(() => tf.mul(tf.matMul(b as unknown as Tensor2D, a as unknown as Tensor2D), scale)) as Tensor2D;
  }

  /** W ← W + s·B·A for every module; functions that are compiled already follow. @throws Error where that was done */
  merge(): void {
    if (this.merged) throw new Error("merge: the adapter is merged already.");
    this.shift(tf.add, 0);
    this.merged = true;
  }

  /** W ← W − s·B·A, which gives the weights of before up to rounding. @throws Error where nothing is merged */
  unmerge(): void {
    if (!this.merged) throw new Error("unmerge: the adapter is not merged.");
    this.shift(tf.sub, loraScaling(this.config));
    this.merged = false;
  }

  /** @param scaleAfter what the updates beside the matrices are multiplied by from now on */
  private shift(change: (weight: Tensor, delta: Tensor) => Tensor, scaleAfter: number): void {
    for (const { name, layer, projection } of this.modules) {
      tf.tidy(() => {
        const weight = this.model.parameters.get(`${name}.weight`)!;
        weight.assign(change(weight, this.product(this.layers[layer]![projection]!, tf.scalar(loraScaling(this.config)))));
      });
    }
    tf.tidy(() => this.scale.assign(tf.scalar(scaleAfter)));
    this.model.fingerprint = null;
  }

  /** Takes the adapter away from the model, whose matrices stay as they are now, and frees it. */
  unload(): void {
    if (this.model.adapter !== this) return;
    this.model.setAdapter(null);
    tf.dispose([this.scale, ...this.parameters.values()]);
  }

  /** PEFT's `merge_and_unload`: a plain model that computes what it computed with the adapter. */
  mergeAndUnload(): void {
    if (!this.merged) this.merge();
    this.unload();
  }
}

/** A and B of an adapter as they are when it is made, which no training moves: the reference of a run that trains the adapter. */
export class FrozenLora implements Adapter {
  readonly parameters: ReadonlyMap<string, Variable> = new Map();
  readonly layers: readonly LayerAdapters[];
  private readonly variables: Variable[] = [];

  /** @throws Error while the adapter is merged */
  constructor(private readonly model: LlamaForCausalLM, private readonly lora: Lora) {
    this.requireUnmerged();
    const copy = (variable: Variable): Variable => {
      const copied = tf.tidy(() => toResource(tf.variable(variable.clone(), false)));
      this.variables.push(copied);
      return copied;
    };
    const [first] = lora.modules;
    const scale = copy(lora.layers[first!.layer]![first!.projection]!.scale);
    this.layers = lora.layers.map((layer) => Object.fromEntries(Object.entries(layer).map(([name, update]) => [name, { ...update, a: copy(update.a), b: copy(update.b), scale }])));
  }

  deltaOf(): null {
    return null;
  }

  /** What `work` computes, or records, with these values in the adapter's place. */
  during<T>(work: () => T): T {
    this.model.setAdapter(this);
    try {
      return work();
    } finally {
      this.model.setAdapter(this.lora);
    }
  }

  /** @throws Error while the adapter's values of now are part of the model's matrices, to which these would be added */
  requireUnmerged(): void {
    if (this.lora.isMerged) throw new Error("The adapter is merged into the model, where it has no effect. Call its unmerge() first.");
  }

  dispose(): void {
    tf.dispose(this.variables);
  }
}

/**
 * Adds a LoRA adapter to a model, whose own parameters are frozen from then on. As PEFT begins: A uniform in
 * ±1/√in (Kaiming with a = √5), B zero, so that the model computes what it did.
 * @param seed of A's values
 * @throws RangeError for a bad setting, Error for a model that has an adapter
 */
export function addLora(model: LlamaForCausalLM, config: Partial<LoraConfig> = {}, seed = 42): Lora {
  const random = new RandomSource(seed);
  return new Lora(model, config, loraModules(model, loraConfig(config).targetModules), (_, { a, b }) => {
    const bound = 1 / Math.sqrt(a[1]);
    return { a: Float32Array.from({ length: a[0] * a[1] }, () => (2 * random.uniform() - 1) * bound), b: new Float32Array(b[0] * b[1]) };
  });
}
