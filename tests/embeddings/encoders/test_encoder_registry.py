"""The registry loads a family by name, only when it is asked for."""

import subprocess
import sys

import numpy as np
import pytest

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings import encoders


def test_kinds_are_the_modules_of_the_package():
    assert {"alphagenome", "onehot"} <= set(kinds.names("encoders"))


@pytest.mark.parametrize("spec", [{"kind": "borzoi"}, {}, {"kind": "__init__"}, {"kind": "../files"}])
def test_unknown_kind_names_the_known_ones(spec):
    with pytest.raises(InputError, match=r"encoders: kind .* is unknown.* known: .*alphagenome.*onehot"):
        encoders.build(spec)


def test_unknown_key_is_named():
    with pytest.raises(InputError, match="encoder onehot: unknown key 'bach_size'; did you mean 'batch_size'"):
        encoders.build({"kind": "onehot", "bach_size": 3})


def test_registry_and_onehot_do_not_import_jax(root):
    program = "import sys; from s2f.embeddings import encoders; encoders.build({'kind': 'onehot'})\n"
    program += "print(sorted({'jax', 'torch'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(root / "workflow" / "scripts")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 3), np.int64), r"int64 \(2, 3\), expected uint8"),
        (np.zeros(3, np.uint8), r"uint8 \(3,\), expected"),
        (np.zeros((2, 0), np.uint8), r"uint8 \(2, 0\), expected"),
        (np.full((2, 3), 5, np.uint8), r"hold 5, expected 0..4"),
    ],
)
def test_bad_codes_are_refused(codes, message):
    with pytest.raises(InputError, match=message):
        encoders.check_codes(codes)
