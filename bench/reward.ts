import type { ModelFiles } from "../src/hub/source";
import { SCORE_NAME, withFreshHead } from "../src/model/classifierHead";
import { tokenizeRewardRows, type RewardRow, type ScoredRow } from "../src/tokens/rewardRows";
import { scoredLength } from "../src/tokens/scoredPairs";
import { BUSY_ABOVE } from "./busy";
import type { RewardJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions } from "./options";
import { PEER_WARM_UP, runTrainerBench, TIMED_STEPS, type TrainerBench } from "./trainers";

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
  run: async (args) => runTrainerBench(measured, parsePairOptions("reward", args, BATCHES, ["trl", "none"])),
};

const answer = (content: string) => [{ role: "assistant", content }];

const measured: TrainerBench<RewardRow, ScoredRow[], RewardJob> = {
  bench: "reward",
  // A pair as a reward model of chats is trained on it.
  asRow: ({ prompt, chosen, rejected }) => ({ prompt: [{ role: "user", content: prompt }], chosen: answer(chosen), rejected: answer(rejected) }),
  tokenize: tokenizeRewardRows,
  // Those of prompts and answers, what the answers of a pair share counted once.
  tokens: (rows) => rows.reduce((sum, row) => sum + scoredLength(row), 0),
  job: async (_, batches, files) => ({
    seed: SEED, score: await freshHead(files),
    batches: batches.map((rows) => rows.map(({ chosen_ids: chosen, rejected_ids: rejected }) => ({ chosen, rejected }))),
  }),
};

/** The weights that a fresh head begins with. */
async function freshHead({ config, tensors }: ModelFiles): Promise<number[]> {
  return Array.from(await withFreshHead(config, (name) => tensors.read(name), SEED)(SCORE_NAME, [1, config.hidden_size]));
}
