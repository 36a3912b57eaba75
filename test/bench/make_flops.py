"""Writes flops.json: what PyTorch's own counter counts of a Llama's forward and backward pass.

  .venv-peer/bin/python test/bench/make_flops.py

Attention is transformers' plain one, whose products are over whole squares; the head runs at the predicting positions.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

CASES = [
    # hidden, MLP, layers, heads, key heads, head width, vocabulary, batch, length
    (32, 48, 2, 4, 2, 8, 40, 2, 6),
    (24, 40, 3, 3, 1, 16, 100, 1, 17),
    (64, 64, 1, 8, 8, 8, 33, 5, 9),
]


def count(hidden, mlp, layers, heads, key_heads, width, vocabulary, batch, length):
    config = LlamaConfig(
        hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=key_heads, head_dim=width,
        vocab_size=vocabulary, tie_word_embeddings=True,
    )
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    ids = torch.randint(0, vocabulary, (batch, length))

    def loss():
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        return F.cross_entropy(model.lm_head(states).flatten(0, 1), ids[:, 1:].flatten())

    with FlopCounterMode(display=False) as forward:
        value = loss()
    with FlopCounterMode(display=False) as backward:
        value.backward()
    return {
        "hidden_size": hidden, "intermediate_size": mlp, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": key_heads, "head_dim": width,
        "vocab_size": vocabulary, "batch": batch, "length": length, "forward": forward.get_total_flops(), "backward": backward.get_total_flops(),
    }


cases = [count(*case) for case in CASES]
target = Path(__file__).with_name("flops.json")
target.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
for case in cases:
    print(case)
