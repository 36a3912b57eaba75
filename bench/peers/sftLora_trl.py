"""TRL's SFTTrainer with PEFT's LoRA as a peer of `npm run bench -- sft-lora`: sftLora_trl.py JOB.json"""

import tempfile

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import peft
import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

SETTINGS = {
    "float32": (torch.float32, False),
    "bfloat16 autocast": (torch.float32, True),
    "bfloat16 weights": (torch.bfloat16, False),
}
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class SteppedTrainer(trl.SFTTrainer):
    """Remembers the last loss."""

    last_loss = None

    def training_step(self, *args, **kwargs):
        self.last_loss = super().training_step(*args, **kwargs)
        return self.last_loss


class Gate(TrainerCallback):
    """Holds the loop at the end of each step: one step is then padding, forward, backward, clipping, update and schedule."""

    trainer = None

    def on_train_begin(self, args, state, control, **_):
        control.should_training_stop = not stepping.wait()

    def on_step_end(self, args, state, control, **_):
        stepping.done(self.trainer.last_loss)
        control.should_training_stop = not stepping.wait()


def rows_of(job):
    return Dataset.from_list([{"input_ids": ids, "labels": ids} for batch in job["batches"] for ids in batch])


def arguments_of(job, folder, autocast):
    return trl.SFTConfig(
        output_dir=folder, use_cpu=True, bf16=autocast, seed=0,
        per_device_train_batch_size=len(job["batches"][0]), train_sampling_strategy="sequential", dataloader_num_workers=0, max_steps=1_000_000,
        gradient_checkpointing=False, max_length=None,
        optim="adamw_torch_fused", learning_rate=job["learningRate"], lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=1.0,
        logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True,
    )


def main():
    torch.set_num_threads(job["threads"])
    disable_progress_bars()
    dtype, autocast = SETTINGS[job["setting"]]
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    lora = job["lora"]
    adapter = peft.LoraConfig(r=lora["r"], lora_alpha=lora["loraAlpha"], lora_dropout=lora["loraDropout"], target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        gate = Gate()
        gate.trainer = SteppedTrainer(
            model=model, args=arguments_of(job, folder, autocast), train_dataset=rows_of(job), processing_class=tokenizer, peft_config=adapter, callbacks=[gate],
        )
        stepping.ready(torch.get_num_threads(), torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__, peft=peft.__version__)
        gate.trainer.train()


main()
