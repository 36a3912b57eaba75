"""Rollouts by transformers and PyTorch, a peer of `npm run bench -- rollout`: rollout_transformers.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import transformers
from transformers import AutoModelForCausalLM

SETTINGS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TEMPERATURE = 0.7


def load():
    return AutoModelForCausalLM.from_pretrained(job["model"], dtype=SETTINGS[job["setting"]], attn_implementation="sdpa").eval()


def answer_logps(model, sequences, prompt_length):
    """Log-probabilities of the answers' tokens; the head runs over their places alone."""
    logits = model(input_ids=sequences, logits_to_keep=sequences.shape[1] - prompt_length + 1).logits[:, :-1].float() / TEMPERATURE
    targets = sequences[:, prompt_length:]
    return logits.gather(2, targets[:, :, None])[:, :, 0] - logits.logsumexp(2)


def main():
    torch.set_num_threads(job["threads"])
    policy, reference = load(), load()
    ids = torch.tensor(job["prompts"])
    mask = torch.ones_like(ids)
    stepping.ready(torch.get_num_threads(), torch=torch.__version__, transformers=transformers.__version__)
    while stepping.wait():
        with torch.inference_mode():
            out = policy.generate(input_ids=ids, attention_mask=mask, do_sample=True, temperature=TEMPERATURE, top_k=0, max_new_tokens=job["newTokens"], min_new_tokens=job["newTokens"])
            logps = [answer_logps(model, out, ids.shape[1]) for model in (policy, reference)]
        if logps[0].shape != (ids.shape[0], job["newTokens"]):
            raise RuntimeError(f"log-probabilities have the shape {tuple(logps[0].shape)}, {ids.shape[0]} x {job['newTokens']} are due")
        stepping.done(0.0)


main()
