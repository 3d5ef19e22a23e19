"""The tower of Enformer against numbers of enformer-pytorch (golden) and against its own contract."""

import importlib.util
import json
import logging
import math
from functools import cache

import jax
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch

from helpers.cache_builds import of
from helpers.on_gpu import by_device
from s2f.common import kinds, torch_file
from s2f.common.errors import InputError
from s2f.common.files import sha256_file
from s2f.embeddings import build as embedding
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _enformer_network as network
from s2f.embeddings.encoders import enformer_tower
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

SIZES = ["tiny", pytest.param("full", marks=pytest.mark.slow)]
TINY = {"kind": "enformer_tower", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 4}
OF_600 = ("rand0", "flanked", "with_N", "lower_U_runs")


class Golden:
    """Numbers, sequences and weights of the fixture."""

    def __init__(self, folder):
        self.about = json.loads((folder / "golden.json").read_text())
        self.arrays = np.load(folder / "golden.npz")
        spec = importlib.util.spec_from_file_location("recipe", folder / "recipe.py")
        self.recipe = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.recipe)
        self.weights = cache(lambda size: self.recipe.state(*self.recipe.SIZES[size])[0])
        self.encoder = cache(
            lambda size, precision: enformer_tower.from_weights(self.weights(size), size, precision, 4, "golden", "")
        )

    def codes(self, *names):
        return np.stack([dna.encode(self.about["sequences"][name]) for name in names])

    def tokens(self, size, *names):
        return np.stack([self.arrays[f"{size}__{name}"] for name in names])


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "enformer")


def relative_rms(found, wanted):
    found, wanted = np.asarray(found, np.float32), np.asarray(wanted, np.float32)
    return np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2))


@pytest.mark.parametrize(("size", "count"), [("tiny", 203_872), ("full", 50_877_952)])
def test_names_shapes_and_parameters_are_the_published_ones(golden, size, count):
    published = golden.about["parameters"][size]["arrays"]
    shapes = network.manifest(size)
    assert shapes == {name: tuple(about["shape"]) for name, about in published.items()} and len(shapes) == 100
    counted = [math.prod(shape) for name, shape in shapes.items() if not name.endswith(("_mean", "_var", "_tracked"))]
    assert sum(counted) == count == golden.about["parameters"][size]["count"]


@pytest.mark.parametrize("size", SIZES)
def test_float32_equals_the_package(golden, size):
    """At 600 bp, N and lower case among them, and at 200 bp; 281 bp: test_every_stage..."""
    for names in (OF_600, ["len200"]):
        found = golden.encoder(size, "float32").encode(golden.codes(*names))
        assert found.dtype == np.float32
        assert np.abs(found - golden.tokens(size, *names)).max() <= 1e-4


@pytest.mark.slow
def test_bfloat16_differs_by_its_rounding(golden, size="full"):
    """By 2.0 %, where the package itself differs by 2.6 % under autocast; a wrong GELU by 9 %."""
    found = golden.encoder(size, "bfloat16").encode(golden.codes(*OF_600))
    assert found.dtype == ml_dtypes.bfloat16
    assert 0.001 < relative_rms(found, golden.tokens(size, *OF_600)) < 0.025


@pytest.mark.usefixtures("compiled_quickly")
def test_gradient_equals_the_package(golden):
    stages, wanted = network.ready(golden.weights("tiny"), "tiny", "float32"), golden.arrays["tiny__rand0__grad"]
    along = golden.recipe.cotangent(*golden.arrays["tiny__rand0"].shape)

    @jax.jit
    @jax.grad
    def gradient(one_hot, stages):
        return (network.tower(stages, one_hot[None])[0][0] * along).sum()

    found = gradient(dna.one_hot(golden.codes("rand0"))[0], stages)
    assert np.abs(found - wanted).max() <= 1e-4 < wanted.std()


@pytest.mark.usefixtures("compiled_quickly")
def test_every_stage_equals_the_package_also_at_odd_lengths_and_n_is_zeros(golden):
    stages, tower = network.ready(golden.weights("tiny"), "tiny", "float32"), jax.jit(network.tower)
    for name in ("rand0", "len281"):
        tokens, pooled = tower(stages, dna.one_hot(golden.codes(name)))
        assert np.abs(tokens[0] - golden.arrays[f"tiny__{name}"]).max() <= 1e-4
        for number, stage in enumerate(pooled):
            about = golden.about["stage_slices"]["tiny"][f"{name}__stage{number}"]
            assert list(stage.shape[1:]) == about["shape"]
            found = np.asarray(stage[0])[np.ix_(about["positions"], about["channels"])]
            assert np.abs(found - golden.arrays[f"tiny__{name}__stage{number}"]).max() <= 1e-4
    assert len(pooled) == 7
    quarters = dna.one_hot(golden.codes("with_N"))
    quarters[quarters.sum(-1) == 0] = 0.25
    tokens, _ = tower(stages, quarters)
    assert np.abs(tokens[0] - golden.arrays["tiny__with_N_quarter"]).max() <= 1e-4
    assert relative_rms(tokens[0], golden.arrays["tiny__with_N"]) > 0.1  # another input


# Encoding


@pytest.fixture(scope="module")
def weights():
    """Weights that differ in every channel, of normalisations too."""
    random, weights = np.random.default_rng(0), enformer_tower.random_weights("tiny", 0)
    for name, array in weights.items():
        if array.ndim:
            weights[name] = array + np.abs(random.normal(0, 0.1, array.shape)).astype(np.float32)
    return weights


@pytest.fixture(scope="module")
def tiny(weights):
    return enformer_tower.from_weights(weights, "tiny", "float32", 4, "test", "none")


def test_record():
    tiny = encoders.build(TINY)
    assert (tiny.kind, tiny.channels, tiny.batch_size) == ("enformer_tower", 96, 4)
    assert [tiny.tokens(length) for length in (1, 128, 129, 200, 281, 384, 600, 2048)] == [1, 1, 2, 2, 3, 3, 5, 16]
    for kind in ("enformer_tower", "alphagenome"):  # what the study takes for T, without loading an encoder
        token_bp = kinds.facts("encoders", kind)["token_bp"]
        assert all(tiny.tokens(length) == -(-length // token_bp) for length in range(1, 700))
    assert (tiny.provenance, tiny.licence) == ("random weights, seed 0", "none (random weights)")
    assert {"jax", "jaxlib", "numpy"} == set(tiny.backend["versions"])
    # a pinned value: caches made with random weights on one machine must be valid on another
    assert tiny.fingerprint == "f57977f8c4c17cecfefc5038651ccfdc3056d26faa1af5cb0631f3aa8745a979"


@pytest.mark.usefixtures("compiled_quickly")
def test_shared_flanks_and_both_strands_equal_whole_windows(weights, tiny, caplog):
    length, insert, shift = 281, 130, 7
    construct = Construct(length, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    codes = np.random.default_rng(insert).integers(0, 5, (5, insert), np.uint8)
    windows = construct.assemble([dna.decode(row) for row in codes], shift)
    first, _ = construct.flank_lengths(insert, shift)
    chunk = windows, np.tile([first, first + insert], (5, 1))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        found = next(encoders.stream(tiny, [chunk], ["forward", "reverse"]))
    compiled = [record.message for record in caplog.records if record.message.startswith("Compiling jit(apply)")]
    assert len(compiled) == 2, compiled  # as the insert is not in the middle; else both strands share it
    assert all(f"uint8[4,{length}]" not in message for message in compiled)  # the middle alone
    whole = enformer_tower.from_weights(weights, "tiny", "float32", 4, "test", "none", reuse_flanks=False)
    for array, strand in zip(found, (windows, dna.reverse_complement(windows)), strict=True):
        wanted = whole.encode(strand)
        assert np.abs(array - wanted).max() <= by_device(1e-5, 1e-4) * wanted.std()
    assert np.abs(found[0] - found[1]).max() > 0.1


@pytest.mark.usefixtures("compiled_quickly")
def test_a_training_step_encodes_what_a_cache_holds(tmp_path, tiny):
    construct = Construct(150, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    inserts = np.random.default_rng(9).integers(0, 4, (4, 50), np.uint8)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(4)], "sequence": [dna.decode(row) for row in inserts]})
    paths = {strand: tmp_path / f"{strand}.h5" for strand in ("forward", "reverse")}
    embedding.build_strands(paths, rows, tiny, "tower", construct, dtype="float32")
    codes, step = construct.assemble(rows["sequence"]), jax.jit(tiny.apply)
    for strand, windows in (("forward", codes), ("reverse", dna.reverse_complement(codes))):
        stepped = step(tiny.parameters, windows)
        assert relative_rms(of(rows, paths[strand]), stepped) < 1e-5
    one_hot = jax.jit(tiny.apply_one_hot)(tiny.parameters, dna.one_hot(windows))
    assert relative_rms(one_hot, stepped) < by_device(1e-6, 1e-5)


# Weights


def test_fingerprint_tells_seed_size_precision_and_any_weight():
    weights = enformer_tower.random_weights("tiny", 0)
    found = {enformer_tower.fingerprint(weights, "tiny", precision) for precision in ("float32", "bfloat16")}
    found.add(enformer_tower.fingerprint(enformer_tower.random_weights("tiny", 1), "tiny", "float32"))
    for name in ("stem.0.bias", "conv_tower.5.1.fn.0.running_mean"):
        changed = {**weights, name: weights[name] + np.float32(1e-30)}
        found.add(enformer_tower.fingerprint(changed, "tiny", "float32"))
    assert len(found) == 5
    counted = {**weights, "stem.1.fn.0.num_batches_tracked": np.array(7)}  # of no effect
    assert enformer_tower.fingerprint(counted, "tiny", "float32") in found


@pytest.mark.usefixtures("compiled_quickly")
def test_random_features_are_useful():
    """Activations of order 1, and a linear readout finds the GC content of sequences it has not seen."""
    random = np.random.default_rng(4)
    gc = random.uniform(0.2, 0.8, 400)
    strong, weak = random.integers(1, 3, (400, 200)), random.choice([0, 3], (400, 200))
    codes = np.where(random.random((400, 200)) < gc[:, None], strong, weak).astype(np.uint8)
    found = encoders.build({**TINY, "batch_size": 100}).encode(codes).reshape(400, -1)
    assert 0.5 < found.std() < 2
    found = np.c_[found, np.ones(400)]
    fit, held_out = found[:300], found[300:]
    readout = np.linalg.solve(fit.T @ fit + 3 * np.eye(fit.shape[1]), fit.T @ gc[:300])
    assert np.corrcoef(held_out @ readout, gc[300:])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "huge"}, "encoder enformer_tower: size is 'huge', expected one of: full, tiny"),
        ({"precision": "float16"}, "precision is 'float16', expected one of: float32, bfloat16"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number"),
        ({"reuse_flanks": 1}, "reuse_flanks is 1, expected true or false"),
        ({"weights": {}}, r"weights is {}, expected {random: SEED} or {path: FOLDER}.*Hugging Face"),
        ({"weights": {"random": 0, "path": "x"}}, "weights is .*expected"),
        ({"wieghts": {"random": 0}}, "unknown key 'wieghts'; did you mean 'weights'"),
    ],
)
def test_bad_spec_is_named(change, message):
    with pytest.raises(InputError, match=message):
        encoders.build(TINY | change)


# The published checkpoint layout


def save(folder, weights, **more):
    """Write a checkpoint as published: the tower twice under two names, sharing storage, and the rest of the model."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    for module, number in (("stem", 1), ("conv_tower", 2)):
        for name in [name for name in state if name.startswith(f"{module}.")]:
            state[f"_trunk.{number}{name.removeprefix(module)}"] = state[name]
    state |= {"transformer.0.0.fn.0.weight": torch.ones(3), "final_pointwise.1.0.bias": torch.ones(2)}
    state |= {"_heads.human.0.weight": torch.ones(4, 2), **more}
    folder.mkdir()
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def test_checkpoint_gives_the_weights_it_holds_and_only_the_tower_is_read(tmp_path, weights, monkeypatch):
    folder = save(tmp_path / "enformer", weights)
    read, arrays = [], torch_file.arrays
    monkeypatch.setattr(torch_file, "arrays", lambda path, tensors: read.extend(tensors) or arrays(path, tensors))
    encoder = encoders.build({**TINY, "weights": {"path": str(folder)}})
    assert sorted(read) == sorted(weights)
    assert encoder.fingerprint == enformer_tower.fingerprint(weights, "tiny", "float32")
    assert encoder.licence.startswith("CC-BY-4.0") and "Avsec" in encoder.licence and "EleutherAI" in encoder.licence
    assert encoder.provenance == f"{folder / 'pytorch_model.bin'}, not the published file"
    monkeypatch.setattr(enformer_tower, "PUBLISHED", sha256_file(folder / "pytorch_model.bin"))
    assert encoders.build({**TINY, "weights": {"path": str(folder)}}).provenance == "EleutherAI/enformer-official-rough"


def test_other_weights_are_refused_by_name(tmp_path, weights):
    wrong = dict(weights)
    del wrong["stem.0.bias"]
    wrong["conv_tower.0.1.fn.2.bias"] = np.zeros(47, np.float32)
    wrong["stem.1.fn.2.bias"] = wrong["stem.1.fn.2.bias"].astype(np.float16)
    folder = save(tmp_path / "wrong", wrong, **{"stem.0.extra": torch.ones(1), "borzoi.weight": torch.ones(1)})
    with pytest.raises(InputError) as error:
        enformer_tower.read_checkpoint(folder, "tiny")
    message = str(error.value)
    assert message.startswith(f"{folder / 'pytorch_model.bin'}: does not fit the encoder: stem.0.bias is missing; ")
    assert "stem.0.extra is unexpected; borzoi.weight is unexpected" in message
    assert "conv_tower.0.1.fn.2.bias is float32 (47,), expected float32 (48,)" in message
    assert "stem.1.fn.2.bias is float16 (48,), expected float32 (48,)" in message


def test_weights_of_the_other_size_and_such_that_are_not_finite_are_refused(tmp_path, weights):
    with pytest.raises(InputError, match=r"expected float32 \(768,\).*; and \d\d more"):
        enformer_tower.read_checkpoint(save(tmp_path / "tiny", weights), "full")
    wrong = {**weights, "stem.0.bias": np.full(48, np.nan, np.float32)}
    with pytest.raises(InputError, match=r"stem\.0\.bias holds values that are not finite"):
        enformer_tower.read_checkpoint(save(tmp_path / "nan", wrong), "tiny")
    wrong = {**weights, "stem.1.fn.0.running_var": np.full(48, -1, np.float32)}
    with pytest.raises(InputError, match=r"stem\.1\.fn\.0\.running_var has negative values, but is a variance"):
        enformer_tower.read_checkpoint(save(tmp_path / "negative", wrong), "tiny")


def test_a_folder_without_weights_says_how_to_get_them(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder\. Get .*EleutherAI/enformer-official-rough"):
        enformer_tower.read_checkpoint(tmp_path / "nowhere", "tiny")
    with pytest.raises(InputError, match=r"holds no pytorch_model\.bin\. Get the weights"):
        enformer_tower.read_checkpoint(tmp_path, "tiny")
    (tmp_path / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match="is a pointer of git-lfs"):
        enformer_tower.read_checkpoint(tmp_path, "tiny")
    with pytest.raises(InputError, match="is a file, expected the folder that holds it"):
        enformer_tower.read_checkpoint(tmp_path / "pytorch_model.bin", "tiny")
