import { spawn } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./folders";

export interface Failure {
  ename: string;
  evalue: string;
  traceback?: string;
}

export type RunEvent =
  | { event: "kernel" }
  | { event: "cell"; index: number }
  | { event: "output"; index: number; text: string }
  | { event: "cell-end"; index: number; seconds: number; failure: Failure | null }
  | { event: "stopping" }
  | { event: "fatal"; message: string }
  | { event: "end"; stopped: boolean; failed: number[]; peak: number | null };

export interface ExecuteOptions {
  /** The notebook to run, and where the executed one goes. */
  input: string;
  output: string;
  /** The folder whose relative imports the cells use. */
  cwd: string;
  /** Everything that the kernel's process itself prints goes to this file. */
  logFile: string;
  environment: Record<string, string>;
  /** Seconds for each cell; none without it. */
  timeout?: number;
  /** The most memory that the kernel may have for itself, in bytes; what asks for more fails. Linux alone keeps to it. */
  memory?: number;
  /** Go on after a cell that failed. */
  keepGoing?: boolean;
  kernel?: string;
}

export interface Execution {
  /** The events as they come; the loop ends when the process has. */
  events: AsyncIterable<RunEvent>;
  /** Stops the running cell and ends the run with what there is; called again, at once. */
  stop(): void;
  /** 0 fine, 1 a cell failed, 2 it could not run, 130 stopped. */
  exitCode: Promise<number>;
}

/** Runs a notebook through nbclient and a real kernel. */
export function execute(options: ExecuteOptions): Execution {
  const python = join(root, ".venv/bin/python");
  if (!existsSync(python)) throw new Error("There is no .venv with JupyterLab yet: npm start makes it.");
  const args = [join(__dirname, "execute.py"), options.input, options.output, "--cwd", options.cwd];
  if (options.kernel) args.push("--kernel", options.kernel);
  if (options.timeout) args.push("--timeout", String(options.timeout));
  if (options.memory) args.push("--memory", String(options.memory));
  if (options.keepGoing) args.push("--keep-going");
  // A process group of its own: a terminal's Ctrl-C reaches the caller alone, which passes it on once.
  const child = spawn(python, args, {
    cwd: root,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.environment },
  });
  child.stderr.pipe(createWriteStream(options.logFile));
  const exitCode = new Promise<number>((done, failed) => {
    child.on("error", failed);
    child.on("close", (code) => done(code ?? 2));
  });
  return { events: readEvents(child.stdout), stop: () => void child.kill("SIGINT"), exitCode };
}

async function* readEvents(stream: NodeJS.ReadableStream): AsyncGenerator<RunEvent> {
  for await (const line of createInterface({ input: stream })) {
    if (line.trim() !== "") yield JSON.parse(line) as RunEvent;
  }
}
