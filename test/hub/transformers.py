"""Loads two model folders with transformers and writes what the first one computes: transformers.py FOLDER OTHER PROMPTS.json OUT"""

import json
import sys

# This file's own name must not stand in for the library's.
sys.path.pop(0)

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, other, prompts_file, out = sys.argv[1:]
with open(prompts_file, encoding="utf-8") as file:
    prompts = json.load(file)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
results = []
for i, prompt in enumerate(prompts):
    chat = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False)
    ids = tokenizer.encode(chat, add_special_tokens=False)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    logits.float().numpy().tofile(f"{out}/{i}.f32")
    results.append({"chat": chat, "ids": ids})
other_model = AutoModelForCausalLM.from_pretrained(other)
norms = [float(each.model.norm.weight.float().mean()) for each in (model, other_model)]
about = [{"dtype": str(each.dtype), "class": type(each).__name__, "parameters": each.num_parameters()} for each in (model, other_model)]
print(json.dumps({"about": about, "norms": norms, "results": results}))
