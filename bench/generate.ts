import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { DECODE_WEIGHTS, type DecodeWeights } from "../src/generate/weights";
import { loadPreferenceRows } from "../src/data/preference";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";
import { alternate, DisturbedError, type Alternation } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import { misuse } from "./failure";
import type { GenerateJob } from "./generateJob";
import { reportGeneration } from "./generateReport";
import type { Bench } from "./main";
import { busyMessage, ourSide, WITHIN_OPS, peerPython, peerSide } from "./running";

const BATCHES = [1, 8, 16, 32];
const NEW_TOKENS = 64;
/** Prompts are cut to this many tokens, so that no side pads. */
export const PROMPT_TOKENS = 48;
/** Timed calls of each side. */
const TIMED = 5;
/** Our first calls compile; the peer's fill its caches. */
const WARM_UP = { ours: 2, peer: 1, bandwidth: 1 };
export const PEER_SETTINGS = ["bfloat16", "float32"];

const usage = `npm run bench -- generate [options]
Greedy generation of ${NEW_TOKENS} tokens (exactly) by the packaged model after prompts of ${PROMPT_TOKENS} tokens, beside transformers' generate with bfloat16
and float32 weights. Every side is a process of its own with the same weights, prompts and threads; calls are timed in turn
after a warm-up. One more process streams over memory between them: what decoding reads, by the machine's bandwidth.

  --batch N       sequences at once; default: 1, 8, 16 and 32 in turn
  --weights W     how ours holds decode weights: ${DECODE_WEIGHTS.join(", ")}; default: all three
  --peer PEER     transformers (default) or none
  --steps N       timed calls of each side; default: ${TIMED}
  --anyway        measure although the machine is busy; the report says so

The last line is JSON: for each batch, tokens per second of each side, peak memory, and the share of the bandwidth.`;

export const generate: Bench = {
  summary: "generation: tokens per second, memory and share of the memory bandwidth beside transformers",
  parts: () => BATCHES.map((batch) => ({ args: ["--batch", String(batch)], minutes: batch < 16 ? 2 : batch < 32 ? 3 : 5 })),
  usage,
  run: async (args) => runGenerate(parseOptions(args)),
};

interface Options {
  batches: number[];
  weights: DecodeWeights[];
  peer: boolean;
  steps: number;
  anyway: boolean;
}

/** @throws BenchFailure naming the option and what it may be */
export function parseOptions(args: string[]): Options {
  let values: { batch?: string; weights?: string; peer?: string; steps?: string; anyway?: boolean };
  try {
    values = parseArgs({ args, options: { batch: { type: "string" }, weights: { type: "string" }, peer: { type: "string" }, steps: { type: "string" }, anyway: { type: "boolean" } } }).values;
  } catch (error) {
    throw misuse(`${(error as Error).message} See npm run bench -- generate --help.`);
  }
  const { batch, weights, peer = "transformers", steps, anyway = false } = values;
  for (const [option, value] of [["--batch", batch], ["--steps", steps]] as const) {
    if (value !== undefined && (!/^\d+$/.test(value) || Number(value) < 1 || Number(value) > 256)) throw misuse(`${option} ${value}: a whole number from 1 to 256 is needed.`);
  }
  if (weights !== undefined && !(DECODE_WEIGHTS as readonly string[]).includes(weights)) throw misuse(`--weights ${weights}: ${DECODE_WEIGHTS.join(", ")} are known.`);
  if (peer !== "transformers" && peer !== "none") throw misuse(`--peer ${peer}: transformers or none is needed.`);
  return {
    batches: batch === undefined ? BATCHES : [Number(batch)], weights: weights === undefined ? [...DECODE_WEIGHTS] : [weights as DecodeWeights],
    peer: peer === "transformers", steps: steps === undefined ? TIMED : Number(steps), anyway,
  };
}

async function runGenerate({ batches, weights, peer, steps, anyway }: Options): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !anyway) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const model = peer ? await peerCheckpoint(files) : "";
  const python = peer ? await peerPython() : "";
  const prompts = await promptsOf(new Tokenizer(files.tokenizer), Math.max(...batches));
  const cells: { batch: number; run: Alternation }[] = [];
  for (const batch of batches) {
    const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
    const jobFile = (setting: string): string => {
      const job: GenerateJob = { setting, threads: availableParallelism(), model, prompts: prompts.slice(0, batch), newTokens: NEW_TOKENS };
      const file = path.join(folder, `${setting}.json`);
      writeFileSync(file, JSON.stringify(job));
      return file;
    };
    try {
      const sides = [
        ourSide("bandwidth", "sum", "", "memory", WITHIN_OPS), ...weights.map((kind) => ourSide("generate", kind, jobFile(kind))),
        ...(peer ? PEER_SETTINGS.map((kind) => peerSide("transformers", "generate_transformers", kind, python, jobFile(kind), folder)) : []),
      ];
      const warmUp = sides.map(({ name }) => (name === "memory" ? WARM_UP.bandwidth : name === "alignlab" ? WARM_UP.ours : WARM_UP.peer));
      cells.push({ batch, run: await alternate(sides, warmUp, steps, (text) => console.error(`batch ${batch}: ${text}`), anyway ? () => () => 0 : undefined) });
    } catch (error) {
      throw error instanceof DisturbedError ? busyMessage(error.others) : error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  reportGeneration({ cells, newTokens: NEW_TOKENS, promptTokens: PROMPT_TOKENS, anyway, othersBefore: before });
}

/** Chats of the packaged rows, cut to one length: the same for every side. */
export async function promptsOf(tokenizer: Tokenizer, count: number): Promise<number[][]> {
  const rows = await loadPreferenceRows("human-like", { limit: 4 * count });
  const long = rows.map(({ prompt }) => tokenizer.encode(tokenizer.applyChatTemplate([{ role: "user", content: prompt }], { addGenerationPrompt: true })).slice(0, PROMPT_TOKENS));
  const whole = long.filter((ids) => ids.length === PROMPT_TOKENS);
  return Array.from({ length: count }, (_, i) => whole[i % whole.length]!);
}
