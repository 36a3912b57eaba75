import { availableParallelism } from "node:os";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel, type ModelFiles } from "../src/hub/source";
import { SCORE_NAME, withFreshHead } from "../src/model/classifierHead";
import type { PreferenceRow } from "../src/data/preference";
import { tokenizeRewardRows, type ScoredRow } from "../src/tokens/rewardRows";
import { scoredLength } from "../src/tokens/scoredPairs";
import { Tokenizer } from "../src/tokens/tokenizer";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import type { RewardJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions, type PairOptions } from "./options";
import { report, type Cell } from "./report";
import { readRows, wholeBatches } from "./rows";
import { busyMessage, peerPython } from "./running";
import { inTurn, measureTrainers, PEER_WARM_UP, stepsOfEachCell, TIMED_STEPS } from "./trainers";

const BATCHES = [8];
const SEED = 0;

const usage = `npm run bench -- reward [options]
Training steps of a reward model on the packaged model's body: padding or packing, forward, backward, clipping, AdamW. Every side is a
process of its own with the same weights, score head, rows as chats, order, batches and threads.
After a warm-up (ours: one pass over all batches, which compiles their shapes; a peer's: ${PEER_WARM_UP} steps) the steps of each side are timed in turn,
at least ${TIMED_STEPS.cell}, and ${TIMED_STEPS.all} when one precision is asked for.
A round in which other processes take more than ${BUSY_ABOVE * 100} % of the machine is measured again; when more are than count, nothing is reported.

  --rows FILE             [{"prompt": …, "chosen": …, "rejected": …}, …]; default: the first 64 rows of data/human-like
  --batch N               pairs in a batch; default: ${BATCHES.join(", then ")}
  --precision P           float32 or bfloat16; default: both
  --peer PEER             trl (default: TRL's RewardTrainer) or none

The peer's own environment, .venv-peer, is made on first use (Python 3.11 to 3.13, 4.6 GB on disk).
The last line is JSON: ratio is our pairs per second by the peer's best, memory_ratio our peak memory by the peer's at that setting.`;

export const reward: Bench = {
  summary: "reward model training: pairs per second and peak memory beside TRL's RewardTrainer",
  usage,
  run: async (args) => runReward(parsePairOptions("reward", args, BATCHES, ["trl", "none"])),
};

async function runReward(options: PairOptions): Promise<void> {
  const rows = await readRows(options.rows);
  const timed = stepsOfEachCell(options);
  const plans = options.batches.map((batch) => ({ batch, texts: wholeBatches(rows, batch, timed) }));
  const before = await othersNow();
  if (before > BUSY_ABOVE) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const score = await freshHead(files);
  const cells: Cell[] = [];
  for (const { batch, texts } of plans) {
    const tokenized = texts.map((part) => tokenizeRewardRows(part.map(asChat), tokenizer));
    const batches = tokenized.map((part) => part.map(({ chosen_ids: chosen, rejected_ids: rejected }) => ({ chosen, rejected })));
    for (const precision of options.precisions) {
      const job = (setting: string): RewardJob => ({ setting, threads: availableParallelism(), learningRate: 1e-6, seed: SEED, model: peer?.model ?? "", score, batches });
      const runs = await measureTrainers({ bench: "reward", peer: options.peer, python: peer?.python ?? null, precision, batch, batches: texts.length, timed, job });
      cells.push({ batch, precision, timed, tokens: inTurn(tokenized.map(tokensOf)), runs });
    }
  }
  report({ bench: "reward", peer: options.peer, rows: rows.length, cells });
}

/** A pair as a reward model of chats is trained on it. */
function asChat({ prompt, chosen, rejected }: PreferenceRow) {
  const answer = (content: string) => [{ role: "assistant", content }];
  return { prompt: [{ role: "user", content: prompt }], chosen: answer(chosen), rejected: answer(rejected) };
}

/** The weights that a fresh head begins with. */
async function freshHead({ config, tensors }: ModelFiles): Promise<number[]> {
  return Array.from(await withFreshHead(config, (name) => tensors.read(name), SEED)(SCORE_NAME, [1, config.hidden_size]));
}

/** Tokens of prompts and answers, what the answers of a pair share counted once. */
const tokensOf = (rows: readonly ScoredRow[]): number => rows.reduce((sum, row) => sum + scoredLength(row), 0);
