"""Supervised fine-tuning as PyTorch, PEFT and TRL compute it: the figures in test/fixtures/sft.json.

    node --import tsx test/step/sftCase.ts FOLDER
    python test/step/make_sft.py FOLDER test/fixtures/sft.json

FOLDER holds a tiny model, a LoRA adapter in PEFT's layout and rows in every form, as the tests build them too.
"""
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import peft
import torch
import transformers
import trl
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, target = sys.argv[1:]
datasets.disable_progress_bars()
torch.set_num_threads(1)
rows = json.load(open(f"{folder}/rows.json", encoding="utf8"))

# The template of the tests with the marks by which TRL finds the assistant's tokens.
MARKED = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<user>' + m.content }}{% else %}{{ '<bot>' }}{% generation %}{{ m.content + '<end>' }}"
    "{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)


def tokenizer_of(template=None):
    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/model")
    if template:
        tokenizer.chat_template = template
    return tokenizer


def model_of():
    base = AutoModelForCausalLM.from_pretrained(f"{folder}/model", dtype=torch.float32, attn_implementation="eager")
    return PeftModel.from_pretrained(base, f"{folder}/adapter", is_trainable=True)


def trainer_of(form, template=None, **settings):
    settings = {"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "save_strategy": "no", "gradient_checkpointing": False, "train_sampling_strategy": "sequential", **settings}
    return trl.SFTTrainer(
        model=model_of(), args=trl.SFTConfig(output_dir=tempfile.mkdtemp(), **settings),
        train_dataset=Dataset.from_list(rows[form]), processing_class=tokenizer_of(template),
    )


FORMS = [
    ("messages", {}), ("messages", {"assistant_only_loss": True}), ("messages", {"max_length": 9}), ("messages", {"max_length": 5, "assistant_only_loss": True}),
    ("chatCompletion", {}), ("chatCompletion", {"completion_only_loss": False}), ("chatCompletion", {"max_length": 8}),
    ("textCompletion", {}), ("text", {}), ("text", {"max_length": 7}),
]


def prepared(form, settings):
    dataset = trainer_of(form, MARKED if settings.get("assistant_only_loss") else None, **settings).train_dataset
    return {"form": form, "settings": settings, "rows": [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in dataset]}


def gradients(form, **settings):
    """Loss and gradients of A and B for all rows as one batch."""
    trainer = trainer_of(form, per_device_train_batch_size=64, **settings)
    trainer.model.train()
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    grads = {name.replace(".default", ""): [float(f"{x:.7g}") for x in parameter.grad.flatten().tolist()] for name, parameter in trainer.model.named_parameters() if parameter.grad is not None}
    return {"form": form, "loss": loss.item(), "metrics": metrics, "gradients": grads}


TRAINING = {
    "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "max_steps": 20, "learning_rate": 5e-3, "lr_scheduler_type": "cosine", "warmup_steps": 2,
    "weight_decay": 0.01, "max_grad_norm": 1.0, "logging_steps": 1, "optim": "adamw_torch",
}


def training(form, **settings):
    trainer = trainer_of(form, **TRAINING, **settings)
    trainer.train()
    return {"form": form, "settings": settings, "log": [row for row in trainer.state.log_history if "loss" in row]}


result = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__},
    "prepared": [prepared(*each) for each in FORMS],
    "gradients": gradients("chatCompletion"),
    "training": [training("chatCompletion"), training("messages")],
}
with open(target, "w", encoding="utf8") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
