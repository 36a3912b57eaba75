"""Generation by transformers, a peer of `npm run bench -- generate`: generate_transformers.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import transformers
from transformers import AutoModelForCausalLM

SETTINGS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main():
    torch.set_num_threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=SETTINGS[job["setting"]], attn_implementation="sdpa").eval()
    ids = torch.tensor(job["prompts"])
    mask = torch.ones_like(ids)
    stepping.ready(torch.get_num_threads(), torch=torch.__version__, transformers=transformers.__version__)
    while stepping.wait():
        with torch.inference_mode():
            out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=job["newTokens"], min_new_tokens=job["newTokens"])
        if out.shape[1] != ids.shape[1] + job["newTokens"]:
            raise RuntimeError(f"{out.shape[1] - ids.shape[1]} tokens were generated, {job['newTokens']} are due")
        stepping.done(0.0)


main()
