import { Entry, FormatError } from "./entry";

export interface Sides<T> {
  chosen: T;
  rejected: T;
}

export const SIDES = ["chosen", "rejected"] as const;
export type Side = (typeof SIDES)[number];
export type Which = "ref" | "policy";

export interface Pair {
  prompt: string;
  chosen: string;
  rejected: string;
  promptIds: number[];
  chosenIds: number[];
  rejectedIds: number[];
}

export interface LogitFigures {
  place: string;
  pair: number;
  side: Side;
  positions: number[];
  vocabIds: number[];
  values: number[][];
  logsumexp: number[];
  argmax: number[];
  topIds: number[][];
}

export interface HiddenFigures {
  place: string;
  pair: number;
  layers: { layer: number; first: number[]; norm: number }[];
}

/** What one model gave at one precision, such as `policy_f64`. */
export interface ModelFigures {
  place: string;
  which: Which;
  logps?: Sides<number[]>;
  /** For the first so many pairs. */
  tokenLogps?: Sides<number[][]>;
  logits: LogitFigures[];
  hidden: HiddenFigures[];
}

export interface TrlFigures {
  place: string;
  /** How many of the pairs, from the first on. */
  pairs: number;
  lossType: string;
  beta: number;
  labelSmoothing: number;
  fDivergence: string;
  alpha: number;
  ldAlpha: number | null;
  loss: number;
  metrics: Record<string, number>;
}

export interface ClosedFormFigures {
  place: string;
  name: string;
  beta: number;
  perPair: number[];
}

export interface GradientFigures {
  place: string;
  which: Which;
  beta: number;
  pairs: number;
  loss: number;
  totalNorm: number;
  weights: { name: string; norm: number; first: number[]; sum: number }[];
}

export interface OptimizerFigures {
  place: string;
  start: Which;
  beta: number;
  learningRate: number;
  weightDecay: number;
  /** 0 for none. */
  maxGradNorm: number;
  batch: number;
  /** Each as it stands before its update. */
  steps: { place: string; step: number; loss: number; margins: number[]; gradNorm: number; accuracy: number; weights: { name: string; first: number[] }[] }[];
}

/** A file of a model's and a loss's figures. */
export interface DpoFile {
  tolerances: { sequenceLogp: number; loss: number; gradNorm: number };
  pairs: Pair[];
  completionLengths?: Sides<number[]>;
  models: ModelFigures[];
  trl: TrlFigures[];
  closedForms: ClosedFormFigures[];
  gradients: GradientFigures[];
  optimizers: OptimizerFigures[];
  /** Places that hold something this program does not know. */
  unknown: string[];
}

export const isDpoFile = (file: Entry): boolean => file.has("pairs");

/** @throws FormatError naming the place that is not as the format has it */
export function readDpoFile(file: Entry): DpoFile {
  const pairs = file.at("pairs").items().map(readPair);
  if (pairs.length === 0) throw new FormatError("pairs is empty");
  const tolerance = (key: string, usual: number): number => (file.has("suggested_tolerances") ? file.at("suggested_tolerances").optional(key, (entry) => entry.number()) : undefined) ?? usual;
  const figures: DpoFile = {
    tolerances: { sequenceLogp: tolerance("sequence_logp_abs", 5e-3), loss: tolerance("loss_rel", 1e-4), gradNorm: tolerance("grad_norm_rel", 1e-3) },
    pairs, models: [], trl: [], closedForms: [], gradients: [], optimizers: [], unknown: [],
  };
  for (const key of file.keys()) if (!readSection(key, file.at(key), figures)) figures.unknown.push(key);
  return figures;
}

/** Reads one top-level entry. @returns false for one that is not known */
function readSection(key: string, entry: Entry, figures: DpoFile): boolean {
  const count = figures.pairs.length;
  if (["made_with", "note", "pairs"].includes(key)) return true;
  if (key === "suggested_tolerances") {
    noteUnknown(entry, ["sequence_logp_abs", "loss_rel", "grad_norm_rel"], figures);
    return true;
  }
  if (key === "completion_lengths") {
    figures.completionLengths = sides(entry, (side) => side.integers(count));
    return true;
  }
  const model = /^(ref|policy)_f(?:32|64)$/.exec(key);
  if (model) {
    figures.models.push(readModel(entry, model[1] as Which, figures));
    return true;
  }
  if (key.startsWith("trl_losses")) {
    const pairs = pairCount(key, count);
    figures.trl.push(...entry.items().map((item) => readTrl(item, pairs, figures)));
    return true;
  }
  if (key.startsWith("closed_form")) {
    figures.closedForms.push(...entry.items().map((item) => readClosedForm(item, pairCount(key, count), figures)));
    return true;
  }
  const gradient = /^grad_(ref|policy)_beta([\d.]+(?:e[-+]?\d+)?)(?:_|$)/.exec(key);
  if (gradient) {
    figures.gradients.push(readGradient(entry, gradient[1] as Which, Number(gradient[2]), pairCount(key, count), figures));
    return true;
  }
  const optimizer = readOptimizer(key, entry, figures);
  if (optimizer) figures.optimizers.push(optimizer);
  return optimizer !== null;
}

function noteUnknown(entry: Entry, known: readonly string[], figures: DpoFile): void {
  figures.unknown.push(...entry.keys().filter((key) => !known.includes(key)).map((key) => (entry.place === "" ? key : `${entry.place}.${key}`)));
}

/** `…_all_8_pairs` and `…_first_4_pairs` say how many; without it, all. */
function pairCount(key: string, available: number): number {
  const count = Number(/_(\d+)_pairs/.exec(key)?.[1] ?? available);
  if (count < 1 || count > available) throw new FormatError(`${key} names ${count} pairs, the file has ${available}`);
  return count;
}

function sides<T>(entry: Entry, read: (side: Entry) => T): Sides<T> {
  return { chosen: read(entry.at("chosen")), rejected: read(entry.at("rejected")) };
}

function readPair(entry: Entry): Pair {
  const ids = (key: string): number[] => {
    const values = entry.at(key).integers();
    if (values.length === 0) throw new FormatError(`${entry.place}.${key} is empty`);
    return values;
  };
  const text = (key: string): string => entry.at(key).string();
  return { prompt: text("prompt"), chosen: text("chosen"), rejected: text("rejected"), promptIds: ids("prompt_ids"), chosenIds: ids("chosen_ids"), rejectedIds: ids("rejected_ids") };
}

function readModel(entry: Entry, which: Which, figures: DpoFile): ModelFigures {
  const { pairs, unknown } = figures;
  const model: ModelFigures = { place: entry.place, which, logits: [], hidden: [] };
  for (const key of entry.keys()) {
    const part = entry.at(key);
    const logits = /^logits_pair(\d+)_(chosen|rejected)$/.exec(key);
    const hidden = /^hidden_prompt(\d+)$/.exec(key);
    if (key === "logps") model.logps = sides(part, (side) => side.numbers(pairs.length));
    else if (key === "token_logps") model.tokenLogps = { chosen: readTokenLogps(part.at("chosen"), pairs, "chosenIds"), rejected: readTokenLogps(part.at("rejected"), pairs, "rejectedIds") };
    else if (logits) model.logits.push(readLogits(part, existing(Number(logits[1]), part, pairs), logits[2] as Side, pairs));
    else if (hidden) model.hidden.push(readHidden(part, existing(Number(hidden[1]), part, pairs)));
    else unknown.push(part.place);
  }
  return model;
}

function existing(pair: number, { place }: Entry, pairs: Pair[]): number {
  if (pair >= pairs.length) throw new FormatError(`${place} is of pair ${pair}; the file has ${pairs.length}, counted from 0`);
  return pair;
}

function readTokenLogps(entry: Entry, pairs: Pair[], ids: "chosenIds" | "rejectedIds"): number[][] {
  const rows = entry.items();
  if (rows.length > pairs.length) throw new FormatError(`${entry.place} has ${rows.length} rows for ${pairs.length} pairs`);
  return rows.map((row, i) => row.numbers(pairs[i]![ids].length));
}

function readLogits(entry: Entry, pair: number, side: Side, pairs: Pair[]): LogitFigures {
  const length = pairs[pair]!.promptIds.length + pairs[pair]![`${side}Ids`].length;
  const positions = entry.at("positions").integers();
  for (const position of positions) if (position >= length) throw new FormatError(`${entry.place}.positions names ${position}; prompt and answer have ${length} tokens`);
  const vocabIds = entry.at("vocab_ids").integers();
  return {
    place: entry.place, pair, side, positions, vocabIds,
    values: entry.at("values").items(positions.length).map((row) => row.numbers(vocabIds.length)),
    logsumexp: entry.at("logsumexp").numbers(positions.length),
    argmax: entry.at("argmax").integers(positions.length),
    topIds: entry.at("top5_ids").items(positions.length).map((row) => row.integers()),
  };
}

function readHidden(entry: Entry, pair: number): HiddenFigures {
  const layers = entry.keys().map((key) => {
    if (!/^\d+$/.test(key)) throw new FormatError(`${entry.place}.${key} is not a layer's number`);
    return { layer: Number(key), first: entry.at(key).at("last_first8").numbers(), norm: entry.at(key).at("norm_last").number() };
  });
  return { place: entry.place, pair, layers };
}

function readTrl(entry: Entry, pairs: number, figures: DpoFile): TrlFigures {
  noteUnknown(entry, ["loss_type", "beta", "label_smoothing", "f_divergence", "alpha", "ld_alpha", "loss", "metrics"], figures);
  const metrics = entry.optional("metrics", (all) => Object.fromEntries(all.keys().map((name) => [name, all.at(name).number()])));
  return {
    place: entry.place, pairs,
    lossType: entry.at("loss_type").string(),
    beta: entry.at("beta").number(),
    labelSmoothing: entry.optional("label_smoothing", (x) => x.number()) ?? 0,
    fDivergence: entry.optional("f_divergence", (x) => x.string()) ?? "reverse_kl",
    alpha: entry.optional("alpha", (x) => x.number()) ?? 0.5,
    ldAlpha: entry.optional("ld_alpha", (x) => x.number()) ?? null,
    loss: entry.at("loss").number(),
    metrics: metrics ?? {},
  };
}

function readClosedForm(entry: Entry, pairs: number, figures: DpoFile): ClosedFormFigures {
  noteUnknown(entry, ["name", "beta", "per_pair"], figures);
  return { place: entry.place, name: entry.at("name").string(), beta: entry.at("beta").number(), perPair: entry.at("per_pair").numbers(pairs) };
}

function readGradient(entry: Entry, which: Which, beta: number, pairs: number, figures: DpoFile): GradientFigures {
  noteUnknown(entry, ["loss", "total_norm", "weights"], figures);
  const weights = entry.at("weights");
  return {
    place: entry.place, which, beta, pairs,
    loss: entry.at("loss").number(),
    totalNorm: entry.at("total_norm").number(),
    weights: weights.keys().map((name) => {
      const weight = weights.at(name);
      return { name, norm: weight.at("norm").number(), first: weight.at("first8").numbers(), sum: weight.at("sum").number() };
    }),
  };
}

const OPTIMIZER_KEY = /^adamw_\d+steps?_beta([\d.]+(?:e[-+]?\d+)?)_lr([\d.]+(?:e[-+]?\d+)?)_wd([\d.]+(?:e[-+]?\d+)?)_(?:noclip|clip([\d.]+(?:e[-+]?\d+)?))(?:_start_at_(ref|policy))?(?:_batch(\d+))?$/;

/** The run's settings stand in the entry's name. @returns null for a name that says something else */
function readOptimizer(key: string, entry: Entry, figures: DpoFile): OptimizerFigures | null {
  const match = OPTIMIZER_KEY.exec(key);
  if (!match) return null;
  const [, beta, learningRate, weightDecay, maxGradNorm, start, named] = match;
  const batch = Number(named ?? figures.pairs.length);
  if (batch < 1 || batch > figures.pairs.length) throw new FormatError(`${key} names a batch of ${batch}; the file has ${figures.pairs.length} pairs`);
  const steps = entry.items().map((item) => {
    noteUnknown(item, ["step", "loss", "margins", "grad_norm", "acc", "first4"], figures);
    const weights = item.at("first4");
    return {
      place: item.place,
      step: item.at("step").integer(),
      loss: item.at("loss").number(),
      margins: item.at("margins").numbers(batch),
      gradNorm: item.at("grad_norm").number(),
      accuracy: item.at("acc").number(),
      weights: weights.keys().map((name) => ({ name, first: weights.at(name).numbers() })),
    };
  });
  return {
    place: key, start: (start ?? "ref") as Which, batch, steps,
    beta: Number(beta), learningRate: Number(learningRate), weightDecay: Number(weightDecay), maxGradNorm: Number(maxGradNorm ?? 0),
  };
}
