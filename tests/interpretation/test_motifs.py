"""Motifs planted in attributions are found again; the programs from attributions to page and truth; what is refused.

modisco-lite compiles for 13 s where it runs for the first time in a checkout, and keeps that.
"""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers import programs
from helpers.explained_models import baseline_on_disk, linear
from s2f.common.errors import InputError
from s2f.interpretation import attributions
from s2f.interpretation.motifs import clustering, insertion, matches, meme, patterns, truth
from s2f.interpretation.mutagenesis import substitutions
from s2f.rows.sources import simulated, simulated_rbp
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

LENGTH = 41
WORDS = ("TGTAAATA", "TATTTACA", "GGGGCGG")  # the second is the reverse complement of the first
SETTINGS = {"window": 8, "flank": 4, "fdr": 0.2, "most_seqlets": 20000, "clusterings": 5}


def matrix(word, share=0.94):
    return np.where(dna.one_hot(dna.encode(word), float) == 1, share, (1 - share) / 3)


def attributed(path, rule="forward", seed=1, count=150, method="ism", **changed):
    """Write attributions of sequences, each with one of `WORDS`, whose bases contribute; noise by `seed`."""
    draw, noise = np.random.default_rng(0), np.random.default_rng(seed)
    codes = draw.integers(0, 4, (count, LENGTH), np.uint8)
    values = noise.normal(0, 0.1, (count, LENGTH, 4))
    for i in range(count):
        word = dna.encode(WORDS[i % 3])
        first = draw.integers(0, LENGTH - len(word) + 1)
        codes[i, first : first + len(word)] = np.where(
            draw.random(len(word)) < 0.1, draw.integers(0, 4, len(word)), word
        )
        values[i, first : first + len(word)] += 2 * draw.uniform(0.4, 1.2) * dna.one_hot(word)
    values -= np.take_along_axis(
        values, codes[:, :, None].astype(int), 2
    )  # as mutagenesis: 0 at the base that is there
    names = [f"r{i}" for i in range(count)]
    rows = pd.DataFrame({"row_id": names, "sequence": [dna.decode(row) for row in codes], "label": 1.0})
    written(path, rows, values, seed, method=method, strand_rule=rule, **changed)


def written(path, rows, values, seed=1, **changed):
    """Write effects of substitutions (N, L, 4) as `interpret` does."""
    results = [{"attribution": v, "importance": -v.sum(1) / 3, "score": 0.0, "seconds": 0.0} for v in values]
    about = {"dataset": "d", "split": "s", "model": "m", "method": "ism", "strand_rule": "mean", "score_unit": "logit"}
    attributions.write(path, rows, results, panel="p", seed=seed, **about | changed)


def known(path, one_strand, words=WORDS):
    shuffles = np.random.default_rng(1).permuted(np.tile(list("ACGT") * 2, (25, 1)), axis=1)
    named = {word: matrix(word) for word in words} | {f"S{i}": matrix("".join(row)) for i, row in enumerate(shuffles)}
    meme.write(path, named, [20] * len(named), one_strand)


# `find_motifs` several times in one process, which loads modisco-lite once: (threads, arguments) of each. A process can
# have fewer threads of numba than it began with.
SEVERAL = """
import json, os, sys
import numba
import find_motifs

os.environ["NUMBA_NUM_THREADS"] = "2"
numba.config.reload_config()
for threads, arguments in json.loads(sys.argv[1]):
    numba.set_num_threads(threads)
    sys.argv[1:] = [*arguments, "--threads", "2"]
    find_motifs.main()
"""


def arguments_of(name, files, motifs, **settings):
    """Arguments of `find_motifs` that write files called `name`."""
    return [
        "--attributions", *files, "--known", motifs, "--settings", json.dumps(SETTINGS | settings), "--hit-p-value",
        "0.0005", "--out", f"{name}.h5", "--meme", f"{name}.meme", "--matches", f"{name}.tsv", "--hits",
        f"{name}.hits.tsv",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """Found motifs: of two seeds on one strand (`one`), the same by two threads (`two`), of the activity of simulated
    rows, on both strands (`activity`), and of too few seqlets (`none`); log.txt is what was printed."""
    folder = tmp_path_factory.mktemp("motifs")
    for seed in (1, 2):
        attributed(folder / f"{seed}.h5", seed=seed)
    activity_of_simulated_rows(folder / "simulated.h5")
    attributed(folder / "weak.h5")
    with h5py.File(folder / "weak.h5", "a") as file:
        file["attribution"][20:] = 0
    known(folder / "rna.meme", True)
    known(folder / "dna.meme", False)
    (folder / "several.py").write_text(SEVERAL)
    asked = [
        (1, arguments_of("one", ["1.h5", "2.h5"], "rna.meme")),
        (2, arguments_of("two", ["1.h5", "2.h5"], "rna.meme")),
        (1, arguments_of("activity", ["simulated.h5"], "dna.meme", window=10)),
        (1, arguments_of("none", ["weak.h5"], "rna.meme")),
    ]
    done = programs.run(root, "several", json.dumps(asked), folder=folder, path=[folder])
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "log.txt").write_text(done.stdout)
    return folder


def activity_of_simulated_rows(path):
    """Write attributions by mutagenesis of the simulated activity itself, the most that a model could know."""
    spec = {"rows": 400, "seed": 1, "length": 120, "sites": 2.0, "pair_rows": 0.0, "family_rows": 0.0}
    rows = simulated.simulate(spec).nlargest(120, "activity").reset_index(drop=True)
    values = np.zeros((len(rows), 120, 4))
    for text, changes in zip(rows["sequence"], values, strict=True):
        codes = dna.encode(text)
        variants, places, bases = substitutions(codes)
        changes[places, bases] = simulated.activity(variants) - simulated.activity(codes[None])
    written(path, rows, values)


@pytest.mark.slow
def test_planted_motifs_are_found_and_one_strand_is_not_turned(folder):
    table = pd.read_csv(folder / "one.tsv", sep="\t")
    assert sorted(table["match"]) == sorted(WORDS) and set(table["strand"]) == {"+"}
    assert (table["q_value"] < 0.01).all() and set(table["sign"]) == {"raises"}
    assert table["seqlets"].is_monotonic_decreasing
    with h5py.File(folder / "one.h5") as alone, h5py.File(folder / "activity.h5") as turned:
        assert not any(of["seqlets/is_revcomp"][:].any() for of in alone["pos_patterns"].values())
        assert any(of["seqlets/is_revcomp"][:].any() for of in turned["pos_patterns"].values())
        assert json.loads(alone.attrs["seeds"]) == [1, 2]


@pytest.mark.slow
def test_same_attributions_give_same_numberby_any_number_of_threads(folder):
    for ending in (".tsv", ".hits.tsv", ".meme"):
        assert (folder / f"one{ending}").read_bytes() == (folder / f"two{ending}").read_bytes()


@pytest.mark.slow
def test_places_of_seqlets_count_from_the_first_base(folder):
    arrays, _ = attributions.read(folder / "1.h5")
    with h5py.File(folder / "one.h5") as file:
        seqlets = file["pos_patterns/pattern_0/seqlets"]
        for row, start, end, one_hot in zip(
            *(seqlets[n][:] for n in ("example_idx", "start", "end", "sequence")), strict=True
        ):
            inside = slice(max(0, start), min(LENGTH, end))
            text = dna.decode(one_hot.argmax(1).astype(np.uint8))[inside.start - start : inside.stop - start]
            assert arrays["sequence"][row][inside] == text


@pytest.mark.slow
def test_hits_are_where_the_words_stand(folder):
    hits = pd.read_csv(folder / "one.hits.tsv", sep="\t")
    arrays, _ = attributions.read(folder / "1.h5")
    sequence_of = dict(zip(arrays["row_id"], arrays["sequence"], strict=True))
    table = pd.read_csv(folder / "one.tsv", sep="\t").set_index("pattern")
    assert (hits["p_value"] <= 0.0005).all() and set(hits["strand"]) == {"+"}
    for hit in hits.itertuples():
        consensus = table["consensus"][hit.pattern].upper()
        text = sequence_of[hit.row_id][hit.start : hit.end]
        assert sum(a != b for a, b in zip(text, consensus, strict=True)) <= 2
    assert hits["importance"].median() > 1
    both = pd.read_csv(folder / "activity.hits.tsv", sep="\t")
    assert set(both["strand"]) == {"+", "-"}


@pytest.mark.slow
def test_from_patterns_to_page_and_truth(root, folder):
    arrays, _ = attributions.read(folder / "1.h5")
    rows = pd.DataFrame({"row_id": arrays["row_id"], "sequence": arrays["sequence"], "label": 0.0})
    rows["label"] = rows["sequence"].str.contains("TGTAAATA") + np.linspace(0, 0.01, len(rows))
    baseline_on_disk(folder / "model", "kmer_ridge", Construct(LENGTH, "", ""), {"k": [6]}, rows, rows, "forward")

    def run(program, *arguments):
        done = programs.run(root, program, *arguments, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    run("insert_motifs", "--patterns", "one.h5", "--attributions", "1.h5", "--model", "model", "--backgrounds", "20",
        "--study-seed", "0", "--threads", "1", "--gpus", "0", "--out", "effects.tsv")  # fmt: skip
    run("plot_motifs", "--patterns", "one.h5", "--known", "rna.meme", "--matches", "one.tsv", "--hits", "one.hits.tsv",
        "--effects", "effects.tsv", "effects.tsv", "--q-value", "0.05", "--title", "A & B", "--table", "all.tsv",
        "--out", "page.html")  # fmt: skip
    table = pd.read_csv(folder / "all.tsv", sep="\t").set_index("match")
    effect = table["effect"]
    assert effect["TGTAAATA"] > 0.05 and table.loc["TGTAAATA", ["effect_p", "specific_p"]].max() < 0.05
    assert effect["TGTAAATA"] > max(2 * abs(effect["GGGGCGG"]), table.loc["TGTAAATA", "control"])
    assert (table["hits"] >= table["sequences_hit"]).all() and (table["sequences_hit"] > 25).all()
    page = (folder / "page.html").read_text()
    assert "A &amp; B" in page and "mean over 2 trainings, one strand" in page and "reverse complement" not in page
    assert page.count("data:image/png;base64,") == 2 * len(table)  # its logo and that of its match
    run("motifs_truth", "--datasets", '{"d": {"protein": "GGGGCGG", "motif": "TGTANATA"}}', "--patterns", "one.h5",
        "--known", "rna.meme", "--q-values", "0.05", "--out", "truth.tsv")  # fmt: skip
    (line,) = pd.read_csv(folder / "truth.tsv", sep="\t").to_dict("records")
    assert line["truth"] == "protein" and line["found"] == "GGGGCGG TGTANATA" and line["recall"] == 1
    assert line["patterns"] == 3 and line["true"] == 2 and line["precision"] == pytest.approx(2 / 3)
    assert line["rank"] in (1, 2) and line["seeds"] == "[1, 2]"


@pytest.mark.slow
def test_too_few_seqlets_give_tables_without_rows_and_a_word(root, folder):
    said = (folder / "log.txt").read_text()
    assert (
        "note: no pattern was found: fewer than 50 seqlets of high contribution, or no two of them are alike; "
        "explain more sequences" in said
    )
    found, _ = patterns.read(folder / "none.h5")
    around = insertion.backgrounds(["a"], ["ACGTTGCAACGT"], 5, seed=1)
    insertion.insert(linear(np.zeros((12, 4))), found, around, 0).to_csv(
        folder / "none.effects.tsv", sep="\t", index=False
    )
    for program, *arguments in (
        ("plot_motifs", "--patterns", "none.h5", "--known", "rna.meme", "--matches", "none.tsv", "--hits",
         "none.hits.tsv", "--effects", "none.effects.tsv", "--q-value", "0.05", "--title", "T", "--table", "table.tsv",
         "--out", "none.html"),
        ("motifs_truth", "--datasets", '{"d": {"protein": "GGGGCGG"}}', "--patterns", "none.h5", "--known", "rna.meme",
         "--q-values", "0.05", "--out", "none.truth.tsv"),
    ):  # fmt: skip
        done = programs.run(root, program, *arguments, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("none.tsv", "none.hits.tsv", "none.effects.tsv", "table.tsv"):
        assert pd.read_csv(folder / name, sep="\t").empty
    assert set(pd.read_csv(folder / "table.tsv", sep="\t")) >= {"match", "hits", "effect_p", "specific_p"}
    assert "No pattern was found" in (folder / "none.html").read_text()
    (line,) = pd.read_csv(folder / "none.truth.tsv", sep="\t").to_dict("records")
    assert line["patterns"] == 0 and line["recall"] == 0 and np.isnan(line["precision"]) and np.isnan(line["rank"])


@pytest.mark.slow
def test_motifs_of_a_simulation_are_found_by_its_own_activity(root, folder):
    done = programs.run(
        root, "motifs_truth", "--datasets", '{"d": {"kind": "simulated"}}', "--patterns", "activity.h5", "--known",
        "dna.meme", "--q-values", "0.05", "--out", "simulated.tsv", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = pd.read_csv(folder / "simulated.tsv", sep="\t").to_dict("records")
    # of five: too few sites of ETS and the repressor are among these rows
    assert {"GATA", "SP1", "AP1"} <= set(line["found"].split()) and line["recall"] >= 0.6, line
    assert line["precision"] >= 0.75 and line["rank"] == 1 and line["truth"] == "planted", line


def test_what_is_planted_is_known():
    assert {name: len(m) for name, m in simulated.motifs().items()} == {
        "GATA": 9, "SP1": 9, "AP1": 9, "ETS": 9, "REPRESSOR": 11,
    }  # fmt: skip
    (loop,) = truth.planted("simulated_rbp")
    assert (
        np.allclose(loop.matrix.sum(1), 1) and dna.decode(loop.matrix.argmax(1).astype(np.uint8)) == simulated_rbp.LOOP
    )
    assert np.allclose(truth.of_letters("AN").matrix, [[0.94, 0.02, 0.02, 0.02], [0.25] * 4])


def test_contributions_are_centred_and_averaged_over_seeds(tmp_path):
    for seed in (1, 2):
        attributed(tmp_path / f"{seed}.h5", seed=seed, count=100)
    one, other = (clustering.read_contributions([tmp_path / f"{seed}.h5"]) for seed in (1, 2))
    both = clustering.read_contributions([tmp_path / "1.h5", tmp_path / "2.h5"])
    assert np.allclose(both.hypothetical.sum(axis=2), 0, atol=1e-5) and both.about["seeds"] == [1, 2]
    assert np.allclose(both.hypothetical, (one.hypothetical + other.hypothetical) / 2, atol=1e-6)
    arrays, _ = attributions.read(tmp_path / "1.h5")
    assert np.allclose(one.importance, 0.75 * arrays["importance"], atol=1e-5)  # mean over four bases, not three others


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 99}, "attributions of 99 sequences of one length, expected at least 100"),
        ({"method": "ig"}, "method ig has no hypothetical contributions, expected ism or saliency"),
        ({"model": "n"}, "model is 'n', but 'm' in"),
        ({"count": 101}, "its sequences differ from those in"),
    ],
)
def test_attributions_that_are_refused(tmp_path, changed, message):
    files = [tmp_path / "1.h5", tmp_path / "2.h5"]
    attributed(files[0], count=100)
    attributed(files[1], **{"count": 100, "seed": 2} | changed)
    with pytest.raises(InputError) as error:
        clustering.read_contributions(
            files if {"model", "count"} & set(changed) and changed.get("count") != 99 else files[1:]
        )
    assert message in str(error.value)


def test_a_model_that_reads_nothing_and_a_window_that_does_not_fit_are_refused(tmp_path):
    attributed(tmp_path / "1.h5", count=100)
    with h5py.File(tmp_path / "1.h5", "a") as file:
        file["attribution"][...] = 0
    with pytest.raises(InputError, match="all attributions are 0"):
        clustering.read_contributions([tmp_path / "1.h5"])
    attributed(tmp_path / "2.h5", count=100)
    with pytest.raises(InputError, match="a window of 38 bp with a flank of 4 bp does not fit into sequences of 41 bp"):
        clustering.find(clustering.read_contributions([tmp_path / "2.h5"]), 38, 4, 0.2, 100, 1)
    with pytest.raises(InputError, match="not a readable file of patterns"):
        patterns.read(__file__)


def test_p_values_of_hits_are_shares_of_all_words(tmp_path):
    attributed(tmp_path / "1.h5", count=100)
    found = clustering.read_contributions([tmp_path / "1.h5"])
    pattern = patterns.Pattern("x", "raises", 20, matrix("ACTAA", 0.9), matrix("ACTAA"))
    table, short = matches.hits([pattern], found, 1 / 4**5)
    words = [(row, start) for row, text in zip(found.row_ids, found.sequences, strict=True)
             for start in range(LENGTH - 4) if text[start : start + 5] == "ACTAA"]  # fmt: skip
    assert not short and sorted(zip(table["row_id"], table["start"], strict=True)) == sorted(words)
    assert np.allclose(table["p_value"], 1 / 4**5)
    assert matches.hits([pattern], found, 0.0009)[1] == ["x"]  # no word of five letters is that rare
    near, _ = matches.hits([pattern], found, 16 / 4**5)  # one letter may differ: 1 + 15 words
    assert len(near) > len(table) and (near["p_value"] <= 16 / 4**5).all()


def test_a_place_is_one_hit_also_if_its_strands_read_alike():
    """Palindromes (TGACGTCA, in a wholly symmetric and in a slightly asymmetric matrix) are counted once, and sites on
    the other strand are still found."""
    texts = ["AATGACGTCATTTTTTTTTT", "CCCCCCGGTTACCCCCCCCC", "CCCCCCGTAACCCCCCCCCC"]
    one_hot = np.stack([dna.one_hot(dna.encode(text)) for text in texts]).astype(np.float32)
    found = clustering.Contributions(["a", "b", "c"], texts, one_hot, one_hot, {"strand_rule": "mean"})
    word, bent = matrix("TGACGTCA", 0.9), matrix("TGACGTCA", 0.9)
    bent[-1] = (0.8, 0.05, 0.05, 0.1)  # less sure of the last letter than of the first
    parts = [patterns.Pattern(name, "raises", 20, of, of)
             for name, of in (("same", word), ("bent", bent), ("one", matrix("GGTTAC", 0.9)))]  # fmt: skip
    table, _ = matches.hits(parts, found, 1e-3)
    places = table[["pattern", "row_id", "start", "end", "strand"]].to_numpy().tolist()
    assert places == [
        ["same", "a", 2, 10, "+"], ["bent", "a", 2, 10, "+"], ["one", "b", 6, 12, "+"],
        ["one", "c", 6, 12, "-"],
    ]  # fmt: skip
    of_effects = pd.DataFrame({"pattern": ["same"] * 2, "background": [0, 1], "effect": [1.0, 2], "control": [0.0, 0]})
    joined = insertion.joined(pd.DataFrame({"pattern": ["same"]}), table, [of_effects])
    assert joined[["hits", "sequences_hit"]].to_numpy().tolist() == [[1, 1]]


def test_inserted_motifs_change_the_score_by_their_weights():
    weights = np.zeros((12, 4))
    weights[4:8] = 2 * dna.one_hot(dna.encode("ACGT"))
    around = insertion.backgrounds(["a", "b"], ["ACGTTGCAACGT", "TTGCATGCCATG"], 5, seed=1)
    assert around.shape == (5, 12) and np.array_equal(
        around, insertion.backgrounds(["a", "b"], ["ACGTTGCAACGT", "TTGCATGCCATG"], 5, 1)
    )
    pattern = patterns.Pattern("x", "raises", 20, matrix("ACGT"), matrix("ACGT"))
    table = insertion.insert(linear(weights), [pattern], around, seed=1)
    assert np.allclose(table["effect"], 8 - table["score"]) and (table["control"] <= table["effect"]).all()
    (line,) = insertion.summary([table, table]).to_dict("records")
    error = table["effect"].std() / np.sqrt(5)
    assert line["effect"] == pytest.approx(table["effect"].mean())
    assert line["effect_z"] == pytest.approx(table["effect"].mean() / error) and 0 < line["effect_p"] < 0.05


def test_p_values_of_effects_are_right_for_motifs_that_do_nothing():
    draw, number, count = np.random.default_rng(0), 2000, 5
    frame = pd.DataFrame(
        {"pattern": np.repeat(np.arange(number), count), "background": np.tile(np.arange(count), number)}
    )
    frame["effect"], frame["control"] = draw.normal(0, 1, (2, len(frame)))
    found = insertion.summary([frame])
    for name in ("effect_p", "specific_p"):
        assert 0.04 < (found[name] < 0.05).mean() < 0.06
    # an effect of composition: that of the consensus and that of its letters in any order
    frame[["effect", "control"]] += draw.normal(5, 1, (len(frame), 1))
    found = insertion.summary([frame])
    assert (found["effect_p"] < 0.05).mean() > 0.9 and 0.04 < (found["specific_p"] < 0.05).mean() < 0.06


def test_a_pattern_longer_than_the_sequences_is_refused():
    around = insertion.backgrounds(["a"], ["ACGTTGCA"], 2, seed=1)
    pattern = patterns.Pattern("x", "raises", 20, matrix("ACGTACGTA"), matrix("ACGTACGTA"))
    with pytest.raises(InputError, match="x has 9 bp, more than the sequences"):
        insertion.insert(linear(np.zeros((8, 4))), [pattern], around, seed=1)


def test_an_effect_that_no_background_has_is_none():
    """The letters of TTTTT in another order are TTTTT: its effect beyond that is 0 in every background, with p 1."""
    frame = pd.DataFrame({"pattern": "x", "background": range(5), "effect": [0.1, 0.3, 0.2, 0.4, 0.2]})
    (line,) = insertion.summary([frame.assign(control=frame["effect"])]).to_dict("records")
    assert (line["specific_z"], line["specific_p"]) == (0, 1) and 0 < line["effect_p"] < 0.05


def test_sequences_of_another_length_are_not_clustered(tmp_path, capsys):
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("ACGT"), 30 if i % 10 else 20)) for i in range(120)]
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(120)], "sequence": texts, "label": 1.0})
    written(tmp_path / "a.h5", rows, [draw.normal(size=(len(text), 4)) for text in texts])
    found = clustering.read_contributions([tmp_path / "a.h5"])
    assert found.one_hot.shape == (108, 30, 4) and (found.one_hot.sum(axis=2) == 1).all() and "r0" not in found.row_ids
    assert "12 of 120 sequences are skipped, because they do not have 30 bp" in capsys.readouterr().out


def test_contributions_of_one_sign_have_no_seqlets():
    assert clustering.seqlets(np.ones((100, 30)), 8, 4, 0.2) == {1: [], -1: []}
