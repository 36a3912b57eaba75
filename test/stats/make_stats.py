"""Agreement and strengths as scipy, krippendorff and choix compute them: the figures in test/fixtures/stats.json.

    pip install numpy scipy krippendorff choix
    python test/stats/make_stats.py test/fixtures/stats.json
"""
import importlib.metadata
import json
import random
import sys

import choix
import krippendorff
import numpy as np
from scipy import stats

draws = random.Random(0)


def kendall(count, values):
    first, second = ([draws.randint(1, values) for _ in range(count)] for _ in range(2))
    return {"first": first, "second": second, "tau": stats.kendalltau(first, second, variant="b").statistic}


def alpha(raters, units, missing):
    """Raters who see the same with some noise, and leave some units out."""
    truth = [draws.randint(1, 5) for _ in range(units)]
    ratings = [[None if draws.random() < missing else max(1, min(5, value + draws.choice([0, 0, 0, 1, -1, 2]))) for value in truth] for _ in range(raters)]
    data = np.array([[np.nan if value is None else value for value in row] for row in ratings])
    levels = ("nominal", "ordinal", "interval")
    return {"ratings": ratings, **{level: krippendorff.alpha(reliability_data=data, level_of_measurement=level) for level in levels}}


def rankings(count, items, length):
    return [sorted(draws.sample(range(items), draws.randint(2, length)), key=lambda item: item + draws.gauss(0, 2)) for _ in range(count)]


def strengths(count, items, length):
    data = rankings(count, items, length)
    centred = lambda scores: (scores - scores.mean()).tolist()
    return {
        "rankings": data, "items": items,
        "greatestLikelihood": centred(choix.opt_rankings(items, data, alpha=0, method="Newton-CG", tol=1e-10)),
        "prior": 0.5, "withPrior": centred(choix.mm_rankings(items, data, alpha=0.5, tol=1e-12, max_iter=100_000)),
    }


result = {
    "versions": {name: importlib.metadata.version(name) for name in ("scipy", "krippendorff", "choix")},
    "kendall": [kendall(8, 100), kendall(8, 4), kendall(4, 4), kendall(30, 10), kendall(12, 2)],
    "krippendorff": [alpha(2, 12, 0), alpha(3, 15, 0.2), alpha(4, 10, 0.5)],
    "strengths": [strengths(60, 6, 2), strengths(40, 5, 5)],
}
with open(sys.argv[1], "w", encoding="utf8") as file:
    lists = ",\n".join(f' "{name}": ' + (json.dumps(value) if isinstance(value, dict) else "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]") for name, value in result.items())
    file.write(f"{{\n{lists}\n}}\n")
