"""DPO of a model with a LoRA adapter as PyTorch, PEFT and TRL train it: the figures in test/fixtures/dpoLora.json.

    node --import tsx test/step/sftCase.ts FOLDER
    python test/step/make_dpo_lora.py FOLDER test/fixtures/dpoLora.json

FOLDER holds a tiny model, a LoRA adapter in PEFT's layout and pairs, as the tests build them too.
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
pairs = json.load(open(f"{folder}/pairs.json", encoding="utf8"))
rows = [
    {"prompt": [{"role": "user", "content": pair["prompt"]}], "chosen": [{"role": "assistant", "content": pair["chosen"]}], "rejected": [{"role": "assistant", "content": pair["rejected"]}]}
    for pair in pairs
]

SETTINGS = {
    "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "max_steps": 20, "learning_rate": 5e-3, "lr_scheduler_type": "cosine", "warmup_steps": 2,
    "weight_decay": 0.01, "max_grad_norm": 1.0, "logging_steps": 1, "optim": "adamw_torch", "train_sampling_strategy": "sequential",
    "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "save_strategy": "no", "gradient_checkpointing": False,
}
KEPT = ["loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"]


def base_of():
    return AutoModelForCausalLM.from_pretrained(f"{folder}/model", dtype=torch.float32, attn_implementation="eager")


def training(reference):
    """reference: "policy", the policy with its adapter as it begins, TRL's default for a PeftModel; "base", the model without the adapter."""
    model = PeftModel.from_pretrained(base_of(), f"{folder}/adapter", is_trainable=True)
    trainer = trl.DPOTrainer(
        model=model, ref_model=base_of() if reference == "base" else None, args=trl.DPOConfig(output_dir=tempfile.mkdtemp(), **SETTINGS),
        train_dataset=Dataset.from_list(rows), processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
    )
    trainer.train()
    log = [row for row in trainer.state.log_history if "loss" in row]
    return {"reference": reference, "log": {name: [row[name] for row in log] for name in KEPT}}


result = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__},
    "training": [training("policy"), training("base")],
}
with open(target, "w", encoding="utf8") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
