"""What Python reads of a checkpoint: checkpoint.py FOLDER. Prints JSON.

The optimizer's tensors through safetensors, the state through transformers' own TrainerState, and the next step of
torch.optim.AdamW from that state, on gradients of zero, which the moments alone decide.
"""
import json
import sys

import torch
from safetensors.torch import load_file
from transformers.trainer_callback import TrainerState

folder = sys.argv[1]
state = TrainerState.load_from_json(f"{folder}/trainer_state.json")
weights = load_file(f"{folder}/model.safetensors")
moments = load_file(f"{folder}/optimizer.safetensors")
arguments = json.load(open(f"{folder}/training_args.json"))

name = "model.norm.weight"
parameter = torch.nn.Parameter(weights[name].clone())
# The optimizer takes the tensors themselves and counts on in them.
step = moments["step"].item()
optimizer = torch.optim.AdamW([parameter], lr=arguments["learning_rate"], betas=(arguments["adam_beta1"], arguments["adam_beta2"]), eps=arguments["adam_epsilon"], weight_decay=0)
optimizer.load_state_dict({
    "state": {0: {"step": moments["step"], "exp_avg": moments[f"{name}.exp_avg"], "exp_avg_sq": moments[f"{name}.exp_avg_sq"]}},
    "param_groups": optimizer.state_dict()["param_groups"],
})
parameter.grad = torch.zeros_like(parameter)
optimizer.step()
print(json.dumps({
    "global_step": state.global_step, "rows": len(state.log_history), "step": step,
    "names": sorted(moments), "next": parameter.tolist(),
}))
