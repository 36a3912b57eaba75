"""The tiny classifier and the made-up pairs that make_reward.py and make_rating.py train on.

The model's weights come from a congruential generator that the tests repeat, so that they need not be kept.
"""
import json
import os
import sys

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))
from congruential import Congruential, seed_of

CONFIG = {
    "vocab_size": 32, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 64, "tie_word_embeddings": True,
    "bos_token_id": 1, "eos_token_id": 3,
}
SCALE = 0.3
BATCH = 4
LEARNING_RATE = 2e-3


def tiny_model(pad_token_id, num_labels=1):
    config = LlamaConfig(**CONFIG, pad_token_id=pad_token_id, num_labels=num_labels)
    model = LlamaForSequenceClassification._from_config(config, attn_implementation="sdpa")
    for name, parameter in model.named_parameters():
        draws = Congruential(seed_of(name))
        values = [draws.next() * SCALE + ("norm" in name) for _ in range(parameter.numel())]
        parameter.data = torch.tensor(values, dtype=torch.float64).reshape(parameter.shape).float()
    return model


def pairs(count, draws, end):
    """Texts that begin alike; the chosen ones end in small ids more often than not."""
    def ids(least, most, low, high):
        length = least + int((draws.next() + 1) / 2 * (most - least + 1))
        return [low + int((draws.next() + 1) / 2 * (high - low)) for _ in range(length)]

    rows = []
    for i in range(count):
        prompt = [1, *ids(2, 9, 4, 32), 2]
        row = {"chosen_ids": prompt + ids(1, 8, 4, 20) + [3] * end, "rejected_ids": prompt + ids(1, 8, 12, 32) + [3] * end}
        rows.append({**row, "margin": round(draws.next() + 1, 3)})
    return rows


def written(value, level=0):
    """Lists of plain values on one line each."""
    if isinstance(value, dict):
        inner = ",\n".join(f"{' ' * (level + 1)}{json.dumps(name)}: {written(each, level + 1)}" for name, each in value.items())
        return f"{{\n{inner}\n{' ' * level}}}"
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        inner = ",\n".join(f"{' ' * (level + 1)}{written(each, level + 1)}" for each in value)
        return f"[\n{inner}\n{' ' * level}]"
    return json.dumps(value, ensure_ascii=False)


def write(result, out):
    """Numbers with nine digits, which is what float32 holds."""
    with open(out, "w", encoding="utf8") as file:
        file.write(written(json.loads(json.dumps(result), parse_float=lambda text: float(f"{float(text):.9g}"))) + "\n")
