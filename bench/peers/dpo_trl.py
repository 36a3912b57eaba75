"""TRL's DPOTrainer as a peer of `npm run bench -- dpo`: dpo_trl.py JOB.json"""

from stepping import Stepping, read_job

stepping = Stepping()
job = read_job()

import trl
from datasets import Dataset
from trl_peer import Stepped, train


class SteppedTrainer(Stepped, trl.DPOTrainer):
    """Takes rows as token ids, the same for both sides."""

    def _prepare_dataset(self, dataset, *_):
        return dataset


rows = Dataset.from_list([
    {"prompt_ids": row["prompt"], "chosen_ids": row["chosen"], "rejected_ids": row["rejected"]}
    for batch in job["batches"] for row in batch
])
train(stepping, job, len(job["batches"][0]), SteppedTrainer, trl.DPOConfig, rows, config={"precompute_ref_log_probs": True, "beta": job["beta"]})
