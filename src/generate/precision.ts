import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { Tensor2D } from "@tensorflow/tfjs";
import { binding, tf } from "../engine/backend";
import { jit } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import { cacheDir } from "../hub/cache";
import type { LlamaForCausalLM } from "../model/llama";
import { linear } from "../model/ops";

/** What the products of one layer with so many rows take on this machine, in milliseconds, weights in float32. */
export interface PrecisionRow {
  rows: number;
  float32: number;
  /** Operands rounded to bfloat16 first. */
  bfloat16: number;
}

const ROWS = [1, 4, 16, 64, 256];
const REPETITIONS = 4;

const tables = new Map<string, Promise<PrecisionRow[]>>();

/**
 * Measures how long a layer's products of 1 to 256 rows take in float32 and in bfloat16: which is faster depends on the
 * machine and the number of rows. Done once a machine for a model's shapes, in about a second; the table is kept in the cache folder.
 */
export function measurePrecision(model: LlamaForCausalLM): Promise<PrecisionRow[]> {
  const key = keyOf(model);
  let table = tables.get(key);
  if (!table) {
    table = readTable(key) ?? measure(model, key);
    tables.set(key, table);
    table.catch(() => tables.delete(key));
  }
  return table;
}

/** The precision in which products of so many rows took less time; between two measured numbers, that of the nearer. */
export function fasterPrecision(table: readonly PrecisionRow[], rows: number): Precision {
  const distance = (row: PrecisionRow): number => Math.abs(Math.log(row.rows / rows));
  const nearest = table.reduce((one, other) => (distance(other) < distance(one) ? other : one));
  return nearest.bfloat16 < nearest.float32 ? "bfloat16" : "float32";
}

/** What the figures depend on. */
function keyOf(model: LlamaForCausalLM): string {
  const { q, k, v, o, gate, up, down } = model.layers[0]!;
  const device = binding.context.gpu?.name ?? `${cpus()[0]?.model ?? "unknown CPU"} × ${availableParallelism()}`;
  return `${device}, TensorFlow ${binding.TF_Version}, ${[q, k, v, o, gate, up, down].map(({ shape }) => shape.join("×")).join(" ")}`;
}

const fileName = (): string => join(cacheDir(), "precision.json");

function readFile(): Record<string, PrecisionRow[]> {
  try {
    return JSON.parse(readFileSync(fileName(), "utf8")) as Record<string, PrecisionRow[]>;
  } catch {
    return {};
  }
}

function readTable(key: string): Promise<PrecisionRow[]> | null {
  const table = readFile()[key];
  return Array.isArray(table) && table.length === ROWS.length && table.every((row, i) => row.rows === ROWS[i] && row.float32 > 0 && row.bfloat16 > 0) ? Promise.resolve(table) : null;
}

async function measure(model: LlamaForCausalLM, key: string): Promise<PrecisionRow[]> {
  const table: PrecisionRow[] = [];
  for (const rows of ROWS) table.push({ rows, float32: await timeOf(model, rows, "float32"), bfloat16: await timeOf(model, rows, "bfloat16") });
  try {
    mkdirSync(cacheDir(), { recursive: true });
    writeFileSync(fileName(), `${JSON.stringify({ ...readFile(), [key]: table }, null, 1)}\n`);
  } catch {
    // A cache that cannot be written to only costs the measurement again.
  }
  return table;
}

/** The least milliseconds of some passes through one layer's products. */
async function timeOf(model: LlamaForCausalLM, rows: number, precision: Precision): Promise<number> {
  const { q, k, v, o, gate, up, down } = model.layers[0]!;
  const products = jit((x: Tensor2D, y: Tensor2D) => {
    const results = [linear(x, k), linear(x, v), linear(linear(x, q), o), linear(x, gate), linear(x, up), linear(y, down)];
    return tf.addN(results.map((result) => tf.sum(result)));
  }, { name: "measure_precision", precision });
  const x = tf.ones([rows, q.shape[1]]) as Tensor2D;
  const y = tf.ones([rows, down.shape[1]]) as Tensor2D;
  let least = Infinity;
  try {
    for (let i = 0; i <= REPETITIONS; i++) {
      const from = performance.now();
      const result = products(x, y);
      await result.data();
      result.dispose();
      // The first call compiles.
      if (i > 0) least = Math.min(least, performance.now() - from);
    }
  } finally {
    products.dispose();
    tf.dispose([x, y]);
  }
  return least;
}
