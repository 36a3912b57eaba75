import { availableParallelism } from "node:os";
import path from "node:path";
import { BUSY_ABOVE, describeLoad } from "./busy";
import { tooBusy } from "./failure";
import { Side } from "./side";

// What benches with peers share.

/** The failure of a bench on a machine that others use. @param others the part that they take */
export function busyMessage(others: number): Error {
  return tooBusy(`The machine is busy (${describeLoad(others)}; ${BUSY_ABOVE * 100} % is the most): figures would not be worth reporting. Run the bench again when it is idle.`);
}

/** The peers' Python; their environment is made where it is missing. */
export async function peerPython(): Promise<string> {
  const { ensurePeer } = await import("./peerVenv.mjs");
  return ensurePeer(console.error);
}

/** A program, its arguments, and what its environment has beside this process's own. */
export interface Program {
  command: string;
  args: string[];
  environment: NodeJS.ProcessEnv;
}

/** A program of ours, by its file in `ours/`. */
export function ourProcess(script: string, job: string): Program {
  return { command: process.execPath, args: ["--import", require.resolve("tsx"), path.join(__dirname, "ours", `${script}.ts`), job], environment: {} };
}

/** A peer's program, by its file in `peers/`; it reaches no network and no GPU. @param home a folder that stands for Hugging Face's own */
export function peerProcess(script: string, python: string, job: string, home: string): Program {
  const environment = { HF_HOME: home, HF_HUB_OFFLINE: "1", HF_DATASETS_OFFLINE: "1", TOKENIZERS_PARALLELISM: "false", CUDA_VISIBLE_DEVICES: "" };
  return { command: python, args: [path.join(__dirname, "peers", `${script}.py`), job], environment };
}

/** Our side of a bench. @param name in the report, for what is measured beside the library itself */
export function ourSide(script: string, setting: string, job: string, name = "alignlab", environment: NodeJS.ProcessEnv = {}): Side {
  const { command, args } = ourProcess(script, job);
  return new Side(name, setting, command, args, environment);
}

/** For a side that measures what one op reaches at most: all cores work within it. */
export const WITHIN_OPS = { ALIGNLAB_INTRA_OP_THREADS: String(availableParallelism()) };

/** A peer's side. @param home a folder that stands for Hugging Face's own */
export function peerSide(name: string, script: string, setting: string, python: string, job: string, home: string, environment: NodeJS.ProcessEnv = {}): Side {
  const program = peerProcess(script, python, job, home);
  return new Side(name, setting, program.command, program.args, { ...program.environment, ...environment });
}

/** One line on a terminal that changes; elsewhere one line for each stage. */
export function progress(label: string): (text: string) => void {
  let stage = "";
  return (text) => {
    if (process.stderr.isTTY) return void process.stderr.write(`\r\x1b[K${label}: ${text}`);
    const next = text.replace(/\d+ of.*/, "");
    if (next !== stage) console.error(`${label}: ${text}`);
    stage = next;
  };
}
