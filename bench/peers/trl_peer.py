"""What TRL's trainers as peers have in common: their settings, and a loop that takes a step only when the bench asks for one."""

import tempfile

import torch
import transformers
import trl
from datasets import disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

SETTINGS = {
    "float32": (torch.float32, False),
    "bfloat16 autocast": (torch.float32, True),
    "bfloat16 weights": (torch.bfloat16, False),
}


class Stepped:
    """For a trainer class to inherit first: remembers the last loss."""

    last_loss = None

    def training_step(self, *args, **kwargs):
        self.last_loss = super().training_step(*args, **kwargs)
        return self.last_loss


class Gate(TrainerCallback):
    """Holds the loop at the end of each step: one step is then padding, forward, backward, clipping, update and schedule."""

    trainer = None

    def __init__(self, stepping):
        self.stepping = stepping

    def on_train_begin(self, args, state, control, **_):
        control.should_training_stop = not self.stepping.wait()

    def on_step_end(self, args, state, control, **_):
        self.stepping.done(self.trainer.last_loss)
        control.should_training_stop = not self.stepping.wait()


def causal_model(job, dtype):
    return AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa")


def train(stepping, job, batch_size, trainer_class, config_class, rows, model_of=causal_model, config=None, versions=None, **options):
    """Trains step by step until the bench ends it. `config` and `options` are what one trainer has beside the others."""
    torch.set_num_threads(job["threads"])
    disable_progress_bars()
    dtype, autocast = SETTINGS[job["setting"]]
    with tempfile.TemporaryDirectory() as folder:
        args = config_class(
            output_dir=folder, use_cpu=True, bf16=autocast, seed=0,
            per_device_train_batch_size=batch_size, train_sampling_strategy="sequential", dataloader_num_workers=0, max_steps=1_000_000,
            gradient_checkpointing=False, max_length=None,
            optim="adamw_torch_fused", learning_rate=job["learningRate"], lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=1.0,
            logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True, **(config or {}),
        )
        gate = Gate(stepping)
        gate.trainer = trainer_class(
            model=model_of(job, dtype), args=args, train_dataset=rows, processing_class=AutoTokenizer.from_pretrained(job["model"]), callbacks=[gate], **options,
        )
        stepping.ready(torch.get_num_threads(), torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__, **(versions or {}))
        gate.trainer.train()
