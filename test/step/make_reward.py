"""Reward models as TRL's RewardTrainer trains them and transformers scores with them: the figures in test/fixtures/reward.json.

    python test/step/make_reward.py TINY SMOLLM2 test/fixtures/reward.json

TINY is a folder that tinyTokenizer() of test/step/tiny.ts was saved into, SMOLLM2 the packaged model's folder of the benches'
peers. The model is that of tiny_reward.py. All trainings are in float32 with AdamW, linear schedule and clipping at 1; gradients and logits in float64.
"""
import sys
import tempfile

import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer

from tiny_reward import BATCH, CONFIG, LEARNING_RATE, SCALE, Congruential, pairs, tiny_model, write

tiny_folder, smollm2_folder, out = sys.argv[1:]
disable_progress_bars()
torch.set_num_threads(1)

METRICS = ["loss", "grad_norm", "accuracy", "margin", "mean_reward", "min_reward", "max_reward", "num_tokens"]


def without_margin(rows):
    return [{name: value for name, value in row.items() if name != "margin"} for row in rows]


def arguments(folder, **changes):
    return trl.RewardConfig(**{
        "output_dir": folder, "use_cpu": True, "bf16": False, "seed": 0, "per_device_train_batch_size": BATCH, "per_device_eval_batch_size": 64,
        "train_sampling_strategy": "sequential", "max_steps": 20, "gradient_checkpointing": False, "learning_rate": LEARNING_RATE, "lr_scheduler_type": "linear",
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, **changes,
    })


def trained(rows, pad_token="<pad>", held_out=None, head_only=False, **changes):
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.pad_token = pad_token
    model = tiny_model(tokenizer.pad_token_id)
    if head_only:
        model.model.requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.RewardTrainer(
            model=model, args=arguments(folder, **changes), train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
            eval_dataset=Dataset.from_list(held_out) if held_out else None,
        )
        trainer.train()
        history = [row for row in trainer.state.log_history if "loss" in row]
        evaluated = trainer.evaluate() if held_out else None
    case = {
        "padTokenId": tokenizer.pad_token_id, "args": {"headOnly": head_only, "steps": len(history), **changes},
        "log": {name: [round(row[name], 8) for row in history] for name in METRICS},
    }
    if evaluated:
        case["evaluated"] = {name: evaluated[name] for name in evaluated if name.removeprefix("eval_") in METRICS}
    return case


def gradients(rows, coefficient):
    """Of the loss with margin and centring, at the start, in float64: the norm of each and some of its values."""
    model = tiny_model(0).double()
    texts = [row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows]
    length = max(map(len, texts))
    ids = torch.tensor([text + [0] * (length - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts])
    chosen, rejected = model(input_ids=ids, attention_mask=mask).logits.squeeze(-1).chunk(2)
    margin = torch.tensor([row["margin"] for row in rows], dtype=torch.float64)
    loss = -torch.nn.functional.logsigmoid(chosen - rejected - margin).mean() + coefficient * ((chosen + rejected) ** 2).mean()
    loss.backward()
    flat = {name: parameter.grad.flatten() for name, parameter in model.named_parameters()}
    return {
        "coefficient": coefficient, "loss": loss.item(), "chosen": chosen.tolist(), "rejected": rejected.tolist(),
        "parameters": {name: {"norm": grad.norm().item(), "every": max(1, len(grad) // 32), "values": grad[:: max(1, len(grad) // 32)].tolist()} for name, grad in flat.items()},
    }


def logits(pad_token_id, texts, side):
    model = tiny_model(pad_token_id, num_labels=3).double()
    length = max(map(len, texts)) + 2
    filler = [[pad_token_id] * (length - len(text)) for text in texts]
    ids = [f + text if side == "left" else text + f for f, text in zip(filler, texts)]
    mask = [[0] * len(f) + [1] * len(text) if side == "left" else [1] * len(text) + [0] * len(f) for f, text in zip(filler, texts)]
    with torch.no_grad():
        return {"padTokenId": pad_token_id, "side": side, "ids": ids, "mask": mask, "logits": model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits.tolist()}


def without_padding_token(text):
    with torch.no_grad():
        return {"padTokenId": None, "side": "none", "ids": [text], "mask": [[1] * len(text)], "logits": tiny_model(None, 3).double()(input_ids=torch.tensor([text])).logits.tolist()}


def tokenized(folder, rows, max_length):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as output:
        trainer = trl.RewardTrainer(model=tiny_model(tokenizer.pad_token_id if tokenizer.pad_token_id < 32 else None), args=arguments(output, max_length=max_length), train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    return {"rows": rows, "maxLength": max_length, "ids": [{"chosen_ids": row["chosen_ids"], "rejected_ids": row["rejected_ids"]} for row in trainer.train_dataset]}


def chat(*turns):
    return [{"role": role, "content": content} for role, content in turns]


draws = Congruential(7)
rows = pairs(16, draws, end=1)
held_out = pairs(6, draws, end=1)
ending = pairs(12, draws, end=1)
# The padding token in the middle of a text, and a text of one pair that is the other's beginning.
ending[1]["chosen_ids"][3] = 3
ending[2]["rejected_ids"] = ending[2]["chosen_ids"][:-2]

TEXTS = [{"chosen": "a b", "rejected": "c"}, {"chosen": "abc<end>", "rejected": "bca<end>"}]
PROMPTED = [{"prompt": "a bc ", "chosen": "de", "rejected": "f"}, {"prompt": "k", "chosen": "l m n o p q r s", "rejected": "x"}]
CHATS = [{"chosen": chat(("user", "ab"), ("bot", "c")), "rejected": chat(("user", "ab"), ("bot", "ddd"))}]
PROMPTED_CHATS = [{"prompt": chat(("user", "ab"), ("bot", "c"), ("user", "d")), "chosen": chat(("bot", "e f")), "rejected": chat(("bot", "g"))}]
REAL_CHATS = [{"prompt": chat(("user", "What is 2 + 2?")), "chosen": chat(("assistant", "4. Anything else? 🍂")), "rejected": chat(("assistant", "Five."))}]
REAL_TEXTS = [{"prompt": "Question: why?\nAnswer:", "chosen": " Because it is.", "rejected": "because"}]

result = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__},
    "config": CONFIG, "scale": SCALE, "batch": BATCH, "learningRate": LEARNING_RATE,
    "rows": rows, "heldOut": held_out, "ending": ending,
    "trainings": {
        "plain": trained(without_margin(rows), held_out=without_margin(held_out)),
        "margin": trained(rows, held_out=held_out),
        "centring": trained(without_margin(rows), center_rewards_coefficient=0.1),
        "the end token pads": trained(without_margin(ending), pad_token="<end>"),
        "head only": trained(without_margin(rows), head_only=True),
        "accumulated": trained(without_margin(rows), per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=6),
    },
    "gradients": gradients(rows[:BATCH], 0.1),
    "logits": [
        *(logits(0, [[5, 9, 3], [7], [4, 30, 8, 8, 11, 3]], side) for side in ("left", "right")),
        *(logits(3, [[5, 9, 3], [7, 3, 3, 6], [4, 30, 8, 8, 11, 3, 3]], side) for side in ("left", "right")),
        without_padding_token([5, 9, 3]),
    ],
    "tokenized": [
        *(tokenized(tiny_folder, rows, 1024) for rows in (TEXTS, PROMPTED, CHATS, PROMPTED_CHATS)), tokenized(tiny_folder, PROMPTED, 10),
    ],
    "tokenizedBySmolLM2": [tokenized(smollm2_folder, rows, 1024) for rows in (REAL_CHATS, REAL_TEXTS)],
}

write(result, out)
