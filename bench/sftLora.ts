import { availableParallelism } from "node:os";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { openModel } from "../src/hub/source";
import { tokenizeSFTRows, type SFTRow } from "../src/tokens/sft";
import { Tokenizer } from "../src/tokens/tokenizer";
import type { PreferenceRow } from "../src/data/preference";
import { BUSY_ABOVE, othersNow } from "./busy";
import { peerCheckpoint } from "./checkpoint";
import type { SftLoraJob } from "./job";
import type { Bench } from "./main";
import { parsePairOptions, type PairOptions } from "./options";
import { report, type Cell } from "./report";
import { readRows, wholeBatches } from "./rows";
import { busyMessage, peerPython } from "./running";
import { inTurn, measureTrainers, PEER_WARM_UP, stepsOfEachCell, TIMED_STEPS } from "./trainers";

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
  run: async (args) => runSftLora(parsePairOptions("sft-lora", args, BATCHES, ["trl", "none"])),
};

async function runSftLora(options: PairOptions): Promise<void> {
  const rows = await readRows(options.rows);
  const timed = stepsOfEachCell(options);
  const plans = options.batches.map((batch) => ({ batch, texts: wholeBatches(rows.map(asChat), batch, timed) }));
  const before = await othersNow();
  if (before > BUSY_ABOVE) throw busyMessage(before);
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  const peer = options.peer === "none" ? null : { python: await peerPython(), model: await peerCheckpoint(files) };
  const cells: Cell[] = [];
  for (const { batch, texts } of plans) {
    const batches = texts.map((part) => tokenizeSFTRows(part, tokenizer, { maxLength: null }).map(({ input_ids }) => input_ids));
    const tokens = batches.map((part) => part.reduce((sum, ids) => sum + ids.length, 0));
    for (const precision of options.precisions) {
      const job = (setting: string): SftLoraJob => ({ setting, threads: availableParallelism(), learningRate: 1e-6, lora: LORA, texts, model: peer?.model ?? "", batches });
      const runs = await measureTrainers({ bench: "sftLora", peer: options.peer, python: peer?.python ?? null, precision, batch, batches: texts.length, timed, job });
      cells.push({ batch, precision, timed, tokens: inTurn(tokens), runs });
    }
  }
  report({ bench: "sft-lora", peer: options.peer, rows: rows.length, unit: "rows", cells });
}

function asChat({ prompt, chosen }: PreferenceRow): SFTRow {
  return { messages: [{ role: "user", content: prompt }, { role: "assistant", content: chosen }] };
}
