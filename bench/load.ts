import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { cacheDir, PACKAGED_MODEL, packagedWeightsPath } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";
import { DisturbedError } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import { freshRounds, runToEnd, type FreshSide, type Sample } from "./fresh";
import { stagesOf, type LoadAnswer, type LoadJob } from "./loadJob";
import { reportLoad, type LoadCell } from "./loadReport";
import type { Bench } from "./main";
import { oneOf, parseOptionsOf, PRECISIONS, wholeNumber, type BenchPrecision } from "./options";
import { forgetFiles } from "./pageCache";
import { busyMessage, ourProcess, peerPython, peerProcess, progress } from "./running";

const ROUNDS = 5;
const PEERS = ["transformers", "none"] as const;
const STARTS = ["cached", "first"] as const;
type Start = (typeof STARTS)[number];

const TEXT = "The capital of France is Paris, and the capital of Italy is";

const usage = `npm run bench -- load [options]
From the start of a process to a ready model: runtime, libraries, weights, and the logits of one text. Ours is Node with the packaged
4-bit file, which is checked and dequantised; the peer is transformers' AutoModelForCausalLM with the same weights as safetensors in
the precision asked for. Each start is a fresh process, the sides in turn. Every side's likeliest next token is compared.

cached  a later start: one round that does not count comes before
first   the weights' file is not in memory (other processes that map it may keep it there), and of ours no earlier start has left
        the file's sum or compiled TypeScript; libraries are as the machine has them

  --precision P   float32 or bfloat16; default: both
  --start S       cached or first; default: both
  --peer PEER     transformers (default) or none
  --rounds N      starts of each side that count; default: ${ROUNDS}
  --anyway        measure on a busy machine too, and say so

The spread (±) is half the distance between the quartiles, as a part of the median. The last line is JSON: for each cell ratio (the
peer's median by ours), memory_ratio (our peak memory by the peer's), and each side's median seconds by stage.`;

export const load: Bench = {
  summary: "time from a process's start to a ready model and its first logits, beside transformers",
  parts: () => PRECISIONS.map((precision) => ({ args: ["--precision", precision], minutes: 2 })),
  usage,
  run: async (args) => runLoad(parseLoadOptions(args)),
};

export interface LoadOptions {
  precisions: BenchPrecision[];
  starts: Start[];
  peer: (typeof PEERS)[number];
  rounds: number;
  anyway: boolean;
}

/** @throws BenchFailure naming the option and what it may be */
export function parseLoadOptions(args: string[]): LoadOptions {
  const { precision, start, peer, rounds, anyway } = parseOptionsOf("load", args, { precision: { type: "string" }, start: { type: "string" }, peer: { type: "string" }, rounds: { type: "string" }, anyway: { type: "boolean" } });
  return {
    precisions: precision === undefined ? [...PRECISIONS] : [oneOf("--precision", precision, PRECISIONS)],
    starts: start === undefined ? [...STARTS] : [oneOf("--start", start, STARTS)],
    peer: peer === undefined ? "transformers" : oneOf("--peer", peer, PEERS),
    rounds: wholeNumber("--rounds", rounds, ROUNDS, [1, 100]), anyway: anyway ?? false,
  };
}

async function runLoad({ precisions, starts, peer, rounds, anyway }: LoadOptions): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !anyway) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const ids = new Tokenizer(files.tokenizer).encode(TEXT);
  const python = peer === "none" ? null : await peerPython();
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const cells: LoadCell[] = [];
  try {
    for (const precision of precisions) {
      const model = python === null ? "" : await peerCheckpoint(files, precision);
      const job = path.join(folder, `${precision}.json`);
      writeFileSync(job, JSON.stringify({ setting: precision, threads: availableParallelism(), model, ids } satisfies LoadJob));
      for (const start of starts) {
        const sides = [ourStart(precision, start, job, folder), ...(python === null ? [] : [peerStart(precision, start, job, python, model, folder)])];
        const run = await freshRounds(sides, { warmUp: start === "cached" ? 1 : 0, timed: rounds, anyway }, progress(`${precision}, ${start}`));
        cells.push({ precision, start, sides: sides.map(({ name, setting }, s) => ({ name, setting, samples: run.samples[s]! })), others: run.others, disturbed: run.disturbed });
      }
    }
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  reportLoad({ cells });
}

function ourStart(setting: string, start: Start, job: string, folder: string): FreshSide {
  const { command, args } = ourProcess("load", job);
  let empty: NodeJS.ProcessEnv = {};
  return {
    name: "alignlab", setting,
    prepare: start === "first" ? () => {
      empty = emptyCaches(folder);
      forgetFiles([packagedWeightsPath()]);
    } : undefined,
    sample: () => sampleOf(`alignlab (${setting})`, command, args, empty),
  };
}

/** A cache that holds the packaged weights and nothing that a start leaves, and a folder in which tsx finds no compiled file. */
function emptyCaches(folder: string): NodeJS.ProcessEnv {
  const cache = mkdtempSync(path.join(folder, "cache-"));
  symlinkSync(path.join(cacheDir(), "models"), path.join(cache, "models"));
  const temporary = path.join(cache, "tmp");
  mkdirSync(temporary);
  return { ALIGNLAB_CACHE: cache, TMPDIR: temporary };
}

function peerStart(setting: string, start: Start, job: string, python: string, model: string, folder: string): FreshSide {
  const { command, args, environment } = peerProcess("load_transformers", python, job, folder);
  return {
    name: "transformers", setting,
    prepare: start === "first" ? () => forgetFiles([path.join(model, "model.safetensors")]) : undefined,
    sample: () => sampleOf(`transformers (${setting})`, command, args, environment),
  };
}

async function sampleOf(what: string, command: string, args: string[], environment: NodeJS.ProcessEnv): Promise<Sample> {
  const { said, startedAt } = await runToEnd<LoadAnswer>(what, command, args, environment);
  const { marks, peakBytes, versions, check } = said;
  return { seconds: marks.forward - startedAt, parts: stagesOf(marks, startedAt), further: { "second forward": marks.again - marks.forward }, peakBytes, versions, check };
}
