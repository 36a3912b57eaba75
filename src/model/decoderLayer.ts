import type { Tensor, Tensor1D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { rotaryTable, selfAttention, type AttentionLayout, type Project, type TreeRows } from "./attention";
import { checkpointed } from "./checkpointing";
import type { LlamaConfig } from "./config";
import type { LlamaLayer, SequenceLayout } from "./llama";
import { adaptedLinear, adaptedSwiGlu } from "./lowRank";
import { isFrozen, linear, residual, rmsNorm, swiGlu, type RotaryTable } from "./ops";
import { join, partSizes, split, streamCount } from "./streams";

type Layout = Omit<SequenceLayout, "inputIds">;

/** All layers, one after the other. @param x [batch, length, hidden] @returns as `x` */
export function throughLayers(x: Tensor3D, layers: readonly LlamaLayer[], { positions, attention, dropoutSeed }: Layout, config: LlamaConfig): Tensor3D {
  return layersInStreams(x, layers, rotaryTable(positions, config), attention, config, dropoutSeed);
}

/** `throughLayers` where the backward pass computes each layer anew from its input, so that nothing else is kept. */
export function checkpointedLayers(x: Tensor3D, layers: readonly LlamaLayer[], { positions, attention, dropoutSeed }: Layout, config: LlamaConfig): Tensor3D {
  const table = rotaryTable(positions, config);
  return layers.reduce((x, layer) => checkpointedLayer(x, layer, table, attention, config, dropoutSeed), x);
}

/** Layers over parts of the batch that are computed side by side, see `streamCount`. */
function layersInStreams(x: Tensor3D, layers: readonly LlamaLayer[], { cos, sin }: RotaryTable, attention: AttentionLayout, config: LlamaConfig, dropoutSeed?: Tensor1D): Tensor3D {
  const [batch, length, hidden] = x.shape;
  // What is dropped depends on the seed and the place in the whole batch.
  const count = dropoutSeed ? 1 : streamCount(x.size);
  if (attention.rows) {
    const sizes = partSizes(length, Math.min(count, length));
    const ofParts = <T extends Tensor>(y: T): T[] => split(tf.reshape(y, [length, ...y.shape.slice(2)]), sizes).map((part) => tf.reshape(part, [1, ...part.shape]) as T);
    const [coses, sines] = [ofParts(cos), ofParts(sin)];
    const tables = sizes.map((_, i) => ({ cos: coses[i]!, sin: sines[i]! }));
    const states = layers.reduce((xs, layer) => decoderLayer(xs, layer, tables, attention, config, dropoutSeed), ofParts(x));
    return tf.reshape(join(states.map((part) => tf.reshape(part, [-1, hidden]))), x.shape) as Tensor3D;
  }
  // Parts of different shapes would have twice as much compiled for them.
  const sizes = partSizes(batch, batch % count === 0 ? count : 1);
  const ofParts = <T extends Tensor>(y: T): T[] => (y.shape[0] === 1 ? sizes.map(() => y) : split(y, sizes));
  const [coses, sines, biases] = [ofParts(cos), ofParts(sin), ofParts(attention.bias)];
  return join(ofParts(x).map((x, i) => {
    const tables = [{ cos: coses[i]!, sin: sines[i]! }];
    return layers.reduce((xs, layer) => decoderLayer(xs, layer, tables, { bias: biases[i]! }, config, dropoutSeed), [x])[0]!;
  }));
}

/**
 * One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x)).
 * @param xs the batch in parts @param tables of each part @returns as `xs`
 */
export function decoderLayer(xs: readonly Tensor3D[], layer: LlamaLayer, tables: readonly RotaryTable[], attention: AttentionLayout, config: LlamaConfig, dropoutSeed?: Tensor1D): Tensor3D[] {
  const project = projector(layer, dropoutSeed);
  const attended = selfAttention(xs.map((x) => rmsNorm(x, layer.inputNorm, config.rmsNormEps, true)), project, tables, attention, config);
  return xs.map((x, i) => {
    const sum = residual(x, attended[i]!);
    return residual(sum, mlp(rmsNorm(sum, layer.postAttentionNorm, config.rmsNormEps, true), layer, project, dropoutSeed));
  });
}

/** A layer's products with its matrices, low-rank updates included. */
function projector(layer: LlamaLayer, dropoutSeed?: Tensor1D): Project {
  return (x, name) => {
    const update = layer.adapters?.[name];
    return update ? adaptedLinear(x, layer[name], update, dropoutSeed) : linear(x, layer[name]);
  };
}

/** One layer that keeps nothing but `x` for the backward pass. */
function checkpointedLayer(x: Tensor3D, layer: LlamaLayer, table: RotaryTable, { bias, rows }: AttentionLayout, config: LlamaConfig, dropoutSeed?: Tensor1D): Tensor3D {
  const tree = rows && { queries: rows.queries, places: rows.places, keys: rows.keys, lasts: rows.lasts };
  const part = (x: Tensor3D, { cos, sin, bias, dropoutSeed, ...tree }: RotaryTable & AttentionLayout & Partial<TreeRows> & { dropoutSeed?: Tensor1D }): Tensor3D =>
    layersInStreams(x, [layer], { cos, sin }, rows ? { bias, rows: tree as TreeRows } : { bias }, config, dropoutSeed);
  return checkpointed(part as never, x, { ...table, bias, ...tree, ...(dropoutSeed && { dropoutSeed }) }, learned(layer));
}

/** What of a layer gets a gradient. */
function learned({ adapters, ...weights }: LlamaLayer): Tensor[] {
  return [...Object.values(weights).filter((weight) => !isFrozen(weight)), ...Object.values(adapters ?? {}).flatMap(({ a, b }) => [a, b])];
}

/** The feed-forward half of a layer. @param x [..., hidden] */
function mlp<T extends Tensor>(x: T, layer: LlamaLayer, project: Project, dropoutSeed?: Tensor1D): T {
  const [gate, up] = [project(x, "gate"), project(x, "up")];
  const update = layer.adapters?.down;
  return update ? adaptedSwiGlu(gate, up, layer.down, update, dropoutSeed) : swiGlu(gate, up, layer.down);
}
