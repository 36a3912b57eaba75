import { tokenizeSFTRows, type SFTRow } from "../src/tokens/sft";
import { BUSY_ABOVE } from "./busy";
import type { SftLoraJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions } from "./options";
import { PEER_WARM_UP, runTrainerBench, TIMED_STEPS, type TrainerBench } from "./trainers";

const BATCHES = [8];

/** Of both sides. */
const LORA = { r: 16, loraAlpha: 16, loraDropout: 0 };

const usage = `npm run bench -- sft-lora [options]
Supervised fine-tuning of a LoRA adapter (rank ${LORA.r}, all seven projections) on the packaged model: chats of a prompt and its chosen answer, the
loss on every token; padding or packing, forward, backward, clipping, AdamW. Every side is a process of its own with the same weights, rows,
order, batches and threads.
After a warm-up (ours: one pass over all batches, which compiles their shapes; a peer's: ${PEER_WARM_UP} steps) the steps of each side are timed in turn,
at least ${TIMED_STEPS.cell}, and ${TIMED_STEPS.all} when one precision is asked for.
A round in which other processes take more than ${BUSY_ABOVE * 100} % of the machine is measured again; when more are than count, nothing is reported.

  --rows FILE             [{"prompt": …, "chosen": …, "rejected": …}, …]; default: the first 64 rows of data/human-like
  --batch N               rows in a batch; default: ${BATCHES.join(", then ")}
  --precision P           float32 or bfloat16; default: both
  --peer PEER             trl (default: TRL's SFTTrainer with PEFT) or none

The peer's own environment, .venv-peer, is made on first use (Python 3.11 to 3.13, 4.6 GB on disk).
The last line is JSON: ratio is our rows per second by the peer's best, memory_ratio our peak memory by the peer's at that setting.`;

export const sftLora: Bench = {
  summary: "fine-tuning a LoRA adapter: rows per second and peak memory beside TRL's SFTTrainer with PEFT",
  usage,
  run: async (args) => runTrainerBench(measured, parsePairOptions("sft-lora", args, BATCHES, ["trl", "none"])),
};

const measured: TrainerBench<SFTRow, number[][], SftLoraJob> = {
  bench: "sft-lora",
  scripts: "sftLora",
  unit: "rows",
  asRow: ({ prompt, chosen }) => ({ messages: [{ role: "user", content: prompt }, { role: "assistant", content: chosen }] }),
  tokenize: (rows, tokenizer) => tokenizeSFTRows(rows, tokenizer, { maxLength: null }).map(({ input_ids }) => input_ids),
  tokens: (batch) => batch.reduce((sum, ids) => sum + ids.length, 0),
  job: (texts, batches) => ({ lora: LORA, texts, batches: [...batches] }),
};
