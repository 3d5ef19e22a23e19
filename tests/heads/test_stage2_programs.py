"""The programs of stage 2: what they write, what they refuse to start from, and the export of the encoder."""

import json
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import torch

import embed
import evaluate_stage2
import export_encoder
import measure_drift
import train_stage2
from helpers.on_gpu import by_device
from helpers.programs import call
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.common.seen import Seen, of_model
from s2f.common.tables import numbers, read_table, write_table
from s2f.embeddings import encoders
from s2f.heads import networks
from s2f.heads.tuned import Tuned
from s2f.heads.weights import load_changes, save_changes, save_head
from s2f.models.checkpoint import read_record, write_record
from s2f.representation import drift
from s2f.rows.canonical import canonical, write_rows
from s2f.sequences.constructs import Construct
from s2f.splits.table import parts_of

HEAD, CONSTRUCT, NONE = "encoder-8-dropout", {"flanks": "gosai_episomal", "length": 128}, {"kind": "none"}
PROGRAMS = (embed, train_stage2, evaluate_stage2, export_encoder, measure_drift)


def tower(kind="alphagenome", **more):
    exact = {"precision": "float32", "batch_size": 64, "reuse_flanks": False}
    return {"kind": kind, "size": "tiny", "weights": {"random": 0}, **exact, **more}


class Study:
    """Rows of simulated inserts in a folder, and the programs as the rules call them."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        random = np.random.default_rng(0)
        inserts = ["".join(random.choice(list("ACGT"), 60)) for _ in range(64)]
        labels = [float(insert.count("G") - insert.count("T")) for insert in inserts]
        table = {"row_id": [f"r{i}" for i in range(64)], "sequence": inserts, "label": labels}
        self.rows = canonical(pd.DataFrame(table), "rows")
        write_rows(folder / "rows.parquet", self.rows)
        parts = ["train"] * 40 + ["val"] * 12 + ["test"] * 12
        write_table(folder / "split.tsv", pd.DataFrame({"row_id": self.rows["row_id"], "split": parts, "reason": ""}))
        write_table(
            folder / "panel.tsv", pd.DataFrame({"row_id": self.rows["row_id"][52:], "group": self.rows["row_id"][52:]})
        )
        self.common = [
            "--rows", folder / "rows.parquet", "--split", folder / "split.tsv", "--task", "regression", "--construct",
            json.dumps(CONSTRUCT), "--dataset", "d", "--split-name", "s", "--encoder", "e", "--strand-rule", "forward",
            "--study-seed", 0, "--threads", 1, "--memory-mb", 2000,
        ]  # fmt: skip

    def embedded(self, name, spec):
        """Cache of an encoder."""
        cache = self.folder / f"{name}.h5"
        call(
            self.monkeypatch, embed, "--rows", self.folder / "rows.parquet", "--encoder", name, "--encoder-spec",
            json.dumps(spec), "--construct", json.dumps(CONSTRUCT), "--dtype", "float32", "--threads", 1, "--out",
            cache, "--manifests", cache.with_suffix(".json"),
        )  # fmt: skip
        return cache

    def started(self, spec):
        """Folder of a head on the frozen encoder, as drawn: a trained one would take ten times as long."""
        folder, encoder, construct = self.folder / "start", encoders.build(spec), Construct.from_spec(CONSTRUCT)
        folder.mkdir()
        network = networks.build(HEAD, 0.0)
        x = jnp.zeros((1, encoder.tokens(construct.length), encoder.channels))
        save_head(folder, network.init(jax.random.key(0), x, is_training=False))
        nothing = Seen.of_value("nothing")
        write_record(
            folder, parts_of(self.rows, self.folder / "split.tsv"), ["jax"], name="start", kind="head",
            task="regression", dataset="d", split="s", encoder="e", model=f"e/none/{HEAD}", augmentation="none",
            head=HEAD, seed=1, strand_rule="forward", one_draw="", drawn_per_seed=False, construct=construct.spec(),
            spec=kinds.section_settings("heads/training", {}), tokens=x.shape[1], channels=x.shape[2],
            encoder_fingerprint=encoder.fingerprint, embedding_dtype="float32", encoder_spec=spec,
            provenance="drawn", seen=nothing.with_training("encoder"), seen_before=nothing.record(),
            licence=encoder.licence, parameters=1, validation={},
        )  # fmt: skip
        return folder

    def tuned(self, name, spec, start, caches=(), unfrozen=("downres_block_5",), **settings):
        """Folder of a stage-2 model."""
        model = self.folder / name / "best_model"
        rates = {"encoder_learning_rate": 0.001, "learning_rate": 0.001, "batch_size": 16, "epochs": 1}
        section = {"unfrozen": list(unfrozen), "start": "none", "augmentation": NONE, **rates, **settings}
        call(
            self.monkeypatch, train_stage2, *self.common, "--encoder-spec", json.dumps(spec), "--stage2", "last",
            "--settings", json.dumps(kinds.section_settings("heads/stage2", section)), "--unfrozen", *unfrozen,
            "--start", start, "--caches", *caches, "--head", HEAD, "--seed", 1, "--model", model, "--history",
            model.with_name("h.tsv"),
        )  # fmt: skip
        return model


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly_for_all():
    """As the fixture `compiled_quickly`, for those of the module too."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", by_device(cpu=True, gpu=False))
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for program in PROGRAMS:
            patch.setattr(
                program, "limit_to_job_resources", lambda threads, gpus: None
            )  # else for the rest of the tests
        yield Study(tmp_path_factory.mktemp("stage2"), patch)


@pytest.fixture(scope="module")
def alphagenome(study):
    """A head, and what became of it and the last block by the cached part below."""
    start = study.started(tower())
    caches = [study.embedded("below", tower(until="downres_block_4"))]
    return SimpleNamespace(start=start, caches=caches, tuned=study.tuned("tuned", tower(), start, caches))


def inputs(study):
    return [study.rows["sequence"][52:].tolist(), "forward"]


def test_a_stage_2_run_is_written_evaluated_and_says_what_it_is(study, alphagenome):
    record, start = read_record(alphagenome.tuned), read_record(alphagenome.start)
    assert (record["model"], record["augmentation"]) == (f"e/last/{HEAD}", "last")
    assert record["stage2"] == {
        "unfrozen": ["downres_block_5"], "stands_on": start["encoder_fingerprint"], "start": f"e/none/{HEAD}",
        "frozen_part": "cached",
    }  # fmt: skip
    assert record["encoder_fingerprint"] != start["encoder_fingerprint"]
    assert np.isfinite([record["validation"]["start"], record["validation"]["value"]]).all()
    assert len(read_table(alphagenome.tuned.with_name("h.tsv"))) == 1
    predictions, metrics = study.folder / "p.tsv", study.folder / "m.tsv"
    call(
        study.monkeypatch, evaluate_stage2, "--rows", study.folder / "rows.parquet", "--task", "regression", "--models",
        alphagenome.tuned, "--names", "id", "--kinds", "rows", "--panels", study.folder / "panel.tsv", "--encoder-spec",
        json.dumps(tower()), "--threads", 1, "--predictions", predictions, "--metrics", metrics,
    )  # fmt: skip
    model = Tuned.load(alphagenome.tuned, record, tower())
    found = read_table(predictions)
    assert found["row_id"].tolist() == study.rows["row_id"][52:].tolist()
    np.testing.assert_allclose(found["prediction"].astype(float), model.predict(*inputs(study)), rtol=1e-5)


def copied(model, folder, **changes):
    """A copy of a checkpoint whose model.json says something else."""
    shutil.copytree(model, folder)
    write_json(folder / "model.json", read_json(model / "model.json") | changes)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "boda-mean-8"}, "head is 'boda-mean-8', expected 'encoder-8-dropout'"),
        ({"seed": 2}, "seed is 2, expected 1"),
        ({"encoder": "other"}, "encoder is 'other', expected 'e'"),
        ({"augmentation": "random_rc"}, "augmentation is 'random_rc', expected 'none'"),
        ({"split": "other"}, "split is 'other', expected 's'"),
        ({"train_rows_sha256": "0"}, "train_rows_sha256 is '0', expected"),
        ({"stage2": {}}, "is already fine-tuned; start from a head on a frozen encoder"),
    ],
)
def test_another_start_is_refused(study, alphagenome, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        study.tuned("refused", tower(), copied(alphagenome.start, tmp_path / "start", **changes))
    assert not (study.folder / "refused" / "best_model").exists()


def test_other_weights_of_the_encoder_are_refused(study, alphagenome):
    other = tower(weights={"random": 1})
    with pytest.raises(InputError, match="the start was trained on another encoder"):
        study.tuned("refused", other, alphagenome.start)
    with pytest.raises(
        InputError, match=r"was fine-tuned from an encoder with fingerprint .* give it the weights that it had"
    ):
        Tuned.load(alphagenome.tuned, read_record(alphagenome.tuned), other)


def test_an_exchanged_run_folder_is_refused(study, alphagenome, tmp_path):
    """The weights of another head below the record of the start; caches of another block; arrays of another run."""
    swapped = copied(alphagenome.start, tmp_path / "swapped", head="boda-mean-8")
    with pytest.raises(InputError, match="encoder-8-dropout"):
        study.tuned("refused", tower(), swapped)
    arrays = copied(alphagenome.start, tmp_path / "arrays", channels=48)
    with pytest.raises(InputError, match=r"hidden_0/w has shape \(96, 8\), this head on this encoder has \(48, 8\)"):
        study.tuned("refused", tower(), arrays)
    with pytest.raises(InputError, match="encoder_fingerprint"):
        study.tuned("refused", tower(), alphagenome.start, alphagenome.caches, ["downres_block_4", "downres_block_5"])
    mixed = copied(alphagenome.tuned, tmp_path / "mixed")
    changes = load_changes(mixed)
    shutil.rmtree(mixed / "encoder")
    save_changes(mixed, {name: array + np.float32(1) for name, array in changes.items()})
    with pytest.raises(InputError, match=r"encoder_fingerprint is .*: the head was trained on another encoder"):
        Tuned.load(mixed, read_record(mixed), tower())


def exported(study, model, name):
    call(study.monkeypatch, export_encoder, "--model", model, "--out", study.folder / name)
    return study.folder / name


def test_the_exported_encoder_is_that_of_the_stage_2_model(study, alphagenome, capsys):
    folder = exported(study, alphagenome.tuned, "exported")
    assert f"'weights': {{'path': '{folder}'}}" in capsys.readouterr().out
    spec, record = tower(weights={"path": str(folder)}), read_record(alphagenome.tuned)
    encoder = encoders.build(spec)
    assert encoder.fingerprint == record["encoder_fingerprint"]
    assert encoder.licence == record["licence"] == "none (random weights)"
    assert encoder.provenance.startswith("fine-tuned on the training rows of d, split s ")
    assert of_model("encoders", spec).text == f"{record['seen']}, in the study that made it"
    # the head of the stage-2 model as one on this encoder, which is frozen now
    plain = copied(alphagenome.tuned, study.folder / "plain")
    write_json(plain / "model.json", {key: value for key, value in record.items() if key != "stage2"})
    expected = Tuned.load(alphagenome.tuned, record, tower()).predict(*inputs(study))
    np.testing.assert_array_equal(Tuned.load(plain, read_record(plain), spec).predict(*inputs(study)), expected)
    # weights that were exchanged below the record
    write_json(folder / "model.json", read_json(folder / "model.json") | {"encoder_fingerprint": "0"})
    with pytest.raises(InputError, match=r"model\.json: the weights beside it have fingerprint"):
        encoders.build(spec)


@pytest.mark.parametrize("kind", ["alphagenome", "enformer_tower"])
def test_an_encoder_that_did_not_change_is_exported_as_it_was(tmp_path, kind):
    spec = tower(kind)
    tunable = encoders.tunable(spec)
    changes = {name: tunable.weights[name] for name in tunable.block_of}
    kinds.module("encoders", kind).save(tmp_path / "w", spec, changes)
    merged = tower(kind, weights={"path": str(tmp_path / "w")})
    assert encoders.build(merged).fingerprint == encoders.build(spec).fingerprint
    with pytest.raises(InputError, match="array x is unexpected"):
        kinds.module("encoders", kind).save(tmp_path / "x", spec, {"x": np.zeros(1, np.float32)})


def test_a_tower_of_enformer_is_written_as_it_is_published(tmp_path):
    """PyTorch reads the file, and what is not trained is as it was."""
    spec = tower("enformer_tower")
    name = "conv_tower.5.0.2.bias"
    changes = {name: np.arange(96, dtype=np.float32)}
    kinds.module("encoders", "enformer_tower").save(tmp_path / "w", spec, changes)
    merged = tower("enformer_tower", weights={"path": str(tmp_path / "w")})
    assert encoders.build(merged).fingerprint == encoders.build(spec, changes).fingerprint
    state = torch.load(tmp_path / "w" / "pytorch_model.bin", weights_only=True)
    before = encoders.tunable(spec).weights
    assert all(torch.equal(state[n], torch.from_numpy({**before, **changes}[n])) for n in before)
    assert {n for n in state if n not in before} == {n for n in state if n.endswith("num_batches_tracked")}


def test_the_drift_of_a_stage_2_run_is_of_its_unfrozen_block_alone(study, alphagenome, tmp_path):
    out = tmp_path / "drift.tsv"
    options = ["--rows", study.folder / "rows.parquet", "--split", study.folder / "split.tsv", "--count", 8]
    options += ["--study-seed", 0, "--threads", 1, "--out", out, "--model"]
    call(study.monkeypatch, measure_drift, *options, alphagenome.tuned)
    table = read_table(out, drift.COLUMNS)
    assert table["stage"].tolist() == kinds.facts("encoders", "alphagenome")["blocks"]
    assert table["trained"].tolist() == ["no"] * 6 + ["yes"]
    cka = numbers(table, "cka", out).tolist()
    assert cka[:6] == [1.0] * 6 and 0.5 < cka[6] < 1
    assert (numbers(table, "n", out) == 8).all() and table["features"].tolist()[-1] == "96"
    before, after = (numbers(table, name, out) for name in ("isoscore_start", "isoscore"))
    assert (before[:6] == after[:6]).all() and before[6] != after[6]
    with pytest.raises(InputError, match=r"e/none/encoder-8-dropout is not fine-tuned, so its encoder"):
        call(study.monkeypatch, measure_drift, *options, alphagenome.start)


def test_what_cannot_be_exported_is_refused(study, alphagenome):
    with pytest.raises(
        InputError, match="is a head on a frozen encoder, so there is nothing to merge; expected a stage-2 model"
    ):
        exported(study, alphagenome.start, "refused")
    with pytest.raises(InputError, match="has the name of published weights"):
        exported(study, alphagenome.tuned, "alphagenome-all-folds")
    with pytest.raises(InputError, match=r"is based on {'random': 0}, which need no folder"):
        call(study.monkeypatch, export_encoder, "--model", alphagenome.tuned, "--out", "x", "--encoder-weights", "w")
