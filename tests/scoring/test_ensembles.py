"""Ensembles as scorers: the mean of what their members give, the spread of these, and one encoder for all its heads."""

import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.explained_models import BARE, HEADS, baseline_on_disk, head_on_disk, rows_of, some_inserts
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.embeddings.encoders import kmer
from s2f.evaluation import ensembles
from s2f.evaluation.calibration import half_width, scaled_by
from s2f.heads.trained_head import Head
from s2f.heads.weights import load_head, save_head
from s2f.interpretation import scorer
from s2f.models.predictions import VALIDATION, prediction_table
from s2f.scoring.request import Request, score
from s2f.sequences import dna

pytestmark = pytest.mark.usefixtures("compiled_quickly", "toy_lamar")
LENGTH = 40


def ensemble(folder, *models, over="encoders", few=False):
    """The checkpoint of an ensemble of checkpoints `run/best_model`."""
    members = ensembles.read_members(models)
    parts = {part: rows_of(some_inserts(2)).assign(label=0.0) for part in ("train", "val")}
    folder.parent.mkdir(exist_ok=True)
    reasons = dict.fromkeys([0] * few, "on the validation rows: flat")
    ensembles.write(folder, "e", over, members, reasons, parts, {"dataset": "d", "split": "s", "seed": 1}, {})
    return folder


def fasta(path, codes):
    path.write_text("".join(f">s{number}\n{dna.decode(own)}\n" for number, own in enumerate(codes)))
    return path


def scored(model, kind, path, out, **more):
    score(Request(model, kind, path, out, **more))
    return pd.read_csv(out, sep="\t", keep_default_na=False, na_values=[""])


def validation(model, rule, count=60, seed=0):
    """Predictions of validation rows of a checkpoint, with errors."""
    random = np.random.default_rng(seed)
    rows = rows_of(some_inserts(count, LENGTH, 7)).assign(label=np.linspace(-1, 1, count))
    values = rows["label"].to_numpy() + random.normal(size=count)
    table = prediction_table(rows, dict.fromkeys(("forward", "reverse"), values), rule)
    table.to_csv(model / VALIDATION, sep="\t", index=False)


@pytest.fixture
def members(tmp_path):
    """Two heads on one encoder and k-mer ridge, of 40 bp on both strands."""
    spec, _, slug, rule = HEADS["kmer"]
    found = []
    for number in (1, 2):
        folder = tmp_path / f"head{number}"
        folder.mkdir()
        head_on_disk(folder / "best_model", spec, BARE, slug, rule)
        found.append(folder / "best_model")
    parameters, state = load_head(found[1], Head.template(read_json(found[1] / "model.json")))
    shutil.rmtree(found[1] / "checkpoint")  # other weights for the second head
    save_head(found[1], ({k: {n: 1.5 * v for n, v in own.items()} for k, own in parameters.items()}, state))
    (tmp_path / "ridge").mkdir()
    rows = rows_of(some_inserts(30, LENGTH, 2)).assign(label=np.linspace(-1, 2, 30))
    baseline_on_disk(
        tmp_path / "ridge" / "best_model", "kmer_ridge", BARE, {"k": [2], "alphas": [1.0]}, rows, rows, rule
    )
    found.append(tmp_path / "ridge" / "best_model")
    for number, model in enumerate(found):
        validation(model, rule, seed=number)
    return found


def test_sequences_and_variants_are_means_over_members(tmp_path, members, monkeypatch):
    model, codes = ensemble(tmp_path / "e" / "best_model", *members), some_inserts(5, LENGTH, 3)
    path = fasta(tmp_path / "a.fa", codes)
    alone = [scored(member, "fasta", path, tmp_path / "one.tsv") for member in members]
    asked = []
    build = kmer.build

    def counted(spec):
        encoder = build(spec)
        encode = encoder.encode
        object.__setattr__(encoder, "encode", lambda windows: asked.append(len(windows)) or encode(windows))
        return encoder

    monkeypatch.setattr(kmer, "build", counted)
    table = scored(model, "fasta", path, tmp_path / "all.tsv")
    assert asked == [5, 5]  # both strands once, for two heads
    for column in ("prediction", "forward", "reverse"):
        np.testing.assert_allclose(table[column], np.mean([own[column] for own in alone], axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["sd"], np.std([own["prediction"] for own in alone], axis=0, ddof=1), rtol=1e-9)
    assert alone[0]["sd"].isna().all() and list(alone[0]) == list(table)
    # intervals as wide as members differ
    known = pd.read_csv(model / VALIDATION, sep="\t")
    errors, spread = (known["label"] - known["prediction"]).to_numpy(), known["sd"].to_numpy()
    half = half_width(errors / scaled_by(spread, spread), 0.95) * scaled_by(table["sd"].to_numpy(), spread)
    np.testing.assert_allclose(table["high"] - table["prediction"], half, rtol=1e-9)

    changed = codes.copy()
    changed[:, 20] = (codes[:, 20] + 1) % 4
    pairs = tmp_path / "pairs.tsv"
    alleles = {"ref": map(dna.decode, codes), "alt": map(dna.decode, changed)}
    pd.DataFrame(alleles).to_csv(pairs, sep="\t", index=False)
    alone = [scored(member, "pairs", pairs, tmp_path / "one.tsv")["delta"] for member in members]
    table = scored(model, "pairs", pairs, tmp_path / "all.tsv")
    np.testing.assert_allclose(table["delta"], np.mean(alone, axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table["sd"], np.std(alone, axis=0, ddof=1), rtol=1e-9)


def test_a_moved_ensemble_gives_the_same_bytes(tmp_path, members):
    model, path = (
        ensemble(tmp_path / "e" / "best_model", *members[1:]),
        fasta(tmp_path / "a.fa", some_inserts(3, LENGTH)),
    )
    (members[1] / ".snakemake_timestamp").touch()  # hidden files are not of the model: a copy may lack them
    here = scored(model, "fasta", path, tmp_path / "here.tsv")
    shutil.copytree(model, tmp_path / "elsewhere", ignore=shutil.ignore_patterns(".*"))
    with (members[2] / "weights.npz").open("ab") as stream:  # in place, not as a training does
        stream.write(b"0")
    with pytest.raises(InputError, match=r"members/1: is not kmer_ridge .* as it was when the ensemble was made"):
        scored(model, "fasta", path, tmp_path / "changed.tsv")
    for folder in (model, *members):  # as on another machine
        shutil.rmtree(folder)
    scored(tmp_path / "elsewhere", "fasta", path, tmp_path / "there.tsv")
    assert (tmp_path / "here.tsv").read_bytes() == (tmp_path / "there.tsv").read_bytes()
    assert here["fingerprint"][0] == scorer.fingerprint(tmp_path / "elsewhere")[:16]


def test_a_classifier_averages_probabilities_of_sequences_and_log_odds_of_effects(tmp_path):
    rows, members = rows_of(some_inserts(60, LENGTH, 4)).assign(label=np.arange(60) % 2.0), []
    for k in (2, 3):
        (tmp_path / str(k)).mkdir()
        members.append(tmp_path / str(k) / "best_model")
        options = {"k": [k], "C": [1.0]}
        baseline_on_disk(members[-1], "kmer_logistic", BARE, options, rows, rows, "forward", "classification")
    model, codes = ensemble(tmp_path / "e" / "best_model", *members), some_inserts(4, LENGTH, 9)
    path = fasta(tmp_path / "a.fa", codes)
    alone = [scored(member, "fasta", path, tmp_path / "one.tsv")["prediction"] for member in members]
    table = scored(model, "fasta", path, tmp_path / "all.tsv")
    np.testing.assert_allclose(table["prediction"], np.mean(alone, axis=0), rtol=1e-9)
    np.testing.assert_allclose(table["sd"], np.std(alone, axis=0, ddof=1), rtol=1e-9)
    assert table["reverse"].isna().all() and table["low"].isna().all()
    # of both strands of the genome the one with the larger effect of the mean counts, for the spread too
    from s2f.scoring.scores import Scores

    outputs = np.array([[[0.0, 0.0], [1.0, 2.0], [0.0, 1.0], [-4.0, -2.0]]])[:, :, None]
    lines = Scores("e", "f", True, ["forward"], members=2).of_variants(pd.DataFrame({"id": ["v"]}), outputs)
    assert lines["delta"][0] == -3.5 and lines["sd"][0] == pytest.approx(np.std([-4, -3], ddof=1))
    assert lines["strand"][0] == "- (larger of both)"


def test_what_cannot_be_asked_is_refused(tmp_path, members):
    model, path = ensemble(tmp_path / "e" / "best_model", *members), fasta(tmp_path / "a.fa", some_inserts(3, LENGTH))
    with pytest.raises(InputError, match="--shifts: 'kmer_ridge' cannot shift its window"):
        scored(model, "fasta", path, tmp_path / "o.tsv", shifts=(0, 3))
    with pytest.raises(InputError, match="is an ensemble; use one of its members, the folders in"):
        scorer.load(model)
    for folder, hint in ((model / "members", "copy all files"), (model.parent, f"did you mean {model}")):
        with pytest.raises(InputError, match=f"{folder}: has no model.json, expected the folder best_model .*{hint}"):
            scored(folder, "fasta", path, tmp_path / "o.tsv")
    few = ensemble(tmp_path / "f" / "best_model", *members[1:], few=True)
    with pytest.raises(InputError, match="the ensemble is collapsed: 1 of 2 members remain"):
        scored(few, "fasta", path, tmp_path / "o.tsv")
    for number, name in enumerate(("lamar", "alphagenome")):
        place = model / "members" / str(number) / "model.json"
        place.unlink()  # a second name of the file of the member
        weights = {"kind": "kmer", "weights": {"path": f"/nowhere/{name}"}}
        write_json(place, read_json(members[number] / "model.json") | {"encoder": name, "encoder_spec": weights})
    request = Request(model, "fasta", path, tmp_path / "o.tsv")
    with pytest.raises(InputError, match="members read the encoders alphagenome, lamar; give ENCODER=FOLDER for each"):
        score(request, None, ["/here"])
    with pytest.raises(
        InputError, match=r"--encoder-weights lama=/here: no member reads the weights of 'lama'; did you mean"
    ):
        score(request, None, ["lama=/here"])
    from s2f.scoring.request import _encoders

    found = _encoders(model, read_json(model / "model.json"), None, ["lamar=/here"])
    assert [own.get("weights", {}).get("path") for own in found.values()] == ["/here", "/nowhere/alphagenome", None]


def test_weights_that_are_adapted_for_each_seed_are_found_in_another_folder(tmp_path):
    from s2f.scoring.request import _with_weights

    for seed in (1, 2):
        (tmp_path / f"draw{seed}").mkdir()
        found = _with_weights({"kind": "lamar", "weights": {"tapt": f"results/tapt/clip/draw{seed}"}}, str(tmp_path))
        assert found["weights"] == {"tapt": str(tmp_path / f"draw{seed}")}
    others = [f"results/tapt/clip/draw{seed}" for seed in (3, "s")] + ["results/tapt/clip"]
    for weights in others:  # one draw, whose folder is named itself
        assert _with_weights({"weights": {"tapt": weights}}, str(tmp_path))["weights"] == {"tapt": str(tmp_path)}
