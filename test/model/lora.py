"""Loads a saved adapter with PEFT, and makes one of PEFT's own: lora.py FOLDER

FOLDER holds `model`, the adapter `ours` and ids.json; written are `peft`, an adapter on two layers, and the logits of each, ours.f32 and peft.f32.
"""
import json
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

folder = sys.argv[1]
ids = torch.tensor([json.load(open(f"{folder}/ids.json", encoding="utf8"))])
torch.manual_seed(3)


def base():
    return AutoModelForCausalLM.from_pretrained(f"{folder}/model", dtype=torch.float32)


def write(model, name):
    model.eval()
    with torch.no_grad():
        model(ids).logits.numpy().astype("float32").tofile(f"{folder}/{name}.f32")


write(PeftModel.from_pretrained(base(), f"{folder}/ours"), "ours")
config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], layers_to_transform=[3, 20], task_type="CAUSAL_LM")
model = get_peft_model(base(), config)
for name, parameter in model.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(parameter, std=0.02)
model.save_pretrained(f"{folder}/peft")
write(model, "peft")
