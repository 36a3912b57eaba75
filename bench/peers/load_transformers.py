"""Loading by transformers, a peer of `npm run bench -- load`: load_transformers.py JOB.json, from Python's start to the logits of one text"""

import time

marks = {"script": time.time()}

import json
import os
import re
import sys

import torch

marks["engine"] = time.time()

import transformers
from transformers import AutoModelForCausalLM

marks["library"] = time.time()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["setting"]), attn_implementation="sdpa").eval()
    marks["weights"] = time.time()
    ids = torch.tensor([job["ids"]])

    def logits():
        with torch.inference_mode():
            return model(input_ids=ids).logits.float().numpy()[0, -1]

    last = logits()
    marks["forward"] = time.time()
    logits()
    marks["again"] = time.time()

    with open("/proc/self/status", encoding="utf-8") as status:
        peak = int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)[1]) * 1024
    token = int(last.argmax())
    answer = {
        "marks": marks, "peakBytes": peak, "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "check": {"token": token, "logit": float(last[token])},
    }
    os.write(3, json.dumps(answer).encode())
    # As our side does: what the interpreter would still tidy up is not waited for.
    os._exit(0)


main()
