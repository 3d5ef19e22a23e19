"""IsoScore: golden values, two independent oracles, invariances, what is undefined, and the table from caches."""

import json

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoscore as program
import plot_isoscore
from helpers.programs import call
from s2f.common import files, tables
from s2f.common.errors import InputError
from s2f.embeddings import build as embedding
from s2f.embeddings.encoders import Encoder
from s2f.representation import isoscore
from s2f.sequences.constructs import Construct

R = np.random.RandomState  # the stream of the golden clouds
A = R(0).standard_normal((1000, 16))
B = A * (1 / np.arange(1, 17))
CLOUDS = {
    "A": A,
    "B": B,
    "C": A * np.concatenate([np.ones(8), np.zeros(8)]),
    "D": R(1).standard_normal((20, 64)),
    "E": R(2).uniform(size=(500, 1)) * np.ones((1, 8)) + 0.01 * R(3).standard_normal((500, 8)),
    "F": 5.0 + 3 * B @ np.linalg.qr(R(4).standard_normal((16, 16)))[0],
    "G": R(5).standard_normal((2000, 768)),
    "H": R(6).standard_normal((200, 768)),
}


def of(points, parts=1):
    return isoscore.measure(np.array_split(points, parts))


def by_the_paper(points):
    """The published steps: principal components, variances scaled to norm sqrt(d), defect, score."""
    d = points.shape[1]
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=True)[2]
    variances = np.diag(np.cov((points @ axes.T).T))
    scaled = np.sqrt(d) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    return ((d - defect**2 * (d - np.sqrt(d))) ** 2 - d) / (d * (d - 1))


# numbers


@pytest.mark.parametrize("name", CLOUDS)
def test_golden_values(shared, name):
    cases = json.loads((shared / "golden" / "lamar" / "golden_isoscore.json").read_text())["cases"]
    found = of(CLOUDS[name])
    assert sorted(cases) == sorted(CLOUDS)
    assert (found["n"], found["d"], found["note"]) == (*cases[name]["shape"], "")
    for key in ("isoscore_closed_form", "isoscore_pypi_2_0_1"):
        assert found["isoscore"] == pytest.approx(cases[name][key], abs=1e-6)
    assert found["k90_ratio"] == cases[name]["seed_k90"]


@pytest.mark.parametrize("name", "ABCDEF")
def test_equals_the_steps_of_the_paper(name):
    assert of(CLOUDS[name])["isoscore"] == pytest.approx(by_the_paper(CLOUDS[name]), abs=1e-7)


def test_equals_the_authors_package():
    package = pytest.importorskip("IsoScore.IsoScore")
    for name in "ABCDEF":
        assert of(CLOUDS[name])["isoscore"] == pytest.approx(float(package.IsoScore(CLOUDS[name])), abs=1e-6)


def test_isotropic_cloud_scores_as_expected_for_its_size():
    for count, d in ((20, 64), (200, 768), (1000, 200), (1000, 16)):
        scores = [isoscore.isoscore(isoscore.moments([R(s).standard_normal((count, d))])[2]) for s in range(3)]
        expected = isoscore.isotropic(count, d)
        assert np.mean(scores) == pytest.approx(expected, rel=0.1 if count < 100 else 0.02)
    assert isoscore.isotropic(200, 768) == pytest.approx(0.2056, abs=1e-4)
    assert isoscore.isotropic(10**12, 768) == pytest.approx(1)


def test_k90_by_singular_values_of_the_points():
    for points in (CLOUDS[name] for name in "ABCDEF"):
        singular = np.linalg.svd(points - points.mean(0), compute_uv=False)
        share = np.cumsum(singular) / singular.sum()
        assert of(points)["k90_ratio"] == ((share < 0.9).sum() + 1) / min(points.shape)


# properties


clouds = st.tuples(st.integers(2, 30), st.integers(2, 8), st.integers(0, 10**6)).map(
    lambda drawn: R(drawn[2]).standard_normal(drawn[:2]) * np.exp(R(drawn[2] + 1).uniform(-3, 3, drawn[1]))
)


@settings(max_examples=60, deadline=None)
@given(clouds, st.floats(1e-3, 1e3), st.floats(-1e4, 1e4), st.integers(0, 99))
def test_shift_scale_and_rotation_change_nothing(points, scale, shift, seed):
    d = points.shape[1]
    rotation = np.linalg.qr(R(seed).standard_normal((d, d)))[0]
    score = of(points)["isoscore"]
    assert of(scale * points)["isoscore"] == pytest.approx(score, abs=1e-9)
    assert of(points + shift)["isoscore"] == pytest.approx(score, abs=1e-9)
    assert of(points @ rotation)["isoscore"] == pytest.approx(score, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(clouds, st.integers(1, 7))
def test_blocks_change_nothing_and_bounds_hold(points, parts):
    whole, split = of(points), of(points, parts)
    assert split["isoscore"] == pytest.approx(whole["isoscore"], abs=1e-12)
    assert split["k90_ratio"] == whole["k90_ratio"] and split["n"] == len(points)
    rank = min(len(points) - 1, points.shape[1])
    assert -1e-12 <= whole["isoscore"] <= (rank - 1) / (points.shape[1] - 1) + 1e-12
    assert 0 < whole["k90_ratio"] <= 1


def test_one_direction_is_zero_and_a_cross_is_one():
    assert of(np.outer(np.arange(9.0), [1, 2, 3]))["isoscore"] == pytest.approx(0, abs=1e-12)
    cross = np.concatenate([np.eye(5), -np.eye(5)])
    assert of(cross)["isoscore"] == pytest.approx(1, abs=1e-12)
    assert of(1e-100 * cross)["isoscore"] == pytest.approx(1, abs=1e-12)


def test_moments_are_those_of_numpy():
    points = 1e6 + R(0).standard_normal((301, 5))
    count, mean, covariance = isoscore.moments([points[:1], points[1:100], points[:0], points[100:]])
    assert count == 301
    np.testing.assert_allclose(mean, points.mean(0), rtol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(points.T), rtol=0, atol=1e-8)


# what is undefined


@pytest.mark.parametrize(
    ("points", "note"),
    [
        (np.ones((5, 3)) * [1e3, -0.1, 1 / 3], "constant embeddings: all points are the same"),
        (np.zeros((5, 3)), "constant embeddings: all points are the same"),
        (np.ones((1, 3)), "one point, but at least 2 are needed"),
        (np.arange(5.0)[:, None], "one channel, but at least 2 are needed"),
    ],
)
def test_undefined_scores_say_why(points, note):
    found = of(points, 2)
    assert found["note"] == note and found["n"] == len(points)
    assert np.isnan([found[key] for key in ("isoscore", "isotropic", "k90_ratio")]).all()


def test_broken_points_are_refused():
    points = np.ones((5, 3))
    points[4, 1] = np.inf
    with pytest.raises(InputError, match="embedding 4 holds a value that is not finite"):
        of(points, 2)
    with pytest.raises(InputError, match="there are no embeddings, expected at least 2"):
        of(points[:0])


# caches


def build(folder, name, rows, channels=4, function=None, **options):
    """A cache of a made-up encoder with 3 tokens of 4 bp; its path."""

    def encode(codes):
        values = R(1).standard_normal((5, 12, channels))[codes, np.arange(12)]
        return values.reshape(len(codes), 3, 4, channels).sum(2).astype(np.float32)

    encoder = Encoder(
        kind="onehot", channels=channels, tokens=lambda length: 3, fingerprint=name, licence="none",
        provenance="random weights, seed 0" if name == "b" else "made up", encode=function or encode, batch_size=7,
        backend={},
    )  # fmt: skip
    path = folder / name / "+00.forward.h5"
    path.parent.mkdir()
    manifest = embedding.build(path, rows, encoder, name, Construct(12, "", ""), dtype="float32", **options)
    files.write_json(path.with_suffix(".json"), manifest)
    return path


def make_rows(seed=0, count=50):
    sequences = ["".join(letters) for letters in R(seed).choice(list("ACGT"), (count, 12))]
    sequences[1] = sequences[0]
    return pd.DataFrame({"row_id": [f"r{i}" for i in range(count)], "sequence": sequences})


def test_table_of_caches(tmp_path, monkeypatch):
    paths = [build(tmp_path, name, make_rows(), channels) for name, channels in (("a", 4), ("b", 6))]
    monkeypatch.setattr(isoscore, "BLOCK_BYTES", 1000)
    table = isoscore.table(paths, ["pooled", "tokens"]).set_index(["encoder", "level"])
    for path, name in zip(paths, "ab", strict=True):
        with isoscore.open_cache(path) as cache:
            values = np.array(cache.embedding, np.float64)
        assert len(values) == 49  # each unique sequence once
        for level, points in (("pooled", values.mean(1)), ("tokens", values.reshape(-1, values.shape[2]))):
            line, expected = table.loc[(name, level)], of(points)
            assert line["isoscore"] == pytest.approx(expected["isoscore"], abs=1e-12)
            assert (line["n"], line["d"]) == (len(points), values.shape[2])
            assert line["encoder_fingerprint"] == name
    assert table["sequences_sha256"].nunique() == 1


def test_caches_of_other_sequences_are_refused(tmp_path):
    paths = [build(tmp_path, name, make_rows(seed)) for name, seed in (("a", 0), ("b", 1))]
    with pytest.raises(
        InputError, match=r"b/.00.forward.h5: sequences_sha256 is .*; scores are comparable only on equal windows"
    ):
        isoscore.table(paths)


def test_other_strands_damage_and_levels_are_refused(tmp_path):
    paths = [build(tmp_path, "a", make_rows()), build(tmp_path, "b", make_rows(), strand="reverse")]
    with pytest.raises(InputError, match=r"strand is reverse, but in .* it is forward"):
        isoscore.table(paths)
    with pytest.raises(InputError, match="level is 'words', expected one of: pooled, tokens"):
        isoscore.table(paths[:1], ["words"])
    manifest = files.read_json(paths[0].with_suffix(".json"))
    files.write_json(paths[0].with_suffix(".json"), {**manifest, "content_sha256": "0"})
    with pytest.raises(InputError, match="content_sha256 is"):
        isoscore.table(paths[:1])


def test_an_encoder_that_says_the_same_of_all_is_named(tmp_path):
    path = build(tmp_path, "a", make_rows(), function=lambda codes: np.full((len(codes), 3, 4), 0.3, np.float32))
    table = isoscore.table([path])
    assert table["note"].tolist() == ["constant embeddings: all points are the same"]


# programs and picture


def test_programs_write_table_and_picture(tmp_path, monkeypatch):
    constant = build(tmp_path, "c", make_rows(), function=lambda codes: np.ones((len(codes), 3, 4), np.float32))
    paths = [*(build(tmp_path, name, make_rows()) for name in "ab"), constant]
    monkeypatch.setattr(program, "limit_to_job_resources", lambda threads, gpus: None)
    out, picture = tmp_path / "isoscore.tsv", tmp_path / "isoscore.png"
    call(monkeypatch, program, "--caches", *paths, "--levels", "pooled", "tokens", "--threads", 1, "--out", out)
    table = tables.read_table(out, isoscore.COLUMNS)
    assert table["encoder"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert tables.numbers(table, "isoscore", out).isna().tolist() == [False] * 4 + [True] * 2
    call(monkeypatch, plot_isoscore, "--table", out, "--title", "toy", "--out", picture)
    assert matplotlib.image.imread(picture).std() > 0.05
    header = out.read_text().splitlines()[0]
    out.write_text(header + "\n")
    with pytest.raises(InputError, match="the table of IsoScores is empty"):
        call(monkeypatch, plot_isoscore, "--table", out, "--title", "toy", "--out", picture)
