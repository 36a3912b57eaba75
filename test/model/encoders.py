"""Loads classifiers' folders with transformers: encoders.py TEXTS.json FOLDER AGAIN [FOLDER AGAIN …]

Of each folder it prints logits of the padded texts and what the pipeline says of them, and saves the model again.
"""

import json
import sys

# This file's own folder must not stand in for the library.
sys.path.pop(0)

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

texts_file, *folders = sys.argv[1:]
with open(texts_file, encoding="utf-8") as file:
    texts = json.load(file)
results = []
for folder, again in zip(folders[::2], folders[1::2]):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, about = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
    classify = pipeline("text-classification", model=folder, tokenizer=folder, device="cpu")
    results.append({
        "class": type(model).__name__, "labels": model.config.id2label, "missing": sorted(about["missing_keys"]), "unexpected": sorted(about["unexpected_keys"]),
        "ids": batch["input_ids"].tolist(), "mask": batch["attention_mask"].tolist(), "logits": logits.tolist(),
        "best": classify(texts), "all": classify(texts, top_k=None),
    })
    model.save_pretrained(again)
    tokenizer.save_pretrained(again)
print(json.dumps(results))
