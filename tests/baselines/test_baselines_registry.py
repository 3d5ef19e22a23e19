import subprocess
import sys

import pandas as pd
import pytest

from s2f import baselines
from s2f.common import kinds
from s2f.common.errors import InputError


def test_kinds_are_found_and_loaded_by_name():
    known = kinds.names("baselines")
    assert {"mean", "kmer_ridge", "malinois", "malinois_published"} <= set(known)
    assert not [kind for kind in known if kind.startswith("_")]
    assert baselines.get("mean").__name__ == "s2f.baselines.mean"


def test_unknown_kind_names_the_known():
    with pytest.raises(InputError, match=r"baselines: kind 'cnn9' is unknown.* known: .*kmer_ridge, .*malinois"):
        baselines.get("cnn9")


def test_mean_and_ridge_do_not_load_torch():
    code = "import sys; from s2f import baselines; baselines.get('kmer_ridge'); baselines.get('mean')"
    code += "; sys.exit('torch' in sys.modules or 'jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_mean_predicts_the_training_mean(tmp_path):
    mean = baselines.get("mean")
    rows = pd.DataFrame({"sequence": ["ACGT", "AA", "C"], "label": [1.0, 2.0, 6.0]})
    history, validation = mean.train(rows, rows, None, {"kind": "mean"}, 0, tmp_path)
    assert (history, validation) == ([], {"metric": "pearson", "value": None, "epoch": 0, "ended": "solved"})
    assert mean.load(tmp_path, {})(["A", "C"], "reverse").tolist() == [3.0, 3.0]
    with pytest.raises(InputError, match="unknown key 'alpha'"):
        mean.train(rows, rows, None, {"kind": "mean", "alpha": 1}, 0, tmp_path)
    with pytest.raises(InputError, match="strand is 'both'"):
        mean.load(tmp_path, {})(["A"], "both")


def test_mean_of_several_cells_is_that_of_their_labels(tmp_path):
    mean = baselines.get("mean")
    rows = pd.DataFrame(
        {"sequence": ["ACGT", "AA", "C"], "label.K562": [1.0, None, 6.0], "label.HepG2": [0.0, 1.0, 2.0]}
    )
    mean.train(rows, rows, None, {"kind": "mean"}, 0, tmp_path)
    assert mean.load(tmp_path, {})(["A", "C"]).tolist() == [[3.5, 1.0], [3.5, 1.0]]
