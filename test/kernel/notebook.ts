import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(__dirname, "..", "..");

export interface Output {
  type: string;
  name?: string;
  text?: string;
  data?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  transient?: { display_id?: string };
  ename?: string;
  evalue?: string;
  traceback?: string[];
  execution_count?: number;
  wait?: boolean;
}

export interface Ran {
  outputs: Output[];
  idle: boolean;
  reply: { status: string; execution_count?: number; ename?: string; evalue?: string } | null;
}

export interface Press {
  /** Text in the output to wait for; the start of the cell when left out. */
  when?: string;
  /** Seconds after that. */
  after?: number;
}

export interface RunOptions {
  stop?: Press[];
  timeout?: number;
  settle?: number;
}

export interface RunResult {
  cells: Ran[];
  /** Status messages in the order they came: which cell (−1 for none of these) and what. */
  order: [number, string][];
  seconds: number;
  /** Seconds from the first press of Stop to the end. */
  stopped: number | null;
  alive: boolean;
}

export interface Answer {
  reply: ({ type: string; status?: string } & Record<string, unknown>) | null;
  states: string[];
  output: string[];
  seconds: number;
}

type CellSource = string | { code: string; stop_on_error?: boolean; silent?: boolean };

/** Kernels that the tests start: ours, and tslab's own, whose faults ours must not have. */
export type KernelName = "alignlab-under-test" | "tslab";

/** Writes the specs of the kernels under test where JUPYTER_PATH will name `folder`. */
export function writeSpecs(folder: string): void {
  const common = { language: "typescript", interrupt_mode: "signal" };
  const start = join(root, "kernel", "start.cjs");
  const stock = join(root, "node_modules", "tslab", "bin", "tslab");
  const specs: Record<KernelName, string[]> = {
    "alignlab-under-test": [process.execPath, "--no-warnings", "--no-force-async-hooks-checks", start, "{connection_file}"],
    tslab: [process.execPath, stock, "kernel", "--config-path={connection_file}"],
  };
  for (const [name, argv] of Object.entries(specs)) {
    mkdirSync(join(folder, "kernels", name), { recursive: true });
    writeFileSync(join(folder, "kernels", name, "kernel.json"), JSON.stringify({ argv, display_name: name, ...common }));
  }
}

async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (let chunk of stream) {
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
      yield Buffer.concat([...parts, chunk.subarray(0, end)]).toString();
      parts = [];
      chunk = chunk.subarray(end + 1);
    }
    parts.push(chunk);
  }
}

/** Asks the driver, one request at a time. */
function driver(specs: string): { ask: (op: string, request: object) => Promise<unknown>; kill: () => void } {
  const python = spawn(join(root, ".venv", "bin", "python"), [join(__dirname, "drive.py")], {
    // Answers on a channel of their own: the kernel inherits the first three and makes them non-blocking.
    stdio: ["pipe", "ignore", "inherit", "pipe"],
    env: { ...process.env, JUPYTER_PATH: specs, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
  });
  const answers = lines(python.stdio[3] as NodeJS.ReadableStream as AsyncIterable<Buffer>);
  const ask = async (op: string, request: object): Promise<unknown> => {
    python.stdin!.write(`${JSON.stringify({ op, ...request })}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(`the driver ended while it was asked to ${op}`);
    if (op === "stop") python.stdin!.end();
    return JSON.parse(value);
  };
  return { ask, kill: () => void python.kill("SIGKILL") };
}

/** A kernel under test, driven through Jupyter's own client. */
export class Notebook {
  private constructor(
    private readonly ask: (op: string, request: object) => Promise<unknown>,
    /** Ends Jupyter's side by force and leaves the kernel alone. */
    readonly killJupyter: () => void,
    private readonly specs: string,
    /** Seconds until the kernel answered. */
    readonly startSeconds: number,
    readonly pid: number,
  ) {}

  /** Starts a kernel in the folder of an imagined notebook. */
  static async open(folder: string, kernel: KernelName = "alignlab-under-test"): Promise<Notebook> {
    const specs = mkdtempSync(join(tmpdir(), "alignlab-kernel-"));
    writeSpecs(specs);
    const { ask, kill } = driver(specs);
    const started = (await ask("start", { kernel, cwd: folder })) as { seconds: number; pid: number };
    return new Notebook(ask, kill, specs, started.seconds, started.pid);
  }

  /** Sends all cells at once, as "run all" does. */
  async runAll(cells: CellSource[], options: RunOptions = {}): Promise<RunResult> {
    const sources = cells.map((cell) => (typeof cell === "string" ? { code: cell } : cell));
    return (await this.ask("run", { cells: sources, ...options })) as RunResult;
  }

  async run(cell: CellSource, options: RunOptions = {}): Promise<Ran & RunResult> {
    const result = await this.runAll([cell], options);
    return { ...result.cells[0]!, ...result };
  }

  /** The text of a cell's last value; fails when the cell does. */
  async value(code: string): Promise<string> {
    const { outputs, reply } = await this.run(code);
    if (reply?.status !== "ok") throw new Error(`${code}: ${JSON.stringify(reply)} ${errorText(outputs)}`);
    return String(outputs.find((output) => output.type === "execute_result")?.data?.["text/plain"]);
  }

  async request(type: string, content: object = {}, more: { channel?: string; during?: string } = {}): Promise<Answer> {
    return (await this.ask("request", { type, content, ...more })) as Answer;
  }

  /** Restarts the kernel, as JupyterLab's button does; `during` is a cell that runs when it is pressed. */
  async restart(during?: string): Promise<void> {
    await this.ask("restart", during === undefined ? {} : { during });
  }

  async close(): Promise<{ seconds: number; alive: boolean }> {
    const answer = (await this.ask("stop", {})) as { seconds: number; alive: boolean };
    rmSync(this.specs, { recursive: true });
    return answer;
  }
}

export function printed(ran: Ran, name = "stdout"): string {
  return ran.outputs.filter((output) => output.type === "stream" && output.name === name).map((output) => output.text).join("");
}

export function errorText(outputs: Output[]): string {
  return outputs.filter((output) => output.type === "error").map((output) => output.traceback!.join("\n")).join("\n");
}

/** A folder inside the project for the time of a test, as `notebooks/` is one. */
export function temporaryFolder(under = ""): string {
  const parent = join(root, "runs", "kernel-tests", under);
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "notebook-"));
}

/** How many folders and files a process has the system watch (inotify). */
export function countWatches(pid: number): number {
  const files = readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkOrEmpty(`/proc/${pid}/fd/${fd}`).includes("inotify"));
  return files.reduce((sum, fd) => sum + (readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").match(/^inotify /gm)?.length ?? 0), 0);
}

function readlinkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
