"""A new kind is two files in one folder: one of every section, in a copy of the checkout, in one study."""

import shutil

import pandas as pd
import pytest
import yaml

from helpers.forked_snakemake import snakemake
from s2f.common import kinds

# section -> (module, schema) of a kind called `toy`
TOYS = {
    "sources": (
        """
'''Source `toy`: rows whose label is their share of G.'''
import numpy as np
import pandas as pd
from s2f.rows.stages import Stages

def read(files, spec):
    letters = np.random.default_rng(0).choice(list("ACGT"), (spec.get("rows", 0), 30))
    table = pd.DataFrame({"sequence": ["".join(row) for row in letters]})
    table["row_id"] = [f"toy{number}" for number in range(len(table))]
    stages = Stages()
    return stages.keep("made", table.assign(label=(letters == "G").mean(1))), stages
""",
        "x-kind: {simulated: false}\nproperties: {kind: {const: toy}, rows: {type: integer, default: 90}}",
    ),
    "splits": (
        """
'''Split `toy`: rows in turn.'''
import numpy as np
import pandas as pd

def assign(rows, spec, seed, units):
    return pd.Series(np.array(["train", "val", "test"], object)[units["locus"] % 3], index=rows.index), ""
""",
        "x-kind: {drawn: false}\nproperties: {kind: {const: toy}}",
    ),
    "panels": (
        """
'''Panel `toy`: the test rows that begin with a given letter.'''
import pandas as pd

def of_test(test, spec, name, stages):
    return of_lists([test[test["sequence"].str[0].isin(list(spec["letters"]))]])

def of_lists(lists):
    rows = lists[0].reset_index(drop=True)
    return pd.DataFrame({"row_id": rows["row_id"], "group": rows["unit"]})
""",
        "x-kind: {items: rows}\nproperties: {kind: {const: toy}, letters: {type: string, default: AC}}",
    ),
    "encoders": (
        """
'''Encoder `toy`: counts of the letters, one token.'''
import numpy as np
from s2f.embeddings.encoders import Encoder

def build(spec):
    return Encoder(
        kind="toy", channels=4, tokens=lambda length: 1, fingerprint="toy", licence="none", provenance="counts",
        encode=lambda codes: np.stack([(codes == n).sum(1) for n in range(4)], 1)[:, None].astype(np.float32),
        batch_size=64, backend={"name": "numpy", "device": "cpu"},
    )
""",
        "x-kind: {gpu: false}\nproperties: {kind: {const: toy}}",
    ),
    "augmentations": (
        """
'''Augmentation `toy`: the forward strand alone.'''
from s2f.heads.augmentations import CANONICAL

def views(options):
    return (CANONICAL,)

def draw(options):
    import jax.numpy as jnp
    from s2f.heads.augmentations.draws import Draw
    return lambda key, low, high: Draw(view=jnp.zeros((1, len(low)), jnp.int32))
""",
        "properties: {kind: {const: toy}}",
    ),
    "heads": (
        """
'''Head `toy-WIDTH`: one layer on the first token.'''
import haiku as hk
import jax

def build(parts, dropout, precision):
    width = int(parts[0]["width"])
    return hk.transform_with_state(
        lambda x, is_training, lane=0, weight=None: hk.Linear(1)(jax.nn.relu(hk.Linear(width)(x[:, 0])))[:, 0]
    )
""",
        'x-kind: {slug: "toy-(?P<width>[0-9]+)", names: toy-WIDTH}',
    ),
    "baselines": (
        """
'''Baseline `toy`: the share of one letter, by a straight line.'''
import numpy as np
from s2f.baselines import read_details, write_details

def share(inserts):
    return np.array([insert.count("G") / len(insert) for insert in inserts])

def train(train, val, construct, spec, seed, directory):
    slope, intercept = np.polyfit(share(train["sequence"]), train["label"], 1)
    write_details(
        directory, slope=slope, intercept=intercept, parameters=2, provenance="toy", licence="none",
    )
    return [], {"metric": "pearson", "value": None, "epoch": 0}

def load(directory, record):
    details = read_details(directory)
    return lambda inserts, strand="forward": details["slope"] * share(inserts) + details["intercept"]
""",
        "x-kind: {task: regression, gpu: false, epochs: false}\nproperties: {kind: {const: toy}, seeds: {default: 1}}",
    ),
}
STUDY = {
    "study": "toys",
    "datasets": {
        "toys": {
            "source": {"kind": "toy"}, "construct": "bare", "splits": ["in_turn"],
            "panels": {"all": {"kind": "rows"}, "begins": {"kind": "toy", "letters": "ACG"}},
            "homology": {"identity": 1},  # nothing to compile in the copy
        },
    },
    "constructs": {"bare": {"flanks": "none", "length": 30}},
    "splits": {"in_turn": {"kind": "toy"}},
    "encoders": {"counts": {"kind": "toy"}},
    "training": {"epochs": 3},
    "baselines": {"line": {"kind": "toy"}},
    "models": [{"encoders": ["counts"], "augmentations": ["toy"], "heads": ["toy-8"], "baselines": ["line"]}],
    "comparison": {"against": "line", "resamples": 100},
}  # fmt: skip


@pytest.fixture
def checkout(root, tmp_path):
    """A copy of the checkout with two more files in the folder of each section, and what it had before."""
    copy = tmp_path / "checkout"
    for name in ("workflow", "config", "profiles", "envs"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = {path for path in copy.rglob("*") if path.is_file()}
    for section, (module, schema) in TOYS.items():
        kind = copy / "workflow" / "scripts" / "s2f" / kinds.FOLDERS[section] / "toy"
        kind.with_suffix(".py").write_text(module.lstrip())
        head = "title: toy\ndescription: A toy.\n"
        rules = "" if section == "heads" else "type: object\nadditionalProperties: false\nrequired: [kind]\n"
        kind.with_suffix(".yaml").write_text(f"{head}{rules}{schema}\n")
    assert len([path for path in copy.rglob("*") if path.is_file()]) == len(before) + 2 * len(kinds.FOLDERS)
    return copy


@pytest.mark.slow
def test_a_toy_of_every_section_takes_two_files_and_runs(checkout, tmp_path):
    assert set(TOYS) == set(kinds.FOLDERS)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    target = ["--cores", "2", "results/compare.tsv", "--configfile", tmp_path / "study.yaml"]
    snakemake(checkout, tmp_path, *target)
    table = pd.read_csv(tmp_path / "results" / "compare.tsv", sep="\t")
    table = table[table["metric"] == "pearson"].set_index(["panel", "model"])
    assert set(table.index) == {(panel, model) for panel in ("all", "begins") for model in ("line", "counts/toy/toy-8")}
    assert table["value"]["all", "line"] == pytest.approx(1)
    assert table["value"]["all", "counts/toy/toy-8"] > 0.2
    assert 3 <= table["n"]["begins", "line"] < table["n"]["all", "line"]
