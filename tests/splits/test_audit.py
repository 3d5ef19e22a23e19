"""Leak audit: planted leaks are found and measured, counts equal those by hand, and the picture shows them."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit_split
import plot_audit
from helpers.homologs import candidate_score, score
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.plots.audit import best_scores, read_audit
from s2f.rows import sources
from s2f.rows.canonical import canonical, write_rows
from s2f.sequences import dna
from s2f.splits import audit
from s2f.splits.homology.groups import homologous_groups
from s2f.splits.make import make_split
from s2f.splits.units import make_units

LETTERS = np.array(list("ACGT"))


def text(random, length=200):
    return "".join(random.choice(LETTERS, length))


def changed(random, sequence, share):
    return "".join(random.choice(LETTERS) if random.random() < share else letter for letter in sequence)


def planted():
    """Rows and split: 30 unrelated rows, and test rows that are made of train row t0 or stand beside it."""
    random = np.random.Generator(np.random.PCG64(1))
    train = [text(random) for _ in range(20)]
    first, unrelated = train[0], [text(random) for _ in range(10)]
    leaks = {
        "same": first,
        "turned": dna.reverse_complement_text(first),
        "mutated": changed(random, first, 0.1),
        "shifted": first[50:] + text(random, 50),
        "turned shifted": text(random, 50) + dna.reverse_complement_text(first[50:]),
        # 31 letters of t0 between others of its own: a word of 30 to the left of the N, 31 to its right
        "one word": text(random, 80) + first[40:70] + "N" + first[71:102] + text(random, 58),
        "no word": text(random, 80) + first[40:70] + "N" + first[71:101] + text(random, 59),
        "place": text(random),
        "pair": text(random),
        "none": text(random),
    }
    names = [f"t{k}" for k in range(20)] + [f"v{k}" for k in range(10)] + list(leaks)
    rows = pd.DataFrame({"row_id": names, "sequence": [*train, *unrelated, *leaks.values()], "label": 0.5})
    for name, where in (("t0", 1000), ("t1", 1100), ("place", 1290), ("none", 1490)):
        rows.loc[rows["row_id"] == name, ["chrom", "start", "end"]] = ["chr1", where, where + 200]
    rows["pair_id"] = np.where(rows["row_id"].isin(["t5", "pair"]), "p", "")
    parts = ["train"] * 20 + ["val"] * 10 + ["test"] * len(leaks)
    return canonical(rows, "planted"), pd.DataFrame({"row_id": names, "split": parts})


def quiet(rows, split, **options):
    return audit.audit(rows, split, make_units(rows, 0.3), report=lambda text: None, **options)


@pytest.fixture
def exact(monkeypatch):
    """No row is left at a lower score than its own."""
    monkeypatch.setattr(audit, "ENOUGH", 1000)


@pytest.fixture(scope="module")
def found():
    rows, split = planted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "ENOUGH", 1000)
        table = quiet(rows, split)
    return rows, table, table[table["against"] == "train"].set_index("row_id")


def test_every_evaluated_row_has_one_line_per_comparison(found):
    rows, table, _ = found
    assert list(table) == [
        "part", "against", "row_id", "length", "threshold", "lowest_threshold", "highest_possible", "best_score",
        "homologous", "shared_31mers", "same_locus_rows", "same_unit_rows",
        "low_complexity",
    ]  # fmt: skip
    lines = table.groupby(["part", "against"], sort=False)["row_id"].agg(list).to_dict()
    val, test = rows["row_id"].tolist()[20:30], rows["row_id"].tolist()[30:]
    assert lines == {("test", "train"): test, ("val", "train"): val, ("test", "val"): test}
    assert (table[["length", "highest_possible"]] == 200).all(axis=None) and (table["threshold"] == 60).all()


def test_copies_have_their_whole_score_in_either_orientation(found):
    leak = found[2]
    assert leak["best_score"].loc[["same", "turned"]].tolist() == [200, 200]
    assert leak["shared_31mers"].loc[["same", "turned"]].tolist() == [170, 170]
    assert leak["shared_31mers"].loc[["shifted", "turned shifted"]].tolist() == [120, 120]
    assert (leak["best_score"].loc[["shifted", "turned shifted"]].between(150, 155)).all()


def test_a_mutated_copy_has_the_textbook_score(found):
    rows, _, leak = found
    sequences = rows.set_index("row_id")["sequence"]
    assert leak["best_score"]["mutated"] == score(sequences["t0"], sequences["mutated"]) > 100
    assert leak["best_score"][["place", "pair", "none"]].max() < 40


def test_words_over_an_n_do_not_count(found):
    leak = found[2]
    assert leak["shared_31mers"].loc[["one word", "no word", "none"]].tolist() == [1, 0, 0]
    assert leak["best_score"]["no word"] >= 59  # 30 + 30 equal letters and the N between them


def test_rows_of_one_locus_are_counted(found):
    # t0 and t1 overlap, so what overlaps t1, or equals t0, lies at the locus of both; `none` only touches `place`
    loci = found[2]["same_locus_rows"]
    assert loci.loc[["same", "turned", "place", "pair"]].tolist() == [2, 2, 2, 1]
    assert loci.loc[["mutated", "shifted", "none", "v3"]].tolist() == [0, 0, 0, 0]


def test_rows_of_one_unit_are_counted(found):
    # what is made of t0 has 60 letters of it or more; t1 is of its locus
    units = found[2]["same_unit_rows"]
    assert units.loc[["same", "turned", "mutated", "shifted", "turned shifted"]].tolist() == [2] * 5
    assert units.loc[["place", "pair", "none", "v3"]].tolist() == [2, 1, 0, 0]
    assert (units >= found[2]["same_locus_rows"]).all()


def test_each_row_has_its_threshold_and_highest_score():
    random = np.random.Generator(np.random.PCG64(4))
    sequences = [text(random) for _ in range(6)] + [text(random, 51) for _ in range(6)]
    sequences[5] = sequences[0][:40] + text(random, 160)  # 40 letters in common: too few for 200
    sequences[10], sequences[11] = sequences[6][:40] + text(random, 11), sequences[1][70:121]  # enough for 51
    table = {"row_id": [f"r{k}" for k in range(12)], "sequence": sequences, "label": 0.5}
    split = ["train", "train", "train", "val", "test", "test", "train", "train", "val", "val", "test", "test"]
    rows = canonical(pd.DataFrame(table), "mixed")
    found = quiet(rows, pd.DataFrame({"row_id": rows["row_id"], "split": split}))
    found = found[found["against"] == "train"].set_index("row_id")
    assert found["highest_possible"].loc[["r4", "r5", "r10", "r11"]].tolist() == [100, 100, 51, 51]
    assert found["threshold"].loc[["r4", "r5"]].tolist() == [60, 60] and found["threshold"].loc["r10"] < 30
    assert found["homologous"].loc[["r4", "r5", "r10", "r11"]].tolist() == [0, 0, 1, 1]
    assert (found["lowest_threshold"] == found["threshold"]["r10"]).all()
    assert found["same_unit_rows"].loc[["r4", "r5", "r10", "r11"]].tolist() == [0, 0, 1, 1]
    line = audit.summary(found.reset_index()).set_index("part").loc["test"]
    assert line["share_homologous"] == 0.5 and line["rows_of_same_unit"] == 2 and line["highest_possible"] == 75.5


def pieces(random, length=60):
    """Test rows of 200 bp, of which train holds changed pieces, and unrelated short rows in train and val."""
    long = [text(random) for _ in range(12)]
    short = [changed(random, sequence[70 : 70 + length], 0.12) for sequence in long]
    sequences = [*long, *short, *(text(random, length) for _ in range(60))]
    rows = pd.DataFrame({"row_id": [f"r{k}" for k in range(84)], "sequence": sequences, "label": 0.5})
    parts = ["test"] * 12 + ["train"] * 62 + ["val"] * 10
    return canonical(rows, "pieces"), pd.DataFrame({"row_id": rows["row_id"], "split": parts})


def test_long_rows_leak_to_short_ones_by_the_threshold_of_the_pair(tmp_path, texts):
    rows, split = pieces(np.random.Generator(np.random.PCG64(5)))
    table = quiet(rows, split)
    found = table[(table["part"] == "test") & (table["against"] == "train")]
    # no row reaches its own threshold, which is out of reach of a piece
    assert (found["best_score"] < found["threshold"]).all() and (found["same_unit_rows"] > 0).all()
    assert (found["homologous"] == 1).all() and (found["lowest_threshold"] <= found["best_score"]).all()
    assert audit.summary(table)["share_homologous"].tolist() == [1, 0, 0]
    write_table(tmp_path / "audit.tsv", table)
    best_scores(tmp_path / "audit.png", read_audit(tmp_path / "audit.tsv"), "pieces")
    low, best = found["lowest_threshold"].min(), found["best_score"].max()
    assert f"homologous from {low} to 60 on, by the pair of rows" in texts
    assert f"test: n = 12, 100 % homologous, highest {best} of 60 possible" in texts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_homologous_equals_the_comparison_of_all_pairs_by_their_own_thresholds(seed):
    random = np.random.Generator(np.random.PCG64(seed))
    founders = [text(random, 90) for _ in range(3)]
    sequences = [changed(random, founders[k % 3], 0.3)[: random.integers(25, 90)] for k in range(30)]
    rows = canonical(pd.DataFrame({"row_id": [f"r{k}" for k in range(30)], "sequence": sequences, "label": 0.0}), "x")
    parts = np.array(["train", "val", "test"], object)[np.arange(30) // 3 % 3]
    # thresholds apart from lengths: the best score of a row is often not that of the pair that needs least
    units = make_units(rows, 0.3).assign(threshold=random.integers(15, 45, 30))
    found = audit.audit(rows, pd.DataFrame({"row_id": rows["row_id"], "split": parts}), units, report=lambda text: None)
    needed = units["threshold"].to_numpy()
    for line in found.itertuples():
        own = int(line.row_id[1:])
        expected = any(
            candidate_score(sequences[k], sequences[own], **renamed()) >= min(needed[k], needed[own])
            for k in np.flatnonzero(parts == line.against)
        )
        assert line.homologous == expected, line


def test_val_is_compared_with_train_and_test_with_val(exact):
    rows, split = planted()
    split["split"] = split["split"].replace({"train": "val", "val": "train"})
    table = quiet(rows, split)
    table = table.set_index(["part", "against", "row_id"])
    assert table.loc[("test", "val", "turned"), "best_score"] == 200
    assert table.loc[("test", "train", "turned"), "best_score"] < 40


def test_excluded_rows_do_not_leak():
    rows, split = planted()
    split.loc[split["row_id"] == "t0", "split"] = "excluded"
    table = quiet(rows, split)
    assert table["best_score"].max() < 60 and table["shared_31mers"].max() == 0
    assert "t0" not in set(table["row_id"])


def test_result_does_not_depend_on_the_order_of_the_split_or_threads(found, exact):
    rows, split = planted()
    again = quiet(rows, split.sample(frac=1, random_state=0), threads=2)
    pd.testing.assert_frame_equal(again, found[1])


def capped(table):
    """A table of `ENOUGH` 1,000 as it is with 100."""
    return table.assign(**{name: table[name].clip(upper=100) for name in ("highest_possible", "best_score")})


def test_rows_that_reach_the_highest_score_are_looked_at_no_further(found):
    rows, split = planted()
    quick = quiet(rows, split)
    assert (found[1]["best_score"] > audit.highest_score(60)).any()
    pd.testing.assert_frame_equal(quick, capped(found[1]))
    assert audit.highest_score(60) == 100 and audit.highest_score(130) == 130


def test_the_summary_counts_by_hand(found):
    table = audit.summary(found[1]).set_index(["part", "against"])
    line = table.loc[("test", "train")]
    own = found[2][found[2]["part"] == "test"]
    assert line["rows"] == 10 and line["max"] == 200
    assert line["threshold"] == 60 and line["highest_possible"] == 200
    assert line["share_homologous"] == np.mean([score >= 60 for score in own["best_score"]]) >= 0.5
    assert line["share_with_31mer"] == np.mean([number > 0 for number in own["shared_31mers"]]) >= 0.5
    assert line["rows_of_same_locus"] == sum(own["same_locus_rows"] > 0) >= 4
    assert table.loc[("val", "train"), "share_homologous"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda split: split[1:], "row 't0' is in the rows or in the split, but not in both"),
        (lambda split: split.replace({"row_id": {"t3": "x"}}), "row 't3' is in the rows or in the split"),
        (lambda split: split.replace({"split": {"val": "train"}}), "part 'val' is empty"),
        (lambda split: split.replace({"split": {"val": "dev"}}), "part 'dev' is unknown"),
        (lambda split: pd.concat([split, split[:1]]), "row 't0' is assigned twice"),
    ],
)
def test_a_split_of_other_rows_or_without_a_part_is_refused(change, message):
    rows, split = planted()
    with pytest.raises(InputError, match=message):
        quiet(rows, change(split))


def canonical_words(sequence, k):
    words = {sequence[i : i + k] for i in range(len(sequence) - k + 1)}
    return {min(word, dna.reverse_complement_text(word)) for word in words if "N" not in word}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("ACGTN", min_size=1, max_size=25), max_size=6),
    st.lists(st.text("ACGTN", min_size=1, max_size=25), max_size=6),
    st.sampled_from([1, 3, 5, 7]),
)
def test_shared_words_equal_sets_of_words(queries, targets, k):
    known = set().union(*[canonical_words(target, k) for target in targets])
    expected = [len(canonical_words(query, k) & known) for query in queries]
    assert audit.shared_kmers(queries, targets, k).tolist() == expected


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_shared_31mers_in_pieces(monkeypatch, at_once):
    monkeypatch.setattr(audit, "AT_ONCE", at_once)
    random = np.random.Generator(np.random.PCG64(at_once))
    targets = [text(random, size) for size in random.integers(20, 120, 30)]
    queries = [changed(random, targets[k], 0.03) for k in random.integers(0, 30, 10)]
    queries += [dna.reverse_complement_text(query) for query in queries] + [text(random, 20)]
    known = set().union(*[canonical_words(target, 31) for target in targets])
    expected = [len(canonical_words(query, 31) & known) for query in queries]
    assert audit.shared_kmers(queries, targets).tolist() == expected and max(expected) > 10


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_scores_and_loci_equal_comparison_of_all_pairs(seed):
    random = np.random.Generator(np.random.PCG64(seed))
    founders = [text(random, 70) for _ in range(4)]
    sequences = [changed(random, founders[k % 4], 0.25)[: 40 + k] for k in range(24)]
    sequences = [dna.reverse_complement_text(s) if random.random() < 0.5 else s for s in sequences]
    start = random.integers(0, 2000, 24)
    table = {"row_id": [f"r{k}" for k in range(24)], "sequence": sequences, "label": 0.0}
    table |= {"chrom": random.choice(["chr1", "chr2"], 24), "start": start, "end": start + 70}
    rows = canonical(pd.DataFrame(table), "random")
    parts = np.array(["train", "val", "test"], object)[np.arange(24) % 3]
    found = quiet(rows, pd.DataFrame({"row_id": rows["row_id"], "split": parts}))
    for line in found.itertuples():
        own = int(line.row_id[1:])
        others = np.flatnonzero(parts == line.against)
        assert line.best_score == max(candidate_score(sequences[k], sequences[own], **renamed()) for k in others)
        assert line.same_locus_rows == len(set(others) & reached(rows, own))


def renamed():
    return {"word": audit.SEEDS["word"], "seed": audit.SEEDS["seed_score"]}


def reached(rows, place):
    """Rows that can be reached from one over overlaps, itself among them."""
    chrom, start, end = (rows[name].to_numpy() for name in ("chrom", "start", "end"))
    known, waiting = {place}, [place]
    while waiting:
        k = waiting.pop()
        near = np.flatnonzero((chrom == chrom[k]) & (start < end[k]) & (end > start[k]))
        waiting += [n for n in near if n not in known]
        known |= set(near)
    return known


def test_programs_write_table_summary_and_picture(tmp_path, monkeypatch, capsys, texts, found):
    rows, split = planted()
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "split.tsv", split)
    write_table(tmp_path / "units.tsv", make_units(rows, 0.3))
    files = ["--rows", tmp_path / "rows.parquet", "--units", tmp_path / "units.tsv", "--split", tmp_path / "split.tsv"]
    call(monkeypatch, audit_split, *files, "--threads", 2, "--out", tmp_path / "audit.tsv")
    written = read_table(tmp_path / "audit.tsv")
    assert written.equals(capped(found[1]).astype("str"))
    said = capsys.readouterr().out
    assert "aligning 20 rows of test and val with 20 of train on 2 thread(s)" in said
    assert "share_homologous" in said and "highest_possible" in said and "rows_of_same_locus" in said
    for name in ("a.png", "b.png"):
        arguments = ["--dataset", "toy", "--split", "hand", "--audit", tmp_path / "audit.tsv"]
        call(monkeypatch, plot_audit, *arguments, "--out", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    highest = found[2].loc["v0":"v9", "best_score"].max()
    assert {
        "toy, split hand",
        "homologous from 60",
        f"val: n = 10, 0 % homologous, highest {highest} of 100 possible",
    } <= set(texts)
    share = 10 * (found[2].loc["same":, "best_score"] >= 60).sum()
    assert f"test: n = 10, {share} % homologous, highest 100 of 100 possible" in texts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["part"] != "val"], "the audit has no line for val against train"),
        (lambda t: t.assign(best_score="high"), "line 2: best_score is 'high', expected a number"),
        (lambda t: t.assign(threshold=""), "line 2: threshold is missing"),
        (lambda t: t.drop(columns="part"), "column 'part' is missing"),
    ],
)
def test_a_picture_of_another_table_is_refused(tmp_path, monkeypatch, found, change, message):
    write_table(tmp_path / "audit.tsv", change(found[1]))
    with pytest.raises(InputError, match=message):
        arguments = ["--dataset", "toy", "--split", "hand", "--audit", tmp_path / "audit.tsv"]
        call(monkeypatch, plot_audit, *arguments, "--out", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


SPLITS = {
    "chromosome": {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"],
                   "without_chromosome": "train"},
    "published": {"kind": "published", "train": ["train", "pool"], "val": ["val"], "test": ["test", "test_snv"]},
    "hashfrag": {"kind": "hashfrag", "val": 0.1, "test": 0.1, "seed": 0},
}  # fmt: skip
FILES = {
    "mattioli": {"rows": "mattioli_pool1_pMPRA1_K562.tsv", "pairs": "mattioli_snp_pairs.tsv"},
    "gosai_sample": {"rows": "gosai_sample.tsv", "pairs": "gosai_snv_pairs.tsv"},
}


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "kind"), [("mattioli", "chromosome"), ("gosai_sample", "published")])
def test_only_a_hashfrag_split_of_real_rows_is_free_of_homologues(shared, dataset, kind):
    files = {name: shared / "data" / "mpra" / file for name, file in FILES[dataset].items()}
    rows = sources.read(dataset, files, {})[0]
    units = make_units(rows, 0.3, threads=2)
    tables = {
        name: audit.audit(rows, make_split(rows, SPLITS[name], 1, units), units, 2) for name in (kind, "hashfrag")
    }
    assert not tables["hashfrag"]["homologous"].any()
    assert (tables["hashfrag"]["same_unit_rows"] == 0).all()
    assert 0.01 < tables[kind]["homologous"].mean() < 0.3 and (tables[kind]["shared_31mers"] > 0).any()
    for table in tables.values():
        assert (table["same_locus_rows"] == 0).all()
        assert (table["best_score"] <= table["length"]).all()


def repeats(random, unit, count, length, share):
    """Rows of a repeat in any phase, with a share of the letters drawn anew."""
    return [changed(random, (unit * length)[k % len(unit) :][:length], share) for k in range(count)]


def test_rows_of_low_complexity_are_told_by_their_triplets():
    random = np.random.Generator(np.random.PCG64(5))
    simple = [*repeats(random, "GT", 20, 200, 0.25), *repeats(random, "A", 20, 100, 0.3), "A" * 10, "CAG" * 40]
    others = [text(random, length) for length in (51, 101, 200) for _ in range(50)]
    others += ["", "AC", "N" * 50, "ANAANAAN"]
    assert audit.low_complexity(simple).all()
    assert not audit.low_complexity(others).any()
    mixed = [*simple[:3], *others, *simple[3:]]
    assert audit.low_complexity(mixed).tolist() == [sequence in set(simple) for sequence in mixed]


def test_rows_of_low_complexity_end_at_their_threshold_and_are_as_homologous_as_before():
    random = np.random.Generator(np.random.PCG64(6))
    sequences = [*repeats(random, "GT", 30, 120, 0.3), *[text(random, 120) for _ in range(30)]]
    rows = canonical(pd.DataFrame({"row_id": [f"r{k}" for k in range(60)], "sequence": sequences, "label": 0.0}), "x")
    parts = np.array(["train", "train", "val", "test"], object)[np.arange(60) % 4]
    units = make_units(rows, 0.3).assign(threshold=45)
    table = audit.audit(rows, pd.DataFrame({"row_id": rows["row_id"], "split": parts}), units, report=lambda text: None)
    assert table["low_complexity"].tolist() == [int(int(row[1:]) < 30) for row in table["row_id"]]
    reached = []
    for line in table.itertuples():
        own, others = int(line.row_id[1:]), np.flatnonzero(parts == line.against)
        exact = max(candidate_score(sequences[k], sequences[own], **renamed()) for k in others)
        assert line.best_score == (min(exact, 45) if own < 30 else exact)
        assert line.homologous == (exact >= 45)
        reached.append(line.homologous)
    assert 0 < sum(reached[:20]) < len(reached)
    assert audit.summary(table)["rows_of_low_complexity"].sum() == table["low_complexity"].sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "length", "share"), [("GT", 200, 0), ("GT", 200, 0.3), ("A", 100, 0), ("A", 100, 0.3)]
)
def test_repeats_cost_no_more_than_twenty_times_random_rows(unit, length, share):
    random = np.random.Generator(np.random.PCG64(7))

    def cost(sequences):
        rows = canonical(
            pd.DataFrame({"row_id": [f"r{k}" for k in range(2000)], "sequence": sequences, "label": 0.0}), "x"
        )
        parts = np.array(["train"] * 8 + ["val", "test"], object)[np.arange(2000) % 10]
        units = pd.DataFrame({name: np.arange(2000) for name in ("locus", "unit")}).assign(threshold=60)
        start = time.process_time()
        audit.audit(rows, pd.DataFrame({"row_id": rows["row_id"], "split": parts}), units, report=lambda text: None)
        homologous_groups(sequences, 60)
        return time.process_time() - start

    letters = [text(random, length) for _ in range(2000)]
    cost(letters)  # compiles
    assert cost(repeats(random, unit, 2000, length, share)) < 20 * cost(letters)
