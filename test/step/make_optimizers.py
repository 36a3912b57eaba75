"""Optimisers, loss scales and schedules as PyTorch and transformers compute them: the figures in test/fixtures/optimizers.json.

    python test/step/make_optimizers.py test/fixtures/optimizers.json

Two parameters, of which the second does not decay, take 20 steps along gradients drawn from a seed, in float32, at
learning rates that change from step to step.
"""
import json
import sys

import torch
import transformers

STEPS = 20
SHAPES = {"w": (2, 3), "norm": (3,)}
RATES = [0.02 * (1 - 0.6 * t / STEPS) for t in range(STEPS)]
CASES = {
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}, {"weightDecay": 0.1}),
    "adamw, other betas": (torch.optim.AdamW, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.0}, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    "adamw, no first moment": (torch.optim.AdamW, {"betas": (0.0, 0.99), "weight_decay": 0.01}, {"beta1": 0, "beta2": 0.99, "weightDecay": 0.01}),
    "sgd": (torch.optim.SGD, {}, {}),
    "sgd, decay": (torch.optim.SGD, {"weight_decay": 0.1}, {"weightDecay": 0.1}),
    "sgd, momentum": (torch.optim.SGD, {"momentum": 0.9}, {"momentum": 0.9}),
    "sgd, momentum and decay": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "weightDecay": 0.1}),
    "sgd, nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True, "weightDecay": 0.1}),
}
SCHEDULES = [("linear", 0, 5), ("linear", 3, 10), ("cosine", 0, 7), ("cosine", 4, 12), ("constant", 0, 4), ("constant_with_warmup", 2, 6), ("constant_with_warmup", 0, 3), ("linear", 6, 4)]

torch.manual_seed(4)
start = {name: torch.randn(shape) for name, shape in SHAPES.items()}
# Sizes differ from value to value and from step to step, by three powers of ten each.
gradients = [{name: torch.randn(shape) * 10 ** torch.empty(shape).uniform_(-3, 0) for name, shape in SHAPES.items()} for _ in range(STEPS)]


def run(optimizer_class, settings, scale):
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    groups = [{"params": [parameters["w"]]}, {"params": [parameters["norm"]], "weight_decay": 0.0}]
    optimizer = optimizer_class(groups, lr=1.0, **settings)
    for rate, gradient in zip(RATES, gradients):
        for group, factor in zip(optimizer.param_groups, (1, scale)):
            group["lr"] = rate * factor
        for name, parameter in parameters.items():
            parameter.grad = gradient[name].clone()
        optimizer.step()
    return {name: parameter.detach().flatten().tolist() for name, parameter in parameters.items()}


def factors(kind, warmup, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = transformers.get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    values = []
    for _ in range(steps):
        values.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return values


def scales(overflows, interval):
    """The scale after each step, of which some overflow."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", growth_interval=interval)
    values = []
    for overflow in overflows:
        scaler.scale(parameter.sum() * 0)
        parameter.grad = torch.tensor([float("inf") if overflow else 1.0])
        scaler.step(optimizer)
        scaler.update()
        values.append(scaler.get_scale())
    return values


OVERFLOWS = [step in (0, 1, 6, 13, 14) for step in range(24)]

result = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "rates": RATES,
    "start": {name: value.flatten().tolist() for name, value in start.items()},
    "gradients": [{name: value.flatten().tolist() for name, value in step.items()} for step in gradients],
    "cases": [{"name": name, "options": ours, "normRateScale": scale, "end": run(optimizer, settings, scale)} for name, (optimizer, settings, ours) in CASES.items() for scale in (1, 0.25)],
    "scaler": {"growthInterval": 3, "overflows": OVERFLOWS, "scales": scales(OVERFLOWS, 3)},
    "schedules": [{"kind": kind, "warmupSteps": warmup, "maxSteps": steps, "factors": factors(kind, warmup, steps)} for kind, warmup, steps in SCHEDULES],
}
with open(sys.argv[1], "w", encoding="utf8") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
