"""Loads a classifier's folder with transformers, computes logits of padded texts and saves the model again: classifiers.py FOLDER TEXTS.json AGAIN"""

import json
import sys

# This file's own folder must not stand in for the library.
sys.path.pop(0)

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder, texts_file, again = sys.argv[1:]
with open(texts_file, encoding="utf-8") as file:
    texts = json.load(file)
tokenizer = AutoTokenizer.from_pretrained(folder)
model, about = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
result = {
    "class": type(model).__name__, "labels": model.config.id2label, "pad": model.config.pad_token_id,
    "missing": sorted(about["missing_keys"]), "unexpected": sorted(about["unexpected_keys"]), "batches": {},
}
for side in ("left", "right"):
    batch = tokenizer(texts, padding=True, padding_side=side, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
    result["batches"][side] = {"ids": batch["input_ids"].tolist(), "mask": batch["attention_mask"].tolist(), "logits": logits.tolist()}
model.save_pretrained(again)
tokenizer.save_pretrained(again)
print(json.dumps(result))
