import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DataFrame } from "danfojs-node";
import { display, displayMethod, type MimeBundle } from "../engine/host";
import { logColumns } from "../log/frame";
import { readJsonl } from "../step/jsonl";
import { table, type Table } from "../log/table";
import type { LogRow } from "../step/callbacks";
import { readJson, RUN_FILES } from "../step/run/folder";
import type { Figure } from "./figure";
import { lineChart } from "./line";
import { metricOf } from "./metrics";
import { defaultSpan } from "./series";
import { show } from "./show";

export interface CompareRunsOptions {
  /** Keys of the log, each with a chart of its own. Default: the loss, and what tells whether the runs' methods work. */
  keys?: string[];
  /** Reach of the smoothing in logged points; 1 for none. By default it grows with the number of points. */
  smooth?: number;
}

/** Runs beside each other. As a cell's last value it shows its tables; `show()` shows the charts too. */
export interface RunComparison {
  /** For each key the runs' curves over one another. */
  curves: Figure[];
  /** The settings that differ: a row each, a column for each run. */
  settings: Table;
  /** How far each run came and what its log measured last: a row for each run. */
  final: Table;
  /** `final` as a data frame; NaN where a run did not measure a column. */
  finalFrame: DataFrame;
  show(): void;
  [displayMethod](): MimeBundle;
}

interface Run {
  name: string;
  settings: Map<string, string>;
  rows: LogRow[];
}

/** What tells whether a run of any of the methods works. */
const KEYS = ["loss", "rewards/accuracies", "rewards/margins", "accuracy", "margin", "mean_token_accuracy", "entropy"];

/** Where a run is kept and when it was, but not what it is. */
const NOT_SETTINGS = /^(output_dir|overwrite_output_dir|started|resumed\b.*)$/;

/** Nested objects as one list: versions.node, data.trainDataset.rows, … */
function flattened(value: unknown, name = ""): [string, string][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, part]) => flattened(part, name ? `${name}.${key}` : key));
  }
  return [[name, typeof value === "string" ? value : JSON.stringify(value)]];
}

function readRun(folder: string, name: string): Run {
  const missing = [RUN_FILES.args, RUN_FILES.description, RUN_FILES.log].find((file) => !existsSync(join(folder, file)));
  if (missing) throw new Error(`compareRuns: ${folder} holds no run: ${missing} is missing. Give the outputDir of a trainer that has trained.`);
  const all = [RUN_FILES.description, RUN_FILES.args].flatMap((file) => flattened(readJson(join(folder, file))));
  return { name, settings: new Map(all.filter(([setting]) => !NOT_SETTINGS.test(setting))), rows: readJsonl(join(folder, RUN_FILES.log)) };
}

/** The last part of each path, or where two share it the path. */
function namesOf(folders: readonly string[]): string[] {
  const names = folders.map((folder) => basename(resolve(folder)));
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : folders[i]!));
}

function settingsTable(runs: readonly Run[]): Table {
  const names = [...new Set(runs.flatMap(({ settings }) => [...settings.keys()]))];
  const differing = names.filter((name) => new Set(runs.map(({ settings }) => settings.get(name))).size > 1);
  const rows = differing.map((setting) => ({ setting, ...Object.fromEntries(runs.map(({ name, settings }) => [name, settings.get(setting) ?? ""])) }));
  return table(rows, { caption: rows.length > 0 ? "Settings that differ" : "No setting differs", columns: ["setting", ...runs.map(({ name }) => name)], maxRows: Infinity });
}

/** The last value of each of the log's measures, by run. */
function lastValues(runs: readonly Run[]): { columns: string[]; values: number[][] } {
  const columns = logColumns(runs.flatMap(({ rows }) => rows)).filter((column) => column !== "learning_rate");
  return { columns, values: runs.map(({ rows }) => columns.map((column) => [...rows].reverse().find((row) => row[column] !== undefined)?.[column] ?? NaN)) };
}

function curvesOf(runs: readonly Run[], key: string, smooth: number | undefined): Figure {
  const { title, unit, range } = metricOf(key);
  return lineChart({
    title, x: { label: "step" }, y: { label: title, ...(unit !== undefined && { unit }), ...(range && { range }) },
    series: runs.map(({ name, rows }) => {
      const held = rows.filter((row) => row[key] !== undefined);
      return { name, x: held.map((row) => row.step), y: held.map((row) => row[key]!), smooth: smooth ?? defaultSpan(held.length) };
    }),
  });
}

/**
 * Sets runs beside each other that trainers kept in folders (`args.outputDir`): their curves, the settings in which they
 * differ, their final figures. A run that is still going is read as far as it has come.
 * @throws Error for a folder that holds no run, RangeError for a key that no run has logged
 */
export function compareRuns(folders: readonly string[], { keys, smooth }: CompareRunsOptions = {}): RunComparison {
  if (folders.length === 0) throw new RangeError("compareRuns: there are no folders; give at least one run's outputDir.");
  const names = namesOf(folders);
  const runs = folders.map((folder, i) => readRun(folder, names[i]!));
  const logged = new Set(runs.flatMap(({ rows }) => rows.flatMap((row) => Object.keys(row))));
  const unknown = keys?.find((key) => !logged.has(key));
  if (unknown !== undefined) throw new RangeError(`compareRuns: no run has logged "${unknown}"; the keys are ${[...logged].join(", ")}.`);
  const curves = (keys ?? KEYS.filter((key) => logged.has(key))).map((key) => curvesOf(runs, key, smooth));
  const settings = settingsTable(runs);
  const { columns, values } = lastValues(runs);
  const final = table(runs.map(({ name }, i) => ({ run: name, ...Object.fromEntries(columns.map((column, at) => [column, values[i]![at]])) })), { caption: "Last values of the log", maxRows: Infinity });
  const finalFrame = new DataFrame(values, { columns, index: names, dtypes: columns.map((column) => (column === "step" ? "int32" : "float32")) });
  return {
    curves, settings, final, finalFrame,
    show() {
      curves.forEach(show);
      display(settings);
      display(final);
    },
    [displayMethod]: () => ({ "text/html": settings.html + final.html, "text/plain": `${settings.text}\n\n${final.text}` }),
  };
}
