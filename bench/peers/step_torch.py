"""Forward and backward in PyTorch, a peer of `npm run bench -- step`: step_torch.py JOB.json"""

from contextlib import nullcontext

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

# Whether products run under autocast in bfloat16, and whether the loss is compiled.
SETTINGS = {
    "float32": (False, False),
    "bfloat16 autocast": (True, False),
    "bfloat16 autocast, compiled": (True, True),
}


def main():
    torch.set_num_threads(job["threads"])
    autocast, compiled = SETTINGS[job["setting"]]
    config = AutoConfig.from_pretrained(job["model"])
    config.num_hidden_layers = job.get("layers", config.num_hidden_layers)
    model = AutoModelForCausalLM.from_pretrained(job["model"], config=config, dtype=torch.float32, attn_implementation="sdpa")
    ids = torch.tensor(job["ids"])

    def causal_loss(ids):
        """Mean cross-entropy of every token but the first. Without a mask, attention takes its causal kernel."""
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden)
        return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())

    loss_of = torch.compile(causal_loss) if compiled else causal_loss

    def step():
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else nullcontext():
            loss = loss_of(ids)
        loss.backward()
        return loss.detach()

    loss = step()
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()])
    check = {"loss": float(loss), "gradientNorm": float(norm)}
    stepping.ready(torch.get_num_threads(), check=check, torch=torch.__version__, transformers=transformers.__version__)
    while stepping.wait():
        stepping.done(step())


main()
