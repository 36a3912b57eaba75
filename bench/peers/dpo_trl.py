"""TRL's DPOTrainer as a peer of `npm run bench -- dpo`: dpo_trl.py JOB.json"""

import tempfile

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

SETTINGS = {
    "float32": (torch.float32, {}),
    "bfloat16 autocast": (torch.float32, {"bf16": True}),
    "bfloat16 weights": (torch.bfloat16, {}),
    "float32 compiled": (torch.float32, {"torch_compile": True}),
    "bfloat16 autocast compiled": (torch.float32, {"bf16": True, "torch_compile": True}),
    "bfloat16 weights compiled": (torch.bfloat16, {"torch_compile": True}),
}


class TokenizedDPOTrainer(DPOTrainer):
    """The rows come as token ids, the same for both sides, so TRL's own tokenisation is left out."""

    def _prepare_dataset(self, dataset, *_):
        return dataset


class Gate(TrainerCallback):
    """Holds the loop at the end of each step, so that a step is fetching and padding, forward, backward, clipping, update and schedule."""

    def on_train_begin(self, args, state, control, **_):
        control.should_training_stop = not stepping.wait()

    def on_step_end(self, args, state, control, **_):
        stepping.done(gate_loss["value"])
        control.should_training_stop = not stepping.wait()


gate_loss = {"value": float("nan")}


class TimedTrainer(TokenizedDPOTrainer):
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        gate_loss["value"] = loss
        return loss


def main():
    torch.set_num_threads(job["threads"])
    disable_progress_bars()
    transformers.logging.set_verbosity_error()
    dtype, precision = SETTINGS[job["setting"]]
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    rows = Dataset.from_list([
        {"prompt_ids": row["prompt"], "chosen_ids": row["chosen"], "rejected_ids": row["rejected"]} for row in job["rows"]
    ])
    with tempfile.TemporaryDirectory() as folder:
        arguments = {
            "bf16": False,
            "output_dir": folder,
            "use_cpu": True,
            "per_device_train_batch_size": job["batch"],
            "train_sampling_strategy": "sequential",
            "dataloader_drop_last": True,
            "dataloader_num_workers": 0,
            "precompute_ref_log_probs": True,
            "gradient_checkpointing": False,
            "optim": "adamw_torch_fused",
            "learning_rate": job["learningRate"],
            "beta": job["beta"],
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
            "lr_scheduler_type": "constant",
            "max_length": None,
            "max_steps": 1_000_000,
            "logging_strategy": "no",
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "seed": 0,
        }
        config = DPOConfig(**{**arguments, **precision, **job.get("arguments", {})})
        trainer = TimedTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, callbacks=[Gate()])
        versions = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
        stepping.send(event="ready", versions=versions, threads=torch.get_num_threads())
        trainer.train()
    stepping.finish()


main()
