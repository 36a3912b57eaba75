import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";
import { alternate, DisturbedError, type Alternation } from "./alternate";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import { misuse } from "./failure";
import { PEER_SETTINGS, PROMPT_TOKENS, promptsOf } from "./generate";
import type { GenerateJob } from "./generateJob";
import type { Bench } from "./main";
import { reportRollouts } from "./rolloutReport";
import { busyMessage, ourSide, peerPython, peerSide } from "./running";

const BATCH = 16;
const NEW_TOKENS = 50;
/** Timed rollouts of each side. */
const TIMED = 5;
/** Our first calls compile; the peer's fill its caches. */
const WARM_UP = { ours: 2, peer: 1 };
/** Weights while tokens are drawn, and products while they are scored. */
const SETTINGS = ["bfloat16", "float32"];

const usage = `npm run bench -- rollout [options]
Rollouts of the packaged model, as one iteration of PPO needs them: answers of ${NEW_TOKENS} tokens (exactly) drawn at temperature 0.7 after
prompts of ${PROMPT_TOKENS} tokens, then the log-probabilities of their tokens recomputed under the policy and under a reference of its own
memory. Beside it transformers' generate and PyTorch's forward passes, with bfloat16 and float32 weights. Every side is a process
of its own with the same weights, prompts and threads; rollouts are timed in turn after a warm-up.

  --batch N       answers at once; default: ${BATCH}
  --peer PEER     transformers (default) or none
  --steps N       timed rollouts of each side; default: ${TIMED}
  --anyway        measure although the machine is busy; the report says so

The last line is JSON: ratio is our drawn tokens per second by the peer's best, memory_ratio our peak memory by the peer's at that setting.`;

export const rollout: Bench = {
  summary: "rollouts: tokens drawn and scored per second beside transformers and PyTorch",
  parts: () => [{ args: [], minutes: 5 }],
  usage,
  run: async (args) => runRollout(parseRolloutOptions(args)),
};

interface RolloutOptions {
  batch: number;
  peer: boolean;
  steps: number;
  anyway: boolean;
}

/** @throws BenchFailure naming the option and what it may be */
export function parseRolloutOptions(args: string[]): RolloutOptions {
  let values: { batch?: string; peer?: string; steps?: string; anyway?: boolean };
  try {
    values = parseArgs({ args, options: { batch: { type: "string" }, peer: { type: "string" }, steps: { type: "string" }, anyway: { type: "boolean" } } }).values;
  } catch (error) {
    throw misuse(`${(error as Error).message} See npm run bench -- rollout --help.`);
  }
  const { batch = String(BATCH), peer = "transformers", steps = String(TIMED), anyway = false } = values;
  for (const [option, value] of [["--batch", batch], ["--steps", steps]] as const) {
    if (!/^\d+$/.test(value) || Number(value) < 1 || Number(value) > 256) throw misuse(`${option} ${value}: a whole number from 1 to 256 is needed.`);
  }
  if (peer !== "transformers" && peer !== "none") throw misuse(`--peer ${peer}: transformers or none is needed.`);
  return { batch: Number(batch), peer: peer === "transformers", steps: Number(steps), anyway };
}

async function runRollout({ batch, peer, steps, anyway }: RolloutOptions): Promise<void> {
  const before = await othersNow();
  if (before > BUSY_ABOVE && !anyway) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const model = peer ? await peerCheckpoint(files) : "";
  const python = peer ? await peerPython() : "";
  const prompts = await promptsOf(new Tokenizer(files.tokenizer), batch);
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-"));
  const jobFile = (setting: string): string => {
    const job: GenerateJob = { setting, threads: availableParallelism(), model, prompts, newTokens: NEW_TOKENS };
    const file = path.join(folder, `${setting}.json`);
    writeFileSync(file, JSON.stringify(job));
    return file;
  };
  let run: Alternation;
  try {
    const ours = SETTINGS.map((setting) => ourSide("rollout", setting, jobFile(setting)));
    const peers = peer ? PEER_SETTINGS.map((setting) => peerSide("transformers", "rollout_transformers", setting, python, jobFile(setting), folder)) : [];
    const warmUp = [...ours.map(() => WARM_UP.ours), ...peers.map(() => WARM_UP.peer)];
    run = await alternate([...ours, ...peers], warmUp, steps, (text) => console.error(`rollout: ${text}`), anyway ? () => () => 0 : undefined);
  } catch (error) {
    throw error instanceof DisturbedError ? busyMessage(error.others) : error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  reportRollouts({ run, batch, newTokens: NEW_TOKENS, promptTokens: PROMPT_TOKENS, busy: anyway && before > BUSY_ABOVE });
}
