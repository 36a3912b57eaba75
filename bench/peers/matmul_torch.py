"""Square products in PyTorch, which `npm run bench -- step` holds a step against: matmul_torch.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch


def main():
    torch.set_num_threads(job["threads"])
    size, dtype = job["size"], {"float32": torch.float32, "bfloat16": torch.bfloat16}[job["setting"]]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, size, generator=generator).to(dtype)
    # Of this size a product's values stay as large as its left factor's.
    w = (torch.randn(size, size, generator=generator) / size**0.5).to(dtype)
    stepping.ready(torch.get_num_threads(), torch=torch.__version__)
    while stepping.wait():
        y = x
        for _ in range(job["products"]):
            y = y @ w
        stepping.done(y.float().square().mean())


main()
