"""The smallest valid study, to be changed key by key."""

import copy

MINIMAL = {
    "study": "tiny",
    "datasets": {
        "simulated_d": {
            "source": {"kind": "simulated"},
            "construct": "c",
            "splits": ["chromosome"],
            "panels": {"chromosome": {"kind": "rows"}},
        }
    },
    "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
    "splits": {"chromosome": {"kind": "chromosome"}},
    "encoders": {"onehot": {"kind": "onehot"}},
    "baselines": {"mean": {"kind": "mean"}},
    "models": [{"encoders": ["onehot"], "heads": ["boda-mean-512-512"]}, {"baselines": ["mean"]}],
}


def changed(path, value):
    """A copy of the minimal study with one key set (or removed, when value is None)."""
    config = copy.deepcopy(MINIMAL)
    place = config
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config
