import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { parseLlamaConfig } from "../src/model/config";
import { alternate, DisturbedError } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import { runToEnd } from "./fresh";
import type { PlanAnswer, PlanJob } from "./growthJob";
import { AXES, pointName, pointsOf, stepsOf, type Axis, type Point } from "./growthPoints";
import { reportGrowth, type GrowthCell, type GrowthSide, type Skipped } from "./growthReport";
import type { Bench } from "./main";
import { oneOf, parseOptionsOf, wholeNumber } from "./options";
import { busyMessage, ourProcess, ourSide, peerPython, peerSide, progress } from "./running";
import type { Side } from "./side";
import { noticing, randomIds } from "./step";
import type { StepCheck, StepJob } from "./stepJob";

/** By so many times our predicted peak in bfloat16 PyTorch's may be higher: what is measured is up to 2. */
const PEER_MARGIN = 2;

const OURS = ["bfloat16", "float32"] as const;
const PEER_SETTING = "bfloat16 autocast";

const usage = `npm run bench -- growth [options]
How the cost of forward and backward grows with the work: seconds of a step and peak memory, ours in bfloat16 and float32 and PyTorch's
under autocast, over tokens of one sequence (64 to 2,048), sequences of 128 tokens (1 to 32) and layers of the packaged model at 4 × 128
tokens (6 to 30). Each point of each side is a fresh process, one at a time, so that each has the machine's memory to itself. Before
they are timed, loss and norm of the gradients of each side are compared. A point whose predicted peak does not fit into memory is left
out, and named. On an idle machine with two cores it takes about 12 minutes.

  --axis A             tokens, batch or layers; default: all three
  --most-tokens N      leave out points of more tokens at once; default: 4096
  --peer PEER          torch (default) or none
  --steps N            timed steps of each point; default: 5, or 3 above 512 tokens
  --out FOLDER         where growth.svg, growth.csv and growth.json are written; default: runs/bench
  --anyway             measure on a busy machine too, and say so

The spread (±) is half the distance between the quartiles, as a part of the median. The last line is JSON, the same as growth.json.`;

export const growth: Bench = {
  summary: "a chart of seconds and memory against tokens, batch and layers, beside PyTorch",
  parts: (out) => [{ args: ["--out", out], minutes: 12 }],
  usage,
  run: async (args) => runGrowth(parseGrowthOptions(args)),
};

export interface GrowthOptions {
  axes: Axis[];
  mostTokens: number;
  peer: "torch" | "none";
  steps: number | undefined;
  out: string;
  anyway: boolean;
}

/** @throws BenchFailure naming the option and what it may be */
export function parseGrowthOptions(args: string[]): GrowthOptions {
  const text = { type: "string" } as const;
  const values = parseOptionsOf("growth", args, { axis: text, "most-tokens": text, peer: text, steps: text, out: text, anyway: { type: "boolean" } });
  return {
    axes: values.axis === undefined ? [...AXES] : [oneOf("--axis", values.axis, AXES)],
    mostTokens: wholeNumber("--most-tokens", values["most-tokens"], 4096, [128, 4096]),
    peer: values.peer === undefined ? "torch" : oneOf("--peer", values.peer, ["torch", "none"] as const),
    steps: values.steps === undefined ? undefined : wholeNumber("--steps", values.steps, 0, [1, 1000]),
    out: values.out ?? path.join("runs", "bench"), anyway: values.anyway ?? false,
  };
}

async function runGrowth(options: GrowthOptions): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !options.anyway) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const { vocabSize } = parseLlamaConfig(files.config);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const points = pointsOf(options.axes, options.mostTokens);
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  try {
    const plan = await predict(points, folder);
    const cells: GrowthCell[] = [];
    for (const [p, point] of points.entries()) {
      const job = (setting: string): string => {
        const file = path.join(folder, "step.json");
        const step: StepJob = { setting, threads: availableParallelism(), model: peer?.model ?? "", ids: randomIds(point, vocabSize), layers: point.layers };
        writeFileSync(file, JSON.stringify(step));
        return file;
      };
      const sides = [
        ...OURS.map((setting, s) => ({ name: "alignlab", setting, predicted: plan.peaks[p]![s]!, open: () => ourSide("step", setting, job(setting)) })),
        ...(peer ? [{ name: "torch", setting: PEER_SETTING, predicted: PEER_MARGIN * plan.peaks[p]![0]!, open: () => peerSide("torch", "step_torch", PEER_SETTING, peer.python, job(PEER_SETTING), folder) }] : []),
      ];
      cells.push(await measurePoint(point, sides, plan.available, options, `point ${p + 1} of ${points.length}, ${pointName(point)}`));
    }
    reportGrowth({ axes: options.axes, mostTokens: options.mostTokens, cells }, options.out);
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Our peaks of all points, by the planner, in a process that holds the model. */
async function predict(points: Point[], folder: string): Promise<PlanAnswer> {
  const file = path.join(folder, "plan.json");
  writeFileSync(file, JSON.stringify({ points, settings: [...OURS] } satisfies PlanJob));
  const { command, args } = ourProcess("growthPlan", file);
  return (await runToEnd<PlanAnswer>("the memory planner", command, args)).said;
}

interface Candidate {
  name: string;
  setting: string;
  /** Its predicted peak in bytes. */
  predicted: number;
  open(): Side;
}

/** Each side of one point that fits into memory, one after the other. */
async function measurePoint(point: Point, candidates: readonly Candidate[], available: number | null, { steps, anyway }: GrowthOptions, label: string): Promise<GrowthCell> {
  const sides: GrowthSide[] = [];
  const skipped: Skipped[] = [];
  for (const { name, setting, predicted, open } of candidates) {
    if (available !== null && predicted > available) {
      skipped.push({ side: name, setting, predictedBytes: Math.round(predicted), availableBytes: Math.round(available) });
      continue;
    }
    const { warmUp, timed } = stepsOf(point);
    const shares: number[] = [];
    const { measured, ready, others, disturbed } = await alternate([open()], [warmUp], steps ?? timed, progress(label), anyway ? noticing(shares) : undefined);
    sides.push({
      measured: measured[0]!, check: ready[0]!.check as unknown as StepCheck, versions: ready[0]!.versions, others: anyway ? Math.max(...shares) : others, disturbed,
      ...(name === "alignlab" ? { predictedBytes: Math.round(predicted) } : {}),
    });
  }
  return { point, sides, skipped };
}
