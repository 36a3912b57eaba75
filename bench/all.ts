import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BenchFailure, misuse } from "./failure";
import { thisMachine, type Machine } from "./machine";
import type { Bench } from "./main";
import { parseOptionsOf } from "./options";
import { describeMinutes, minutesLeft, planParts, type PlannedPart } from "./parts";
import { benchMarkdown, requireMarkers, writeTable } from "./readme";
import { ResultFolder, sourceSum, type PartResult } from "./results";
import { textTable } from "./textTable";

const ROOT = path.join(__dirname, "..");
const FOLDER = path.join("runs", "bench");

const usage = `npm run bench -- all [options]
Runs every bench with settings that suit a table, one after the other, and writes the table between two marks of README.md, the chart of
growing work, and all results as JSON with their date. Before it starts it says how long it will take, and after each part how long is left.
Each result is kept as it comes: after a stop, or where a part was disturbed by other processes or failed, the same command measures
only what is missing, as long as code and machine are the same.

  --only NAMES     these benches alone, separated by commas; the README is then left alone
  --plan           say what would be measured and how long it would take, and end
  --fresh          measure everything anew, whatever is kept
  --folder FOLDER  where results are kept; default: ${FOLDER}
  --out FOLDER     where the dated JSON and the chart are written; default: docs
  --readme FILE    the file with the marks; default: README.md
  --anyway         measure on a busy machine too, where a bench can; the table says so

Exit codes: 0 all measured, 1 a part failed, 2 a bad option, 3 a part was disturbed, 130 stopped.`;

export interface AllOptions {
  only: string[] | null;
  plan: boolean;
  fresh: boolean;
  folder: string;
  out: string;
  /** Null to write no table. */
  readme: string | null;
  anyway: boolean;
}

/** @param names of the benches there are @throws BenchFailure naming the option and what it may be */
export function parseAllOptions(args: string[], names: readonly string[]): AllOptions {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { only, plan = false, fresh = false, folder = FOLDER, out = "docs", readme, anyway = false } = parseOptionsOf("all", args, { only: text, plan: flag, fresh: flag, folder: text, out: text, readme: text, anyway: flag });
  const wanted = only === undefined ? null : only.split(",").map((name) => name.trim());
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined) throw misuse(`--only ${only}: ${JSON.stringify(unknown)} is no bench; there are ${names.join(", ")}.`);
  return { only: wanted, plan, fresh, folder, out, readme: readme ?? (wanted === null ? "README.md" : null), anyway };
}

/** What a bench's process came to. */
export interface Ended {
  code: number;
  /** The last line that it printed. */
  lastLine: string;
  /** The end of what it said of its progress and of errors. */
  errors: string;
}

export type RunPart = (part: PlannedPart, signal: AbortSignal) => Promise<Ended>;

/** The command that runs all of these benches. */
export function allOf(benches: Readonly<Record<string, Bench>>): Bench {
  return {
    summary: "every bench, and the README's table",
    usage,
    run: async (args) => {
      const options = parseAllOptions(args, Object.keys(benches));
      const chosen = options.only === null ? benches : Object.fromEntries(options.only.map((name) => [name, benches[name]!]));
      const stop = new AbortController();
      const end = (): void => stop.abort();
      process.on("SIGINT", end).on("SIGTERM", end);
      try {
        await runAll(planParts(chosen, options.out, options.anyway), options, { run: runProcess, signal: stop.signal, source: sourceSum(ROOT), machine: thisMachine() });
      } finally {
        process.off("SIGINT", end).off("SIGTERM", end);
      }
    },
  };
}

export interface Surroundings {
  run: RunPart;
  signal: AbortSignal;
  source: string;
  machine: Machine;
}

/**
 * Measures what is missing, part by part, then writes table and JSON.
 * @throws BenchFailure at the end when a part failed or was disturbed, or at once when it is stopped; what was measured is kept
 */
export async function runAll(parts: readonly PlannedPart[], options: AllOptions, { run, signal, source, machine }: Surroundings, print: (line: string) => void = console.log): Promise<void> {
  if (options.readme !== null) requireMarkers(options.readme);
  const kept = new ResultFolder(options.folder);
  const results = new Map(parts.map((part): [PlannedPart, PartResult | null] => [part, options.fresh ? null : kept.measured(part, source, machine)]));
  const missing = parts.filter((part) => results.get(part) === null);
  print(textTable(["part", "min", "kept"], parts.map((part) => [part.name, String(part.minutes), results.get(part)?.date.slice(0, 16).replace("T", " ") ?? ""]), 1).join("\n"));
  print(`${missing.length} of ${parts.length} parts to measure${missing.length < parts.length ? `, the others are kept in ${options.folder}` : ""}: about ${describeMinutes(minutesLeft(missing, []))} on an idle machine with two cores.`);
  if (options.plan) return;

  const measured: { minutes: number; seconds: number }[] = [];
  for (const [at, part] of missing.entries()) {
    print(`[${at + 1} of ${missing.length}] ${part.name}: ${describeMinutes(minutesLeft([part], measured))}; ${describeMinutes(minutesLeft(missing.slice(at), measured))} left`);
    const from = performance.now();
    const ended = await run(part, signal);
    if (signal.aborted) throw new BenchFailure(130, `Stopped at ${part.name}. ${parts.length - missing.length + at} of ${parts.length} parts are kept in ${options.folder}: the same command goes on from there.`);
    const seconds = (performance.now() - from) / 1000;
    const result: PartResult = { part: part.name, bench: part.bench, ...outcomeOf(ended), date: new Date().toISOString(), seconds: Math.round(seconds), source, machine };
    kept.keep(part, result);
    results.set(part, result);
    if (result.status === "measured") measured.push({ minutes: part.minutes, seconds });
    print(describeResult(result));
  }
  finish(parts.map((part) => results.get(part)!), options, print);
}

/** What a bench's process came to, by its exit code and its last line. */
function outcomeOf({ code, lastLine, errors }: Ended): Pick<PartResult, "status" | "reason" | "json"> {
  if (code === 3) return { status: "disturbed", reason: errors.trim().split("\n").at(-1)!, json: null };
  if (code !== 0) return { status: "failed", reason: `exit code ${code}: ${errors.trim().split("\n").at(-1)}`, json: null };
  try {
    const json = JSON.parse(lastLine) as PartResult["json"];
    if (Array.isArray(json?.table)) return { status: "measured", reason: "", json };
    return { status: "failed", reason: "its JSON line has no table", json: null };
  } catch {
    return { status: "failed", reason: `its last line is no JSON: ${lastLine.slice(0, 200)}`, json: null };
  }
}

function describeResult({ part, status, reason, seconds, json }: PartResult): string {
  if (status !== "measured") return `  ${part}: ${status} after ${seconds} s: ${reason}`;
  const ratios = json!.table.map(({ work, ratio, memory_ratio: memory }) => `  ${work}: ratio ${ratio?.toFixed(2) ?? "none"}, memory ${memory?.toFixed(2) ?? "none"}`);
  return [...ratios, `  ${part}: measured in ${seconds} s`].join("\n");
}

/** Writes table and JSON. What is kept part by part is done with once all parts are measured. */
function finish(results: readonly PartResult[], { folder, out, readme, only }: AllOptions, print: (line: string) => void): void {
  mkdirSync(out, { recursive: true });
  const json = path.join(out, `bench-${new Date().toISOString().slice(0, 10)}${only === null ? "" : `-${only.join("-")}`}.json`);
  writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
  const charted = results.some(({ bench, status }) => bench === "growth" && status === "measured");
  const text = benchMarkdown(results, charted ? path.relative(path.dirname(readme ?? "."), path.join(out, "growth.svg")) : null);
  if (readme === null) print(text);
  else writeTable(readme, text);
  const named = (status: PartResult["status"]): string[] => results.filter((result) => result.status === status).map(({ part }) => part);
  const [disturbed, failed] = [named("disturbed"), named("failed")];
  print(`All results: ${json}.${readme === null ? "" : ` The table stands in ${readme}.`}`);
  print(JSON.stringify({ bench: "all", json, readme, measured: named("measured"), disturbed, failed }));
  if (failed.length + disturbed.length === 0) return rmSync(folder, { recursive: true, force: true });
  const list = [failed.length > 0 ? `failed: ${failed.join(", ")}` : "", disturbed.length > 0 ? `disturbed: ${disturbed.join(", ")}` : ""].filter(Boolean).join("; ");
  throw new BenchFailure(failed.length > 0 ? 1 : 3, `Not all parts were measured (${list}). The same command measures only these again.`);
}

const KEPT_CHARACTERS = 4_000;

/** A part as a process of its own: what it holds in memory is gone when the next one begins. */
const runProcess: RunPart = async ({ bench, args }, signal) => {
  const child = spawn(process.execPath, ["--import", require.resolve("tsx"), path.join(__dirname, "main.ts"), bench, ...args], { cwd: process.cwd(), stdio: ["ignore", "pipe", "pipe"] });
  const end = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let [out, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
    process.stdout.write(chunk);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    errors = (errors + chunk).slice(-KEPT_CHARACTERS);
    process.stderr.write(chunk);
  });
  const code = await new Promise<number>((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", (exit, killed) => resolve(killed ? 1 : exit!));
  });
  signal.removeEventListener("abort", end);
  return { code, lastLine: out.trimEnd().split("\n").at(-1) ?? "", errors };
};
