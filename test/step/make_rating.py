"""A model of ratings as PyTorch trains it in float64: the figures in test/fixtures/rating.json.

    python test/step/make_rating.py test/fixtures/rating.json

The model is that of tiny_reward.py with ten labels, the rows are those of reward.json without their margins. AdamW, linear
schedule, clipping at 1; P(chosen is rated above rejected) is summed in a double loop.
"""
import sys

import torch
import transformers

from tiny_reward import BATCH, LEARNING_RATE, Congruential, pairs, tiny_model, write

RATINGS = 10
STEPS = 20
PAD = 0
torch.set_num_threads(1)


def logits(model, texts):
    length = max(map(len, texts))
    ids = torch.tensor([text + [PAD] * (length - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts])
    return model(input_ids=ids, attention_mask=mask).logits


def win_probability(chosen, rejected):
    return sum(chosen[:, i] * rejected[:, j] for i in range(RATINGS) for j in range(i))


def measured(model, rows):
    """Loss with its gradient, and the metrics under their names."""
    chosen, rejected = (logits(model, [row[f"{side}_ids"] for row in rows]).softmax(-1) for side in ("chosen", "rejected"))
    win = win_probability(chosen, rejected)
    scale = torch.arange(1, RATINGS + 1, dtype=torch.float64)
    both = torch.cat([chosen, rejected])
    return -torch.log(win.clamp(min=1e-8)).mean(), {
        "accuracy": (win > 0.5).double().mean().item(), "win_probability": win.mean().item(),
        "ratings/chosen": (chosen @ scale).mean().item(), "ratings/rejected": (rejected @ scale).mean().item(),
        "ratings/margin": (chosen @ scale - rejected @ scale).mean().item(), "entropy": -(both * both.log()).sum(-1).mean().item(),
    }


def fitting(rows, max_length):
    cut = [{side: ids[:max_length] for side, ids in row.items() if side != "margin"} for row in rows]
    return [row for row in cut if row["chosen_ids"] != row["rejected_ids"]]


def trained(rows, held_out, head_only=False, max_length=None):
    rows, held_out = fitting(rows, max_length), fitting(held_out, max_length)
    model = tiny_model(PAD, RATINGS).double()
    if head_only:
        model.model.requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    log = {}
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / STEPS)
        optimizer.zero_grad()
        loss, metrics = measured(model, batches[step % len(batches)])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for name, value in {"loss": loss.item(), "grad_norm": norm.item(), **metrics}.items():
            log.setdefault(name, []).append(value)
    with torch.no_grad():
        loss, metrics = measured(model, held_out)
        distributions = {side: logits(model, [row[f"{side}_ids"] for row in held_out]).softmax(-1).tolist() for side in ("chosen", "rejected")}
    return {"rows": len(rows), "log": log, "evaluated": {"loss": loss.item(), **metrics}, **distributions}


draws = Congruential(7)
rows, held_out = pairs(16, draws, end=1), pairs(6, draws, end=1)
write({
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "steps": STEPS, "ratings": RATINGS,
    "trainings": {"whole": trained(rows, held_out), "head only": trained(rows, held_out, head_only=True), "cut": trained(rows, held_out, max_length=9)},
}, sys.argv[1])
