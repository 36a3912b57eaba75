"""TRL's RewardTrainer as a peer of `npm run bench -- reward`: reward_trl.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import torch
import trl
from datasets import Dataset
from transformers import AutoModelForSequenceClassification
from trl_peer import Stepped, train


class SteppedTrainer(Stepped, trl.RewardTrainer):
    pass


def model_of(job, dtype):
    """The body from the folder, the head as the job gives it."""
    model = AutoModelForSequenceClassification.from_pretrained(job["model"], dtype=dtype, attn_implementation="sdpa", num_labels=1)
    with torch.no_grad():
        model.score.weight.copy_(torch.tensor([job["score"]]))
    return model


rows = Dataset.from_list([{"chosen_ids": row["chosen"], "rejected_ids": row["rejected"]} for batch in job["batches"] for row in batch])
train(stepping, job, len(job["batches"][0]), SteppedTrainer, trl.RewardConfig, rows, model_of=model_of)
