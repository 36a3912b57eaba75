"""DPO as a plain PyTorch loop, a peer of `npm run bench -- dpo`: dpo_torch.py JOB.json"""

from contextlib import nullcontext

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForCausalLM

SETTINGS = {
    "float32": (torch.float32, False),
    "bfloat16 autocast": (torch.float32, True),
    "bfloat16 weights": (torch.bfloat16, False),
}


def collate(rows):
    """Chosen answers of all pairs, then the rejected ones, each behind its prompt, padded on the right."""
    pairs = [(row["prompt"], row[answer]) for answer in ("chosen", "rejected") for row in rows]
    length = max(len(prompt) + len(answer) for prompt, answer in pairs)
    ids = torch.zeros(len(pairs), length, dtype=torch.long)
    attended = torch.zeros_like(ids)
    counted = torch.zeros_like(ids, dtype=torch.bool)
    for i, (prompt, answer) in enumerate(pairs):
        end = len(prompt) + len(answer)
        ids[i, :end] = torch.tensor(prompt + answer)
        attended[i, :end] = 1
        counted[i, len(prompt):end] = True
    return ids, attended, counted


def answer_logps(model, autocast, ids, attended, counted):
    """log π(answer | prompt), the head over the answers' positions only."""
    context = torch.autocast("cpu", dtype=torch.bfloat16) if autocast else nullcontext()
    with context:
        hidden = model.model(input_ids=ids, attention_mask=attended, use_cache=False).last_hidden_state
        counted = counted[:, 1:]
        logits = model.lm_head(hidden[:, :-1][counted])
    logps = -F.cross_entropy(logits.float(), ids[:, 1:][counted], reduction="none")
    owners = torch.arange(len(ids))[:, None].expand_as(counted)[counted]
    return torch.zeros(len(ids)).index_add(0, owners, logps).chunk(2)


def main():
    torch.set_num_threads(job["threads"])
    dtype, autocast = SETTINGS[job["setting"]]
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa")
    with torch.no_grad():
        references = [answer_logps(model, autocast, *collate(rows)) for rows in job["batches"]]
    optimizer = torch.optim.AdamW(model.parameters(), lr=job["learningRate"], weight_decay=0.0, fused=True)
    stepping.ready(torch.get_num_threads(), torch=torch.__version__, transformers=transformers.__version__)
    step = 0
    while stepping.wait():
        place = step % len(job["batches"])
        chosen, rejected = answer_logps(model, autocast, *collate(job["batches"][place]))
        reference_chosen, reference_rejected = references[place]
        margin = (chosen - reference_chosen) - (rejected - reference_rejected)
        loss = -F.logsigmoid(job["beta"] * margin).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        stepping.done(loss.detach())
        step += 1


main()
