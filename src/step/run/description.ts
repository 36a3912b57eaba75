import { existsSync, readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { engineInfo } from "../../engine/info";
import { readJson, RUN_FILES, writeJson } from "./folder";
import type { RunIdentity } from "./identity";
import type { RunSubject } from "./subject";

/** What run.json says of a run beside its settings. */
export interface RunDescription {
  trainer: string;
  seed: number;
  started: string;
  /** When it was continued, and from which step. */
  resumed: { step: number; at: string }[];
  versions: Record<string, string>;
  backend: string;
  machine: string;
  model: { model_type: string; parameters: number; trained: number; adapter: object | null };
  data: { trainDataset: { rows: number; sha256: string }; evalDataset: { rows: number; sha256: string } };
}

/** Packages whose versions decide a run's numbers. */
const PACKAGES = ["@tensorflow/tfjs", "@huggingface/transformers"];

function versions(): Record<string, string> {
  const { version, dependencies } = JSON.parse(readFileSync(resolve(__dirname, "../../../package.json"), "utf8")) as { version: string; dependencies: Record<string, string> };
  const { tensorflow } = engineInfo();
  return { alignlab: version, node: process.versions.node, ...(tensorflow && { tensorflow }), ...Object.fromEntries(PACKAGES.map((name) => [name, dependencies[name]!])) };
}

function describe({ parts: { model } }: RunSubject, { trainer, trainDataset, evalDataset, engine }: RunIdentity, seed: number): RunDescription {
  const { adapter } = model;
  const config = adapter && "config" in adapter ? (adapter.config as object) : null;
  return {
    trainer, seed, started: new Date().toISOString(), resumed: [], versions: versions(), backend: engine,
    machine: `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
    model: { model_type: String(model.hfConfig.model_type), parameters: model.parameterCount, trained: [...model.trainableParameters.values()].reduce((sum, { size }) => sum + size, 0), adapter: config },
    data: { trainDataset, evalDataset },
  };
}

/** Writes run.json; of a run that is continued, when and from which step. */
export function writeDescription(folder: string, subject: RunSubject, identity: RunIdentity, seed: number, resumedAt: number | null): void {
  const file = join(folder, RUN_FILES.description);
  const known = resumedAt !== null && existsSync(file) ? (readJson(file) as unknown as RunDescription) : describe(subject, identity, seed);
  writeJson(file, resumedAt === null ? known : { ...known, resumed: [...known.resumed, { step: resumedAt, at: new Date().toISOString() }] });
}
