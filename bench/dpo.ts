import type { PreferenceRow } from "../src/data/preference";
import { packedLength } from "../src/tokens/packing";
import { tokenizeRows, type TokenizedRow } from "../src/tokens/preference";
import { BUSY_ABOVE } from "./busy";
import type { DpoJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions } from "./options";
import { PEER_WARM_UP, runTrainerBench, TIMED_STEPS, type TrainerBench } from "./trainers";

const usage = `npm run bench -- dpo [options]
DPO training steps of the packaged model: padding or packing, forward, backward, clipping, AdamW. Every side is a process of
its own with the same weights, rows, order, batches and threads; reference log-probabilities are computed beforehand.
After a warm-up (ours: one pass over all batches, which compiles their shapes; a peer's: ${PEER_WARM_UP} steps) ${TIMED_STEPS.cell} steps of each side are timed in turn,
${TIMED_STEPS.all} when one batch size and precision is asked for.
A round in which other processes take more than ${BUSY_ABOVE * 100} % of the machine is measured again; when more are than count, nothing is reported.

  --rows FILE             [{"prompt": …, "chosen": …, "rejected": …}, …]; default: the first 64 rows of data/human-like
  --batch N               pairs in a batch; default: 4, then 8
  --precision P           float32 or bfloat16; default: both
  --peer PEER             trl (default: TRL's DPOTrainer), torch (a plain PyTorch loop) or none

The peer's own environment, .venv-peer, is made on first use (Python 3.11 to 3.13, 4.6 GB on disk).
The last line is JSON: ratio is our pairs per second by the peer's best, memory_ratio our peak memory by the peer's at that setting.`;

export const dpo: Bench = {
  summary: "preference training: pairs per second and peak memory beside TRL's DPOTrainer or a plain PyTorch loop",
  parts: () => [{ args: ["--batch", "8", "--precision", "float32"], minutes: 8 }, { args: ["--batch", "8", "--precision", "bfloat16"], minutes: 10 }],
  usage,
  run: async (args) => runTrainerBench(measured, parsePairOptions("dpo", args)),
};

const measured: TrainerBench<PreferenceRow, TokenizedRow[], DpoJob> = {
  bench: "dpo",
  asRow: (row) => row,
  tokenize: (rows, tokenizer) => tokenizeRows(rows, tokenizer, { maxPromptLength: null }),
  tokens: (rows) => rows.reduce((sum, row) => sum + packedLength(row), 0),
  job: (texts, batches) => ({
    beta: 0.1, texts,
    batches: batches.map((rows) => rows.map((row) => ({ prompt: row.prompt_input_ids, chosen: row.chosen_input_ids, rejected: row.rejected_input_ids }))),
  }),
};
