import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DisturbedError } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { BenchFailure } from "./failure";
import { median } from "./figures";
import { freshRounds, runToEnd, type FreshSide } from "./fresh";
import { KERNEL_STAGES, reportKernel } from "./kernelReport";
import type { Bench } from "./main";
import { oneOf, parseOptionsOf, wholeNumber } from "./options";
import { busyMessage, peerPython, progress } from "./running";

const ROUNDS = 5;
const PEERS = ["ipykernel", "none"] as const;
const ROOT = path.join(__dirname, "..");

const usage = `npm run bench -- kernel [options]
From the start of a notebook's kernel to answers: of a first cell, 1 + 1, and of the first import of the library. Ours is the course's
kernel with import … from "../src"; the peer is ipykernel of the same JupyterLab, with import torch and transformers' AutoModelForCausalLM
from .venv-peer, whose folder the cell adds to Python's path. Jupyter's own client starts each kernel anew, the two in turn, and sends a
cell when the one before is answered. One round that does not count comes before. Memory is that of the kernel and the processes it starts,
after that import. Then all that a notebook uses is imported (ours: the library, tfjs, danfojs, transformers.js; the peer's: torch,
transformers, pandas) and completions and inspections are asked for, each of other code: the median time to an answer.

  --peer PEER     ipykernel (default) or none
  --rounds N      starts of each kernel that count; default: ${ROUNDS}
  --anyway        measure on a busy machine too, and say so

The spread (±) is half the distance between the quartiles, as a part of the median. The last line is JSON: ratios (the peer's median
by ours) to the first cell, to the import, of a completion and of an inspection, and memory_ratio (our peak memory by the peer's).`;

export const kernel: Bench = {
  summary: "time from a kernel's start to its first cell and its first import, and to completions and inspections, beside ipykernel",
  parts: () => [{ args: [], minutes: 2 }],
  usage,
  run: async (args) => runKernel(parseKernelOptions(args)),
};

export interface KernelOptions {
  peer: (typeof PEERS)[number];
  rounds: number;
  anyway: boolean;
}

/** @throws BenchFailure naming the option and what it may be */
export function parseKernelOptions(args: string[]): KernelOptions {
  const { peer, rounds, anyway } = parseOptionsOf("kernel", args, { peer: { type: "string" }, rounds: { type: "string" }, anyway: { type: "boolean" } });
  return { peer: peer === undefined ? "ipykernel" : oneOf("--peer", peer, PEERS), rounds: wholeNumber("--rounds", rounds, ROUNDS, [1, 100]), anyway: anyway ?? false };
}

async function runKernel({ peer, rounds, anyway }: KernelOptions): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !anyway) throw busyMessage(before);
  const jupyter = path.join(ROOT, ".venv", "bin", "python");
  if (!existsSync(jupyter)) throw new BenchFailure(1, "There is no .venv, whose Jupyter starts the kernels: run npm start -- --setup-only once.");
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  try {
    const sides = [await ourKernel(jupyter, folder), ...(peer === "none" ? [] : [pythonKernel(jupyter, packagesOf(await peerPython()), folder)])];
    const run = await freshRounds(sides, { warmUp: 1, timed: rounds, anyway }, progress("kernel"));
    reportKernel({ sides: sides.map(({ name, setting }, s) => ({ name, setting, samples: run.samples[s]! })), others: run.others, disturbed: run.disturbed });
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Cell {
  code: string;
  value: string;
}

/** What an editor asks for at the end of a piece of code, and a part of the right answer. */
interface Question {
  type: "complete" | "inspect";
  code: string;
  answer: string;
}

interface Work {
  cells: Cell[];
  /** Imports all that a notebook uses. */
  everything: string;
  questions: Question[];
}

const SUM: Cell = { code: "1 + 1", value: "2" };

async function ourKernel(jupyter: string, folder: string): Promise<FreshSide> {
  const { kernelSpec } = await import("../scripts/setup/kernelspec.mjs");
  const everything = ['import * as lab from "../src"', 'import * as tf from "@tensorflow/tfjs"', 'import * as dfd from "danfojs-node"', 'import * as transformers from "@huggingface/transformers"', "1"].join("\n");
  const questions: Question[] = [
    { type: "complete", code: "const model = await lab.loadM", answer: "loadModel" },
    { type: "complete", code: "const x = tf.tensor2d([[1, 2]]); x.transp", answer: "transpose" },
    { type: "complete", code: "const table = new dfd.DataFr", answer: "DataFrame" },
    { type: "complete", code: "transformers.AutoTok", answer: "AutoTokenizer" },
    { type: "complete", code: "for (const line of process.argv) line.toUpp", answer: "toUpperCase" },
    { type: "inspect", code: "lab.loadModel", answer: "loadModel" },
    { type: "inspect", code: "const y = tf.matMul", answer: "matMul" },
    { type: "inspect", code: "dfd.readCSV", answer: "readCSV" },
    { type: "inspect", code: "transformers.AutoTokenizer", answer: "AutoTokenizer" },
    { type: "inspect", code: "const text = JSON.stringify", answer: "stringify" },
  ];
  const cells = [SUM, { code: 'import { loadModel } from "../src";\nloadModel.name.length', value: "9" }];
  return kernelSide("alignlab", 'import … from "../src"', kernelSpec({ root: ROOT }), { cells, everything, questions }, jupyter, folder);
}

function pythonKernel(jupyter: string, packages: string, folder: string): FreshSide {
  const spec = { argv: [jupyter, "-m", "ipykernel_launcher", "-f", "{connection_file}"], display_name: "Python", language: "python", interrupt_mode: "signal" };
  const imports = ["import sys", `sys.path.append(${JSON.stringify(packages)})`, "import torch", "from transformers import AutoModelForCausalLM", "len(AutoModelForCausalLM.__name__)"];
  const questions: Question[] = [
    { type: "complete", code: "model = AutoModelForCausalLM.from_pre", answer: "from_pretrained" },
    { type: "complete", code: "x = torch.transp", answer: "transpose" },
    { type: "complete", code: "table = pandas.DataFr", answer: "DataFrame" },
    { type: "complete", code: "transformers.AutoTok", answer: "AutoTokenizer" },
    { type: "complete", code: "for line in sys.argv: line.upp", answer: "upper" },
    { type: "inspect", code: "AutoModelForCausalLM.from_pretrained", answer: "pretrained" },
    { type: "inspect", code: "torch.matmul", answer: "matmul" },
    { type: "inspect", code: "pandas.read_csv", answer: "read_csv" },
    { type: "inspect", code: "transformers.AutoTokenizer", answer: "AutoTokenizer" },
    { type: "inspect", code: "sys.getsizeof", answer: "getsizeof" },
  ];
  const cells = [SUM, { code: imports.join("\n"), value: "20" }];
  return kernelSide("ipykernel", "import torch, transformers", spec, { cells, everything: "import pandas, transformers\n1", questions }, jupyter, folder);
}

/** The folder of the peers' packages. @throws BenchFailure when they are another Python's than Jupyter's */
function packagesOf(peer: string): string {
  const pythonOf = (venv: string): string => readdirSync(path.join(venv, "lib")).find((name) => name.startsWith("python")) ?? "no Python";
  const [ours, theirs] = [path.join(ROOT, ".venv"), path.join(path.dirname(peer), "..")].map(pythonOf);
  if (ours !== theirs) throw new BenchFailure(1, `JupyterLab's .venv has ${ours} and .venv-peer ${theirs}, so ipykernel cannot import the peer's packages: make both with one Python (ALIGNLAB_PYTHON), or measure with --peer none.`);
  return path.join(path.dirname(peer), "..", "lib", theirs!, "site-packages");
}

interface KernelAnswer {
  ready: number;
  cells: { value: string; at: number }[];
  asked: { seconds: number; text: string }[];
  peakBytes: number;
  versions: Record<string, string>;
}

/** A kernel that Jupyter's client starts, with what it is to answer. */
function kernelSide(name: string, setting: string, spec: object, { cells, everything, questions }: Work, jupyter: string, folder: string): FreshSide {
  const place = path.join(folder, "jupyter", "kernels", name);
  mkdirSync(place, { recursive: true });
  writeFileSync(path.join(place, "kernel.json"), JSON.stringify(spec));
  const job = path.join(folder, `${name}.json`);
  writeFileSync(job, JSON.stringify({ kernel: name, cwd: path.join(ROOT, "notebooks"), cells: cells.map(({ code }) => code), everything, questions }));
  const environment = { JUPYTER_PATH: path.join(folder, "jupyter"), IPYTHONDIR: path.join(folder, "ipython"), NODE_OPTIONS: "", HF_HOME: folder, HF_HUB_OFFLINE: "1", CUDA_VISIBLE_DEVICES: "" };
  return {
    name, setting,
    sample: async () => {
      const { said } = await runToEnd<KernelAnswer>(name, jupyter, [path.join(__dirname, "peers", "kernel_client.py"), job], environment);
      const wrong = cells.findIndex(({ value }, i) => said.cells[i]!.value !== value);
      if (wrong >= 0) throw new BenchFailure(1, `${name} answered ${JSON.stringify(cells[wrong]!.code)} with ${said.cells[wrong]!.value}; ${cells[wrong]!.value} is right.`);
      questions.forEach(({ code, answer }, i) => {
        if (!said.asked[i]!.text.includes(answer)) throw new BenchFailure(1, `${name} answered the question about ${JSON.stringify(code)} with ${JSON.stringify(said.asked[i]!.text.slice(0, 200))}, where ${answer} should stand.`);
      });
      const medianOf = (type: Question["type"]): number => median(said.asked.filter((_, i) => questions[i]!.type === type).map(({ seconds }) => seconds));
      const [first, imported] = said.cells.map(({ at }) => at);
      const parts = [said.ready, first! - said.ready, imported! - first!];
      return { seconds: imported!, parts: Object.fromEntries(KERNEL_STAGES.map((stage, i) => [stage, parts[i]!])), further: { completion: medianOf("complete"), inspection: medianOf("inspect") }, peakBytes: said.peakBytes, versions: said.versions };
    },
  };
}
