import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { RandomSource } from "../src/engine/random";
import { cacheDir, PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { parseLlamaConfig } from "../src/model/config";
import { alternate, DisturbedError, watchOthers, type Alternation, type Watch } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import { BenchFailure } from "./failure";
import { median, type Measured } from "./figures";
import type { Bench } from "./main";
import type { BenchPrecision } from "./options";
import { busyMessage, ourSide, WITHIN_OPS, peerPython, peerSide, progress } from "./running";
import type { Side } from "./side";
import { MATMUL_SIZE, trainingFlops } from "./stepFlops";
import type { MatmulJob, StepCheck, StepJob } from "./stepJob";
import { parseStepOptions, shapeName, type Shape, type StepOptions } from "./stepOptions";
import { reportStep, type StepCell, type StepRun } from "./stepReport";

/** Timed steps of each side: so many in all, and at least so many in each cell. */
const TIMED_STEPS = { all: 20, cell: 6 };

/** Untimed steps of each side, after the one that each computes to be compared and that compiles. */
const WARM_UP = 2;

/** Products in one step of the square products: the time of asking for a step vanishes beside them. */
const PRODUCTS = 16;

const COMPILED = "bfloat16 autocast, compiled";

/** How a peer computes a precision; each is measured beside ours. */
const PEER_SETTINGS: Record<BenchPrecision, string[]> = {
  float32: ["float32"],
  bfloat16: ["bfloat16 autocast", COMPILED],
};

const usage = `npm run bench -- step [options]
Forward and backward of the packaged model: mean cross-entropy of every next token of random token ids, and the gradients of all
parameters, which stay until the next step; no optimiser. Each side is a process of its own with the same weights and ids. Beside
them both engines compute products of two ${MATMUL_SIZE}² matrices in the same precision, all in turn: the share is what our step reaches of
the faster engine's products, where a step counts 2 for each multiply-add of its matrix products, times 3 for forward and backward.
Before they are timed, loss and norm of the gradients are compared: where they differ the bench fails.

  --shape BxT             sequences × tokens; default: 4x128, then 8x256
  --precision P           float32 or bfloat16; default: both
  --peer PEER             torch (default: PyTorch eager, in bfloat16 autocast also under torch.compile) or none
  --steps N               timed steps of each side; default: ${TIMED_STEPS.cell}, or ${TIMED_STEPS.all} when one shape and precision is asked for
  --anyway                measure on a busy machine too, and say so

torch.compile needs a C++ compiler (g++, or what CXX names); without one that setting is reported as not available.
The last line is JSON: ratios (the peer's median seconds by ours), memory_ratios (our peak by the peer's), flops_shares.`;

export const step: Bench = {
  summary: "forward and backward of the packaged model: seconds, FLOP/s and peak memory beside PyTorch",
  parts: () => [
    { args: ["--shape", "4x128", "--precision", "bfloat16", "--steps", "12"], minutes: 3 },
    { args: ["--shape", "4x128", "--precision", "float32", "--steps", "8"], minutes: 2 },
    { args: ["--shape", "8x256", "--precision", "bfloat16", "--steps", "8"], minutes: 5 },
    { args: ["--shape", "8x256", "--precision", "float32", "--steps", "6"], minutes: 4 },
  ],
  usage,
  run: async (args) => runStep(parseStepOptions(args)),
};

interface Peer {
  python: string;
  model: string;
}

async function runStep(options: StepOptions): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !options.anyway) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const config = parseLlamaConfig(files.config);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const timed = options.steps ?? Math.max(TIMED_STEPS.cell, Math.ceil(TIMED_STEPS.all / (options.shapes.length * options.precisions.length)));
  const cells: StepCell[] = [];
  for (const shape of options.shapes) {
    for (const precision of options.precisions) {
      const measured = await measure({ shape, precision, timed, vocabSize: config.vocabSize, anyway: options.anyway }, peer);
      cells.push({ shape, precision, flops: trainingFlops(config, shape), products: PRODUCTS, ...measured });
    }
  }
  reportStep({ peer: options.peer, cells });
}

interface CellPlan {
  shape: Shape;
  precision: BenchPrecision;
  timed: number;
  vocabSize: number;
  anyway: boolean;
}

/** Ours beside each of the peer's settings, with the square products of both engines in the same rounds. */
async function measure(plan: CellPlan, peer: Peer | null): Promise<Pick<StepCell, "runs" | "unavailable">> {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const runs: StepRun[] = [];
  const unavailable: StepCell["unavailable"] = [];
  try {
    for (const setting of peer ? PEER_SETTINGS[plan.precision] : [null]) {
      const reason = setting === COMPILED ? missingCompiler() : undefined;
      const run = reason === undefined ? await measureRun(plan, peer, setting, folder) : reason;
      if (typeof run === "string") unavailable.push({ setting: setting!, reason: run });
      else runs.push(run);
      if (typeof run !== "string") console.error(describeRun(plan, run));
    }
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { runs, unavailable };
}

/** @returns a run, or why torch.compile does not work here */
async function measureRun({ shape, precision, timed, vocabSize, anyway }: CellPlan, peer: Peer | null, setting: string | null, folder: string): Promise<StepRun | string> {
  const write = (name: string, job: StepJob | MatmulJob): string => {
    const file = path.join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(job));
    return file;
  };
  const threads = availableParallelism();
  const stepJob = (which: string): StepJob => ({ setting: which, threads, model: peer?.model ?? "", ids: randomIds(shape, vocabSize) });
  const products = write("products", { setting: precision, threads, size: MATMUL_SIZE, products: PRODUCTS });
  const sides: Side[] = [ourSide("step", precision, write("ours", stepJob(precision)))];
  if (peer && setting) sides.push(peerSide("torch", "step_torch", setting, peer.python, write("peer", stepJob(setting)), folder, { TORCHINDUCTOR_CACHE_DIR: path.join(cacheDir(), "peer", "inductor") }));
  const matmuls = [ourSide("matmul", `${MATMUL_SIZE}³ ${precision}`, products, "alignlab", WITHIN_OPS), ...(peer ? [peerSide("torch", "matmul_torch", `${MATMUL_SIZE}³ ${precision}`, peer.python, products, folder)] : [])];
  const all = [...sides, ...matmuls];
  const label = [shapeName(shape), precision, setting && setting !== precision ? `beside ${setting}` : ""].filter(Boolean).join(", ");
  const noticed: number[] = [];
  try {
    const result = await alternate(all, all.map(() => WARM_UP), timed, progress(label), anyway ? noticing(noticed) : undefined);
    return asRun(result, sides.length, anyway ? Math.max(...noticed) : result.others);
  } catch (error) {
    if (setting === COMPILED && error instanceof BenchFailure && error.message.startsWith(`torch (${COMPILED}) ended early`)) return error.message.trim().split("\n").at(-1)!;
    throw error;
  }
}

function asRun({ measured, ready, disturbed }: Alternation, steppers: number, others: number): StepRun {
  const [ours, peer] = measured.slice(0, steppers);
  const check = (side: number): StepCheck => ready[side]!.check as unknown as StepCheck;
  return {
    ours: ours!, peer: peer ?? null, matmuls: measured.slice(steppers), others, disturbed,
    checks: { ours: check(0), peer: peer ? check(1) : null }, versions: Object.assign({}, ...ready.map(({ versions }) => versions)),
  };
}

/** What a run gave, said at once: the table comes when all are measured. */
function describeRun({ shape, precision }: CellPlan, { ours, peer }: StepRun): string {
  const seconds = ({ steps }: Measured): string => `${median(steps.map((each) => each.seconds)).toFixed(2)} s`;
  return `${shapeName(shape)}, ${precision}: ours ${seconds(ours)}${peer ? `, ${peer.side} ${peer.setting} ${seconds(peer)}` : ""}`;
}

/** Watches others as usual, but lets every round count. */
export const noticing = (shares: number[]): Watch => (sides) => {
  const since = watchOthers(sides);
  return () => {
    shares.push(since());
    return 0;
  };
};

export function randomIds({ batch, length }: Shape, vocabSize: number): number[][] {
  const random = new RandomSource(20_480);
  return Array.from({ length: batch }, () => Array.from({ length }, () => random.integer(vocabSize)));
}

/** Why torch.compile cannot work here, or undefined: its CPU code is C++ that a compiler makes into a library. */
export function missingCompiler(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const compiler = environment.CXX || "g++";
  const folders = (environment.PATH ?? "").split(path.delimiter).filter(Boolean);
  const found = compiler.includes(path.sep) ? existsSync(compiler) : folders.some((folder) => existsSync(path.join(folder, compiler)));
  return found ? undefined : `torch.compile needs a C++ compiler, and ${compiler} was not found.`;
}
