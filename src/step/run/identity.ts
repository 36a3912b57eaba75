import { createHash } from "node:crypto";
import type { Variable } from "@tensorflow/tfjs";
import { engineInfo } from "../../engine/info";
import type { ResolvedGroup } from "../optimizers/groups";
import type { RunSubject } from "./subject";

/** What stands for a run's inputs, so that a checkpoint is not continued on others. */
export interface RunIdentity {
  trainer: string;
  trainDataset: DataIdentity;
  evalDataset: DataIdentity;
  /** SHA-256 of every parameter's weight decay, rate and width of moments. */
  parameterGroups: string;
  /** What computes: other versions and numbers of threads round otherwise. */
  engine: string;
}

export interface DataIdentity {
  rows: number;
  /** SHA-256 of the rows as they are trained on. */
  sha256: string;
}

export function identityOf({ trainer, datasets }: RunSubject, groups: readonly ResolvedGroup[]): RunIdentity {
  return {
    trainer, trainDataset: dataIdentity(datasets.trainDataset), evalDataset: dataIdentity(datasets.evalDataset),
    parameterGroups: createHash("sha256").update(JSON.stringify(groups)).digest("hex"), engine: engineName(),
  };
}

function dataIdentity(rows: readonly object[]): DataIdentity {
  const hash = createHash("sha256");
  for (const row of rows) hash.update(`${JSON.stringify(row)}\n`);
  return { rows: rows.length, sha256: hash.digest("hex") };
}

function engineName(): string {
  const { backend, device, tensorflow, threads } = engineInfo();
  return `${backend}${tensorflow ? ` ${tensorflow}` : ""} on ${device}, ${threads.intraOp} and ${threads.interOp} threads`;
}

/** SHA-256 of weights, names and bits; null for none. */
export async function weightsSum(weights: ReadonlyMap<string, Variable>): Promise<string | null> {
  if (weights.size === 0) return null;
  const hash = createHash("sha256");
  for (const [name, variable] of weights) {
    const { buffer, byteOffset, byteLength } = (await variable.data()) as Float32Array;
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}
