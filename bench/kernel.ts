import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DisturbedError } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { BenchFailure } from "./failure";
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
cell when the one before is answered. One round that does not count comes before. Memory is that of the kernel and the processes it starts.

  --peer PEER     ipykernel (default) or none
  --rounds N      starts of each kernel that count; default: ${ROUNDS}
  --anyway        measure on a busy machine too, and say so

The spread (±) is half the distance between the quartiles, as a part of the median. The last line is JSON: ratios (the peer's median
by ours) to the first cell and to the import, and memory_ratio (our peak memory by the peer's).`;

export const kernel: Bench = {
  summary: "time from a kernel's start to its first cell and its first import, beside ipykernel",
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

const SUM: Cell = { code: "1 + 1", value: "2" };

async function ourKernel(jupyter: string, folder: string): Promise<FreshSide> {
  const { kernelSpec } = await import("../scripts/setup/kernelspec.mjs");
  const cells = [SUM, { code: 'import { loadModel } from "../src";\nloadModel.name.length', value: "9" }];
  return kernelSide("alignlab", 'import … from "../src"', kernelSpec({ root: ROOT }), cells, jupyter, folder);
}

function pythonKernel(jupyter: string, packages: string, folder: string): FreshSide {
  const spec = { argv: [jupyter, "-m", "ipykernel_launcher", "-f", "{connection_file}"], display_name: "Python", language: "python", interrupt_mode: "signal" };
  const imports = ["import sys", `sys.path.append(${JSON.stringify(packages)})`, "import torch", "from transformers import AutoModelForCausalLM", "len(AutoModelForCausalLM.__name__)"];
  return kernelSide("ipykernel", "import torch, transformers", spec, [SUM, { code: imports.join("\n"), value: "20" }], jupyter, folder);
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
  peakBytes: number;
  versions: Record<string, string>;
}

/** A kernel that Jupyter's client starts, with what it is to answer. */
function kernelSide(name: string, setting: string, spec: object, cells: readonly Cell[], jupyter: string, folder: string): FreshSide {
  const place = path.join(folder, "jupyter", "kernels", name);
  mkdirSync(place, { recursive: true });
  writeFileSync(path.join(place, "kernel.json"), JSON.stringify(spec));
  const job = path.join(folder, `${name}.json`);
  writeFileSync(job, JSON.stringify({ kernel: name, cwd: path.join(ROOT, "notebooks"), cells: cells.map(({ code }) => code) }));
  const environment = { JUPYTER_PATH: path.join(folder, "jupyter"), IPYTHONDIR: path.join(folder, "ipython"), NODE_OPTIONS: "", HF_HOME: folder, HF_HUB_OFFLINE: "1", CUDA_VISIBLE_DEVICES: "" };
  return {
    name, setting,
    sample: async () => {
      const { said } = await runToEnd<KernelAnswer>(name, jupyter, [path.join(__dirname, "peers", "kernel_client.py"), job], environment);
      const wrong = cells.findIndex(({ value }, i) => said.cells[i]!.value !== value);
      if (wrong >= 0) throw new BenchFailure(1, `${name} answered ${JSON.stringify(cells[wrong]!.code)} with ${said.cells[wrong]!.value}; ${cells[wrong]!.value} is right.`);
      const [first, imported] = said.cells.map(({ at }) => at);
      const parts = [said.ready, first! - said.ready, imported! - first!];
      return { seconds: imported!, parts: Object.fromEntries(KERNEL_STAGES.map((stage, i) => [stage, parts[i]!])), peakBytes: said.peakBytes, versions: said.versions };
    },
  };
}
