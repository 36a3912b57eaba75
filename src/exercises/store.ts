import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadRows, type Row } from "../data/rows";
import { display } from "../engine/host";
import { table, type Table } from "../log/table";
import { scoreNameOf } from "../model/classifierHead";
import { loadModel, saveModel, type LoadedModel, type ModelParts } from "../model/load";
import { loadSequenceClassifier, type LoadedClassifier } from "../model/loadClassifier";
import { checkName, findItem, missing, removeItem, storedItems, writeItem, type StoredKind } from "./storedItems";
import { valueOf, valueText } from "./storedValues";

/** Thrown where a notebook asks for what is not there, or for another thing than what is. */
export class StoreError extends Error {
  override name = "StoreError";
}

export interface GetOptions<StandIn> {
  /** What is taken where the thing is missing, which is then said. */
  standIn?: StandIn;
}

/** What one notebook leaves to another, in the folder `runs/store`: models, rows, values. */
export interface Store {
  /**
   * Keeps a thing under a name, in place of what had it: a model with its tokenizer (an adapter merged into it), a list
   * of rows, or any plain value. What was there before stays until the new one is whole.
   * @throws TypeError that says where a value holds what a file cannot
   */
  put(name: string, thing: unknown): Promise<void>;
  /** A model as it was put. @param standIn `PACKAGED_MODEL`, a folder or a hub id @throws StoreError that names the notebook to run */
  get(name: string, kind: "model", options?: GetOptions<string>): Promise<LoadedModel>;
  get(name: string, kind: "classifier", options?: GetOptions<string>): Promise<LoadedClassifier>;
  /** Rows as they were put. @param standIn a packaged data set, a file or a hub id */
  get<R extends object = Row>(name: string, kind: "rows", options?: GetOptions<string>): Promise<R[]>;
  get<T>(name: string, kind: "value", options?: GetOptions<T>): Promise<T>;
  has(name: string): boolean;
  /** What is there, with the notebook that put it. */
  list(): Table;
  /** @returns whether it was there */
  remove(name: string): boolean;
}

type Stored = { model: LoadedModel; classifier: LoadedClassifier; rows: object[]; value: unknown };

const AS_NOUN: Record<StoredKind, string> = { model: "a language model", classifier: "a classifier", rows: "rows", value: "a value" };

/** By what it has, not by its class: a notebook's model may be of a class from before `src` was edited and loaded again. */
const isModelParts = (thing: unknown): thing is ModelParts => {
  const model = (thing as Partial<ModelParts> | null)?.model;
  return model?.parameters instanceof Map && typeof model.hfConfig === "object";
};
const areRows = (thing: unknown): thing is object[] => Array.isArray(thing) && thing.length > 0 && thing.every((row) => typeof row === "object" && row !== null && !Array.isArray(row) && !ArrayBuffer.isView(row));

const READ: { [Kind in StoredKind]: (folder: string) => Stored[Kind] | Promise<Stored[Kind]> } = {
  model: (folder) => loadModel(join(folder, "model")),
  classifier: (folder) => loadSequenceClassifier(join(folder, "model")),
  rows: (folder) => readFileSync(join(folder, "rows.jsonl"), "utf8").trimEnd().split("\n").map((line) => valueOf(line) as object),
  value: (folder) => valueOf(readFileSync(join(folder, "value.json"), "utf8")),
};

const STAND_IN: { [Kind in StoredKind]: (standIn: never) => Stored[Kind] | Promise<Stored[Kind]> } = {
  model: (id: string) => loadModel(id),
  classifier: (id: string) => loadSequenceClassifier(id),
  rows: (id: string) => loadRows(id),
  value: (value: unknown) => value,
};

async function put(name: string, thing: unknown): Promise<void> {
  checkName(name);
  if (isModelParts(thing)) {
    if (typeof thing.tokenizer?.save !== "function") throw new TypeError(`store.put("${name}"): a model is stored with its tokenizer: { model, tokenizer }.`);
    const card = ["---", "library_name: transformers", "tags:", "- alignlab", "---", "", `# ${name}`, ""].join("\n");
    const kind = thing.model.parameters.has(scoreNameOf(thing.model.hfConfig)) ? "classifier" : "model";
    return writeItem(name, kind, (folder) => saveModel(join(folder, "model"), thing, { card }));
  }
  if (areRows(thing)) {
    const lines = thing.map((row, i) => `${valueText(row, `row ${i}`)}\n`);
    return writeItem(name, "rows", (folder) => writeFileSync(join(folder, "rows.jsonl"), lines.join("")));
  }
  const text = valueText(thing, "value");
  return writeItem(name, "value", (folder) => writeFileSync(join(folder, "value.json"), `${text}\n`));
}

async function get<Kind extends StoredKind>(name: string, kind: Kind, { standIn }: GetOptions<unknown> = {}): Promise<Stored[Kind]> {
  checkName(name);
  if (!(kind in READ)) throw new RangeError(`store.get("${name}"): the kind is ${JSON.stringify(kind)}; known are ${Object.keys(READ).join(", ")}.`);
  const found = findItem(name);
  if (!found) {
    if (standIn === undefined) throw new StoreError(missing(name));
    display({ "text/plain": `${missing(name)} Until then ${kind === "value" ? "a stand-in" : JSON.stringify(standIn)} stands in.` });
    return STAND_IN[kind](standIn as never);
  }
  const { folder, item } = found;
  // A list of objects is rows, an empty one a value; each may be asked for as the other.
  const asRows = kind === "rows" && item.kind === "value" && readFileSync(join(folder, "value.json"), "utf8").trim() === "[]";
  const isValue = kind === "value" && item.kind === "rows";
  if (item.kind !== kind && !asRows && !isValue) throw new StoreError(`"${name}" is ${AS_NOUN[item.kind]}; it was asked for as ${AS_NOUN[kind]}. Call store.get("${name}", "${item.kind}").`);
  return READ[item.kind](folder) as Promise<Stored[Kind]>;
}

export const store: Store = {
  put,
  get: get as Store["get"],
  has: (name) => findItem(name) !== null,
  list: () => table(storedItems().map(({ name, kind, notebook, profile, written }) => ({ name, kind, notebook: notebook ?? "", profile, written: written.slice(0, 16).replace("T", " ") })), { caption: "Stored by notebooks", columns: ["name", "kind", "notebook", "profile", "written"] }),
  remove: (name) => {
    checkName(name);
    return removeItem(name);
  },
};
