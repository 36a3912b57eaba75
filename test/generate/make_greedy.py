"""Greedy continuations by Python's transformers: the figures in test/fixtures/greedy.json.

    python test/generate/make_greedy.py MODEL_FOLDER test/fixtures/greedy.json

MODEL_FOLDER is the packaged model as saveModel writes it. Prompts are batched and padded on the left.
"""
import json
import sys

import torch
import transformers

QUESTIONS = [
    "What is the capital of France?",
    "Hi, how was your weekend? Mine was long and rainy, so I mostly read and slept.",
    "Rain.",
    "Can you name three books about the sea, and say in a sentence each what they are about?",
    "Write a short poem about a cat who is afraid of the dark \U0001f408",
]
NEW_TOKENS = 48

folder, target = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
chats = [tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True, tokenize=False) for q in QUESTIONS]
prompts = [tokenizer(chat, add_special_tokens=False)["input_ids"] for chat in chats]
batch = tokenizer(chats, add_special_tokens=False, padding=True, return_tensors="pt")
with torch.no_grad():
    out = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False, output_logits=True, return_dict_in_generate=True)

eos = model.generation_config.eos_token_id
sequences, gaps = [], []
for row, ids in enumerate(out.sequences[:, batch["input_ids"].shape[1]:].tolist()):
    end = ids.index(eos) + 1 if eos in ids else len(ids)
    sequences.append(ids[:end])
    top = [out.logits[t][row].topk(2).values for t in range(end)]
    gaps.append(min(float(a - b) for a, b in top))

figures = {
    "source": f"transformers {transformers.__version__}, torch {torch.__version__}, float32, generate(do_sample=False)",
    "model": "the packaged SmolLM2-135M-Instruct, Q4_1",
    "new_tokens": NEW_TOKENS,
    "questions": QUESTIONS,
    "prompts": prompts,
    "sequences": sequences,
    "smallest_logit_gaps": gaps,
}
with open(target, "w", encoding="utf-8") as file:
    json.dump(figures, file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
print(json.dumps({"lengths": [len(s) for s in sequences], "gaps": gaps}))
