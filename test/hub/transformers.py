"""Loads a model folder with transformers and writes what it computes: transformers.py FOLDER PROMPTS.json OUT"""

import json
import sys

# This file's own name must not stand in for the library's.
sys.path.pop(0)

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, prompts_file, out = sys.argv[1:]
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
print(json.dumps({"dtype": str(model.dtype), "class": type(model).__name__, "parameters": model.num_parameters(), "results": results}))
