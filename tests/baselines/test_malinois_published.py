import argparse
import hashlib
import io
import json
import os
import pickle
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch

from s2f.baselines import malinois_published
from s2f.baselines._malinois_network import Malinois
from s2f.baselines._malinois_training import Settings
from s2f.common.errors import InputError
from s2f.models.validation import pearson
from s2f.sequences.constructs import Construct

CONSTRUCT = Construct.from_spec({"flanks": "gosai_episomal", "length": 600})
ROWS = pd.DataFrame({"row_id": ["a", "b", "c"], "sequence": ["ACGT" * 50, "GATTACA" * 20, "TTTT" * 50]})
ROWS["label"] = [0.0, 1.0, 2.0]
ROWS["chrom"], ROWS["published"] = ["chr7", "chr13", ""], ["test", "", "ood:AdaLead"]  # none that it was trained on

SHARED = {
    "conv1_channels": 300, "conv1_kernel_size": 19, "conv2_channels": 200, "conv2_kernel_size": 11,
    "conv3_channels": 200, "conv3_kernel_size": 7, "n_linear_layers": 1, "linear_channels": 1000,
    "linear_activation": "ReLU", "linear_dropout_p": 0.11625456877954289, "n_branched_layers": 3,
    "branched_channels": 140, "branched_activation": "ReLU", "branched_dropout_p": 0.5757068086404574, "n_outputs": 3,
    "use_batch_norm": True, "use_weight_norm": False, "loss_criterion": "L1KLmixed",
}  # fmt: skip
DIALECTS = {
    "old": SHARED | {"criterion_reduction": "mean", "kl_scale": np.float64(5.0), "mse_scale": np.float32(1.0)},
    "new": SHARED | {"input_len": np.int64(600), "loss_args": {"reduction": "mean", "alpha": 1.0, "beta": 5.0}},
}


@pytest.fixture(scope="module")
def network():
    """Random weights in the shape of the published network, with branches large enough to tell sequences apart."""
    torch.manual_seed(0)
    network = Malinois(600, Settings.from_spec({}), 3)
    for parameter in (*network.branched.parameters(), *network.output.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def checkpoint(network, dialect="new", **change):
    return {
        "data_module": "MPRA_DataModule", "data_hparams": argparse.Namespace(val_chrs=["19", "21", "X"]),
        "model_module": "BassetBranched", "model_hparams": argparse.Namespace(**DIALECTS[dialect]),
        "graph_module": "CNNTransferLearning", "graph_hparams": argparse.Namespace(lr=np.float64(0.003)),
        "model_state_dict": network.state_dict(), "timestamp": "20211113_021200", "random_tag": 287348,
    } | change  # fmt: skip


def archive(path, name, content, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.linkname = len(content), kind, "/etc/hostname"
        tar.addfile(member, io.BytesIO(content))
    return path


def run(path, folder, **spec):
    return malinois_published.train(ROWS[:0], ROWS, CONSTRUCT, {"path": path, "output": "HepG2"} | spec, 0, folder)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("packed", [False, True])
def test_round_trip_of_both_dialects(network, dialect, packed, tmp_path):
    path = tmp_path / "torch_checkpoint.pt"
    torch.save(checkpoint(network, dialect), path)
    if packed:
        path = archive(tmp_path / "malinois.tar.gz", "./artifacts/torch_checkpoint.pt", path.read_bytes())
    before = sorted(path.name for path in tmp_path.iterdir())
    folder = tmp_path / "model"
    folder.mkdir()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    history, validation = run(str(path), folder, sha256=sha256.upper())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "model"])
    predict = malinois_published.load(folder, {"construct": CONSTRUCT.spec()})
    codes = torch.from_numpy(CONSTRUCT.assemble(list(ROWS["sequence"])))
    expected = network(codes).detach().numpy()[:, 1]
    np.testing.assert_allclose(predict(list(ROWS["sequence"])), expected, rtol=1e-5)
    assert not np.allclose(predict(list(ROWS["sequence"]), "reverse"), expected)
    value = pytest.approx(pearson(expected, ROWS["label"]), abs=1e-5)
    assert history == [] and validation == {"metric": "pearson", "value": value, "epoch": 0}
    details = json.loads((folder / "details.json").read_text())
    assert details["provenance"] == f"published: {malinois_published.URL}, sha256 {sha256}"
    assert details["parameters"] == 4_107_183 and details["narrow"] is False and details["predicted"] == ["HepG2"]
    assert all(isinstance(a, torch.Tensor) for a in torch.load(folder / "weights.pt", weights_only=True).values())


def test_of_rows_with_cells_it_predicts_these_in_their_order(network, tmp_path):
    path = tmp_path / "torch_checkpoint.pt"
    torch.save(checkpoint(network), path)
    labels = {"label.SKNSH": [0.0, 1.0, 2.0], "label.K562": [1.0, np.nan, 0.0]}
    rows = ROWS.assign(**labels)
    spec = {"path": str(path)}
    _, validation = malinois_published.train(rows[:0], rows, CONSTRUCT, spec, 0, tmp_path)
    predict = malinois_published.load(tmp_path, {"construct": CONSTRUCT.spec()})
    expected = network(torch.from_numpy(CONSTRUCT.assemble(list(ROWS["sequence"])))).detach().numpy()[:, [2, 0]]
    np.testing.assert_allclose(predict(list(ROWS["sequence"])), expected, rtol=1e-5)
    mean = (pearson(expected[:, 0], [0, 1, 2]) + pearson(expected[[0, 2], 1], [1, 0])) / 2
    assert validation["value"] == pytest.approx(mean, abs=1e-5)
    with pytest.raises(
        InputError, match=r"a cell of the dataset is 'HeLa', expected one of \('K562', 'HepG2', 'SKNSH'\)"
    ):
        malinois_published.train(rows, ROWS.assign(**{"label.HeLa": 0.0}), CONSTRUCT, spec, 0, tmp_path)


@pytest.mark.parametrize(("chrom", "published"), [("chr19", "val"), ("chr1", "train"), ("", "")])
def test_rows_that_it_may_have_seen_give_no_validation_score(network, tmp_path, chrom, published):
    """Chromosomes 19, 21 and X chose its epoch, as they are validation rows of the published split."""
    path = tmp_path / "torch_checkpoint.pt"
    torch.save(checkpoint(network), path)
    rows = ROWS.copy()
    rows.loc[1, ["chrom", "published"]] = chrom, published
    nothing = {"metric": "pearson", "value": None, "epoch": 0}
    for val, spec in ((rows, {"output": "K562"}), (rows.assign(**{"label.K562": 1.0, "label.HepG2": 0.0}), {})):
        spec = {"path": str(path)} | spec
        assert malinois_published.train(val[:0], val, CONSTRUCT, spec, 0, tmp_path) == ([], nothing)
        assert malinois_published.load(tmp_path, {"construct": CONSTRUCT.spec()})(["ACGT"]).shape[0] == 1


def test_numbers_of_older_numpy_are_read(network, tmp_path):
    path = tmp_path / "torch_checkpoint.pt"
    torch.save({"tag": np.float64(2.5)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"numpy._core.multiarray\nscalar" in content
    older = content.replace(b"numpy._core.multiarray\nscalar", b"numpy.core.multiarray\nscalar")
    assert malinois_published.unpickle(older, path) == malinois_published.unpickle(content, path) == {"tag": 2.5}


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("packed", [False, True])
def test_code_in_the_pickle_is_refused_and_does_not_run(network, packed, tmp_path):
    target, path = tmp_path / "created", tmp_path / "torch_checkpoint.pt"
    torch.save(checkpoint(network, model_hparams=argparse.Namespace(evil=Payload(target))), path)
    content = path.read_bytes()
    if packed:
        path = archive(tmp_path / "a.tar.gz", malinois_published.MEMBER, content)
    with pytest.raises(
        InputError,
        match=r"is refused, because it holds more than weights and plain settings \(it "
        r"asks for (posix|nt)\.mkdir\)",
    ):
        run(path, tmp_path)
    path.write_bytes(pickle.dumps(Payload(target), protocol=2))
    with pytest.raises(InputError, match=r"is refused, because it holds more than weights and plain settings \("):
        run(path, tmp_path)
    assert not target.exists()
    torch.load(io.BytesIO(content), weights_only=False)  # the payload would have worked
    assert target.exists()


def test_wrong_weights_are_named(network, tmp_path):
    state, path = network.state_dict(), tmp_path / "torch_checkpoint.pt"

    def read(new):
        torch.save(checkpoint(network, model_state_dict=new), path)
        run(path, tmp_path)

    with pytest.raises(InputError, match=r"array conv2\.conv\.bias is missing"):
        read({key: value for key, value in state.items() if key != "conv2.conv.bias"})
    with pytest.raises(InputError, match=r"array linear2\.linear\.bias is unexpected"):
        read({**state, "linear2.linear.bias": torch.zeros(1)})
    with pytest.raises(InputError, match=r"output\.weight has shape \(2, 140, 1\), expected \(3, 140, 1\)"):
        read({**state, "output.weight": torch.zeros(2, 140, 1)})
    with pytest.raises(InputError, match="model_state_dict is not a dictionary of tensors"):
        read({**state, "output.weight": [1.0]})
    assert not (tmp_path / "weights.pt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_module": "Basset"}, "model_module is 'Basset', expected 'BassetBranched'"),
        (
            {"model_hparams": {"branched_activation": "ReLU6"}},
            "branched_activation is 'ReLU6', expected 'ReLU' as in Malinois",
        ),
        ({"model_hparams": argparse.Namespace(input_len=200)}, "input_len is 200, expected 600 as in Malinois"),
        ({"model_hparams": [1]}, "model_hparams is a list"),
    ],
)
def test_other_networks_are_named(change, message):
    with pytest.raises(InputError, match=message):
        malinois_published.state_dict(
            {"model_state_dict": {}, "model_hparams": {}} | {"model_module": "BassetBranched"} | change, "x.pt"
        )


def test_incomplete_checkpoint_is_named():
    with pytest.raises(InputError, match=r"x.pt: key 'model_hparams' is missing"):
        malinois_published.state_dict({"model_module": "BassetBranched"}, "x.pt")


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "a.tar.gz"
    with pytest.raises(InputError, match=r"a.tar.gz: not readable \(No such file"):
        run(path, tmp_path)
    archive(path, "../../torch_checkpoint.pt", b"x")
    with pytest.raises(InputError, match=r"has no file artifacts/torch_checkpoint.pt; it holds: ../../torch"):
        run(path, tmp_path)
    with pytest.raises(
        InputError, match=r"sha256 is [0-9a-f]{64}, expected 0123: the file is damaged, or it is another file"
    ):
        run(path, tmp_path, sha256="0123")
    archive(path, malinois_published.MEMBER, b"", tarfile.SYMTYPE)
    with pytest.raises(InputError, match=r"has no file artifacts/torch_checkpoint.pt"):
        run(path, tmp_path)
    path.write_bytes(archive(path, malinois_published.MEMBER, os.urandom(3000)).read_bytes()[:1500])
    with pytest.raises(InputError, match="broken archive"):
        run(path, tmp_path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=r"not a PyTorch checkpoint|refused"):
        run(path, tmp_path)


def test_settings_and_construct_are_checked(tmp_path):
    with pytest.raises(InputError, match=r"output is 'A549', expected one of .*K562"):
        run("x", tmp_path, output="A549")
    with pytest.raises(InputError, match="path is missing"):
        malinois_published.train(ROWS, ROWS, CONSTRUCT, {"output": "K562"}, 0, tmp_path)
    for spec in (
        {"flanks": "gosai_episomal", "length": 384},
        {"flanks": "lentimpra", "length": 281, "layout": "whole"},
    ):
        with pytest.raises(InputError, match=f"reads 600 bp of the Gosai plasmid.* has {spec['length']} bp"):
            malinois_published.train(
                ROWS, ROWS, Construct.from_spec(spec), {"path": "x", "output": "K562"}, 0, tmp_path
            )
