import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { folderOf, type Edition } from "./editions";
import { execute, type Failure } from "./execute";
import { findNotebook, notebookNames, notebookPath, root, sourcePath } from "./folders";
import { solutionProblems } from "./inspect";
import { codeHash, formatNotebook, makeNotebook, sha256, type Notebook, type RunMetadata } from "./ipynb";
import { ProgressPrinter } from "./progress";

const profiles = ["quick", "small", "default", "full"] as const;
type Profile = (typeof profiles)[number];

const usage = `npm run notebook -- NAME [options]
Runs a notebook without a browser, through the same kernel, and shows each cell as it goes.

  NAME                    01, dpo or 01-dpo-from-scratch
  --edition EDITION       solution (default) or student
  --profile PROFILE       quick (under 3 minutes), small (for 8 GiB of memory), default (two cores, about 15 minutes) or full
                          (the original's settings)
  --timeout SECONDS       longest time for one cell; none without it
  --memory GIB            the most memory that the kernel may have: what asks for more fails (Linux)
  --keep-going            go on after a cell that failed
  --update                store the outputs in notebooks/solutions (solution edition, every cell fine)
  --help                  this text

The executed notebook and what it saved go to runs/notebooks/NAME/TIME. Exit code: 0 fine, 1 a cell failed, 2 it could not run, 130 stopped.`;

export interface RunOptions {
  name: string;
  edition: Edition;
  profile: Profile;
  timeout?: number;
  /** The most memory that the kernel may have for itself, in bytes. */
  memory?: number;
  keepGoing?: boolean;
  update?: boolean;
}

export interface RunResult {
  exitCode: number;
  /** Where the executed notebook and its artefacts are. */
  folder: string;
  notebook: Notebook;
  /** Failing cells, by index, in order. */
  failures: { index: number; failure: Failure }[];
  /** The most memory that the kernel held, in bytes; null where the system does not tell. */
  peak: number | null;
}

/** Runs one notebook, made afresh from its source. `print` shows progress on the terminal. */
export async function runNotebook(options: RunOptions, print = true): Promise<RunResult> {
  const source = readFileSync(sourcePath(options.name), "utf8");
  const notebook = makeNotebook(source, options.edition, `${options.name}.ts`);
  const time = new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19);
  const folder = join(root, "runs/notebooks", options.name, `${time}-${options.edition}-${options.profile}`);
  mkdirSync(folder, { recursive: true });
  const input = join(folder, "input.ipynb");
  const output = join(folder, `${options.name}.ipynb`);
  writeFileSync(input, formatNotebook(notebook));
  const execution = execute({
    input,
    output,
    cwd: join(root, folderOf[options.edition]),
    logFile: join(folder, "kernel.log"),
    timeout: options.timeout,
    memory: options.memory,
    keepGoing: options.keepGoing,
    environment: {
      ALIGNLAB_PROFILE: options.profile,
      ALIGNLAB_RUN_DIR: relative(root, folder),
      ALIGNLAB_STORE_DIR: "runs/notebooks/store",
      JPY_SESSION_NAME: notebookPath(options.name, options.edition),
    },
  });
  const printer = new ProgressPrinter(notebook);
  const failures: RunResult["failures"] = [];
  let peak: number | null = null;
  const stop = () => execution.stop();
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    for await (const event of execution.events) {
      if (print) printer.on(event);
      if (event.event === "end") peak = event.peak;
      if (event.event !== "cell-end" || !event.failure || event.failure.ename === "Stopped") continue;
      failures.push({ index: event.index, failure: event.failure });
      if (print) console.error(`\n${printer.failureText(event.index, event.failure)}\n`);
    }
    const exitCode = await execution.exitCode;
    return { exitCode, folder, notebook: JSON.parse(readFileSync(output, "utf8")) as Notebook, failures, peak };
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/** Type of the output with which a notebook says what it runs on; `announceRun` in src/exercises writes it. */
export const runMimeType = "application/vnd.alignlab.run+json";

/** The solution notebook with the outputs of a run and where they come from. Throws with what keeps it from being stored. */
export function withOutputs(executed: Notebook, source: string, name: string, profile: Profile, peak: number | null = null): Notebook {
  const notebook = makeNotebook(source, "solution", `${name}.ts`);
  notebook.cells.forEach((cell, index) => {
    if (cell.cell_type !== "code") return;
    cell.outputs = executed.cells[index].outputs;
    cell.execution_count = executed.cells[index].execution_count;
  });
  const announced = executed.cells
    .flatMap((cell) => cell.outputs ?? [])
    .map((output) => output.data?.[runMimeType] as { seed: number; backend: string } | undefined)
    .find((value) => value !== undefined);
  if (!announced) throw new Error(`No cell says what it runs on: ${name} has to call announceRun(…).`);
  const run: RunMetadata = {
    source_sha256: sha256(source),
    code_sha256: codeHash(source),
    date: new Date().toISOString().slice(0, 10),
    seed: announced.seed,
    backend: announced.backend,
    profile,
    ...(peak === null ? {} : { peak_memory_gib: Number(inGib(peak)) }),
    machine: { cores: availableParallelism(), memory_gib: Math.round(totalmem() / 2 ** 30) },
  };
  notebook.metadata = { ...notebook.metadata, alignlab: { ...(notebook.metadata.alignlab as object), ...run } };
  const problems = solutionProblems(notebook, source, `${name}.ts`);
  if (problems.length > 0) throw new Error(`The outputs of ${name} are not fit to be stored:\n  ${problems.join("\n  ")}`);
  return notebook;
}

/** Bytes in GiB with one digit after the point, as a notebook's first cell says it. */
const inGib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

function readOptions(args: string[]): RunOptions | null {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      edition: { type: "string", default: "solution" },
      profile: { type: "string", default: "default" },
      timeout: { type: "string" },
      memory: { type: "string" },
      "keep-going": { type: "boolean", default: false },
      update: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  if (positionals.length !== 1) throw new Error(`Name one notebook: ${notebookNames().join(", ")}. See --help.`);
  const edition = values.edition as Edition;
  if (edition !== "solution" && edition !== "student") throw new Error(`--edition is solution or student, not "${edition}".`);
  const profile = values.profile as Profile;
  if (!profiles.includes(profile)) throw new Error(`--profile is quick, small, default or full, not "${profile}".`);
  const timeout = values.timeout === undefined ? undefined : Number(values.timeout);
  if (timeout !== undefined && !(timeout > 0)) throw new Error(`--timeout is a number of seconds, not "${values.timeout}".`);
  const memory = values.memory === undefined ? undefined : Math.round(Number(values.memory) * 2 ** 30);
  if (memory !== undefined && !(memory > 0)) throw new Error(`--memory is a number of GiB, not "${values.memory}".`);
  if (values.update && edition !== "solution") throw new Error("--update stores the solution edition: leave --edition out.");
  return { name: findNotebook(positionals[0]), edition, profile, timeout, memory, keepGoing: values["keep-going"], update: values.update };
}

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.log(`${usage}\nNotebooks: ${notebookNames().join(", ")}`);
    return 0;
  }
  const started = Date.now();
  console.log(`${options.name}, ${options.edition} edition, profile ${options.profile}`);
  const result = await runNotebook(options);
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  const memory = result.peak === null ? "" : ` The kernel held at most ${inGib(result.peak)} GiB.`;
  console.log(`${result.failures.length} cells failed, ${minutes} minutes.${memory} ${relative(root, result.folder)}/${options.name}.ipynb`);
  if (options.update && result.exitCode === 0) {
    const source = readFileSync(sourcePath(options.name), "utf8");
    const path = notebookPath(options.name, "solution");
    writeFileSync(path, formatNotebook(withOutputs(result.notebook, source, options.name, options.profile, result.peak)));
    console.log(`${relative(root, path)} written`);
  } else if (options.update) {
    console.log("Nothing stored: the run did not end well.");
  }
  return result.exitCode;
}

if (require.main === module) {
  main(process.argv.slice(2)).then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 2;
    },
  );
}
