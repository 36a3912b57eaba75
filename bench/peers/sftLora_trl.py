"""TRL's SFTTrainer with PEFT's LoRA as a peer of `npm run bench -- sft-lora`: sftLora_trl.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import peft
import trl
from datasets import Dataset
from trl_peer import Stepped, train

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class SteppedTrainer(Stepped, trl.SFTTrainer):
    pass


lora = job["lora"]
adapter = peft.LoraConfig(r=lora["r"], lora_alpha=lora["loraAlpha"], lora_dropout=lora["loraDropout"], target_modules=PROJECTIONS, task_type="CAUSAL_LM")
rows = Dataset.from_list([{"input_ids": ids, "labels": ids} for batch in job["batches"] for ids in batch])
train(stepping, job, len(job["batches"][0]), SteppedTrainer, trl.SFTConfig, rows, versions={"peft": peft.__version__}, peft_config=adapter)
