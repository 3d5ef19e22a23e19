"""Saturation mutagenesis: windows of measured variants, their scores, and how these are judged."""

import gzip

import numpy as np
import pandas as pd
import pytest

import judge_scores
from helpers.explained_models import BARE, baseline_on_disk, rows_of, some_inserts
from helpers.programs import call
from s2f import baselines
from s2f.baselines import kmer_ridge
from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.evaluation.metrics import score as metric
from s2f.scoring import judged
from s2f.scoring.measured_variants import read_variants
from s2f.scoring.options import EXPERIMENTS
from s2f.scoring.request import Request, score
from s2f.scoring.satmut import Satmut
from s2f.scoring.sequences import Fit
from s2f.sequences import dna

GENOME = dna.decode(some_inserts(1, 120, 7)[0])  # 101 to 220 of chr1
HOW = judged.Resampling(0.95, 200, 1)


def tables(folder, *elements, changes=(), drop=None):
    """Both tables, of elements (name, experiments, start, length, cell line); `changes` are (row, column, value)."""
    rows, described = [], []
    for name, experiments, start, length, cell in elements:
        sequence = GENOME[start : start + length]
        described.append((name, cell, "chr1", 101 + start, 100 + start + length, sequence, 101, GENOME))
        for number, experiment in enumerate(experiments):
            for offset, ref in enumerate(sequence):
                for alt in "ACGT-":
                    if alt != ref:
                        effect = (ord(ref) * 31 + ord(alt) * 7 + offset) % 13 / 10 - 0.5 + 0.1 * number
                        row = (
                            name,
                            experiment,
                            "chr1",
                            101 + start + offset,
                            ref,
                            alt,
                            offset,
                            10 + offset % 3,
                            effect,
                        )
                        rows.append((*row, 0.5, offset % 5 / 10, "challenge" if offset % 2 else "train"))
    names = "element experiment chrom pos_hg19 ref alt offset barcodes effect p_value confidence cagi5_set".split()
    table = pd.DataFrame(rows, columns=names).astype({"barcodes": object, "effect": object, "offset": object})
    for row, column, value in changes:
        table.loc[row, column] = value
    names = "element cell_line chrom start_hg19 end_hg19 sequence context_start_hg19 context_sequence".split()
    paths = folder / "variants.tsv", folder / "elements.tsv"
    table.drop(columns=drop or []).to_csv(paths[0], sep="\t", index=False)
    pd.DataFrame(described, columns=names).to_csv(paths[1], sep="\t", index=False)
    return paths


def lines_of(source):
    """The lines of all blocks, and both alleles of each as texts."""
    lines, ref, alt = [], [], []
    for block in source.blocks():
        lines.append(block.lines)
        for role, texts in enumerate((ref, alt)):
            texts += [dna.decode(c) for w in block.windows if w.role == role for c in w.inserts]
    return pd.concat(lines, ignore_index=True).assign(ref=ref, alt=alt)


def test_floors_of_real_elements(shared, tmp_path):
    """{element: r of all SNVs, r of those of the challenge with confidence} as the README of the data says, which come
    from another program: a ridge regression of the standardised counts of both strands with a penalty of 10,000."""
    floors = {"GP1BB": (0.177, 0.288), "HBB": (0.276, 0.257), "HBG1": (0.011, 0.097), "F9": (0.234, 0.532),
              "LDLR": (0.050, 0.077), "SORT1": (0.075, 0.134)}  # fmt: skip
    place = shared / "data" / "satmut"
    source = Satmut(place / "satmut_variants.tsv.gz", place / "satmut_elements.tsv", Fit(200, 200, 200), 200)
    table = lines_of(source)
    gosai = pd.read_csv(shared / "data" / "mpra" / "gosai_sample.tsv", sep="\t")
    training = gosai[gosai["split"].isin(["train", "pool"])]
    assert len(training) == 2000 and len(table) == 6505
    rows = training.assign(row_id=training["insert"], sequence=training["insert"], label=training["K562_log2FC"])
    kmer_ridge.train(rows, rows[:0], None, {"alphas": [10_000.0]}, 0, tmp_path)
    values = kmer_ridge.load(tmp_path, {})([*table["ref"], *table["alt"]])
    table["delta"] = values[len(table) :] - values[: len(table)]
    snv = ~table["variant"].str.endswith("-")
    confident = snv & (table["cagi5_set"] == "challenge") & (table["confidence"] > 0.1)
    for element, expected in floors.items():
        own = table["element"] == element
        found = [metric("pearson", table["measured"][own & some], table["delta"][own & some])[0]
                 for some in (snv, confident)]  # fmt: skip
        assert found == pytest.approx(expected, abs=0.005), element
    assert set(table["filled_by"][table["element"] == "HBB"]) == {"genome, 13 bp"}
    assert set(table["filled_by"][table["element"] != "HBB"]) == {""}


def test_windows_of_real_elements_are_of_the_element(shared):
    place = shared / "data" / "satmut"
    elements = pd.read_csv(place / "satmut_elements.tsv", sep="\t").set_index("element")
    with gzip.open(place / "satmut_variants.tsv.gz", "rt") as stream:
        measured = pd.read_csv(stream, sep="\t")
    few = measured[measured["experiment"].isin(EXPERIMENTS) & (measured["barcodes"] < 10)]
    source = Satmut(place / "satmut_variants.tsv.gz", place / "satmut_elements.tsv", Fit(200, 200, 200), 200)
    table, skipped = lines_of(source), pd.concat([block.skipped for block in source.blocks()])
    assert len(skipped) == len(few) == 297 and set(skipped["reason"]) == {"few_barcodes"}
    assert table[["ref", "alt"]].map(len).eq(200).all(axis=None)
    for _, line in table.iloc[::41].iterrows():
        element = elements.loc[line["element"]]
        context, first = element["context_sequence"], element["start_hg19"] - element["context_start_hg19"]
        start, place = first + line["window_start"], first + line["offset"]
        assert context[start : start + 200] == line["ref"]
        if line["variant"].endswith("-"):
            changed = context[:place] + context[place + 1 :]
            assert line["alt"] in (changed[start : start + 200], changed[start - 1 : start + 199])
        else:
            changed = context[:place] + line["variant"][-1] + context[place + 1 :]
            assert changed[start : start + 200] == line["alt"]


def test_ceilings_of_real_elements(shared):
    variants = read_variants(shared / "data" / "satmut" / "satmut_variants.tsv.gz")
    ceilings = judged.Ceilings(variants, 10)
    assert ceilings.of("LDLR.2", "SNVs", "pearson") == pytest.approx((0.973, 943), abs=5e-4)
    assert ceilings.of("SORT1", "SNVs", "pearson") == pytest.approx((0.962, 1710), abs=5e-4)
    assert np.isnan(ceilings.of("F9", "SNVs", "pearson")).all()


@pytest.mark.parametrize(
    ("length", "shortest", "window", "filled_by"),
    [
        (60, 40, 40, ""),  # inside
        (40, 40, 40, ""),  # the element is the window
        (30, 30, 30, ""),  # an insert as short as those of the training: the reporter stands around it
        (30, 40, 40, "genome, 10 bp"),
    ],
)
def test_a_window_is_centred_as_far_as_the_element_goes(tmp_path, length, shortest, window, filled_by):
    paths = tables(tmp_path, ("E", ["X"], 20, length, "K562"))
    table = lines_of(Satmut(*paths, Fit(shortest, 40, 40), 40, ("X",), 1))
    assert set(table["filled_by"]) == {filled_by} and len(table) == 4 * length
    begin = 20 if not filled_by else 15
    end = 20 + length if not filled_by else 55
    for _, line in table.iterrows():
        place = 20 + line["offset"]
        start = min(max(place - (window - 1) // 2, begin), end - window)
        assert line["window_start"] == start - 20 and line["ref"] == GENOME[start : start + window]
        alt = line["variant"][-1]
        if alt != "-":
            assert line["alt"] == (GENOME[:place] + alt + GENOME[place + 1 :])[start : start + window]
            continue
        shorter = GENOME[:place] + GENOME[place + 1 :]
        left = start - (start + window == end and start > begin)
        assert line["alt"] == shorter[left : left + window]


@pytest.fixture
def ridge(tmp_path):
    """A k-mer ridge of inserts of 40 bp, and what it predicts."""
    rows = rows_of(some_inserts(80, 40, 3)).assign(label=lambda t: t["sequence"].str.count("GA") * 1.0)
    baseline_on_disk(tmp_path / "ridge", "kmer_ridge", BARE, {"k": [2, 3], "alphas": [1.0]}, rows, rows)
    return tmp_path / "ridge", baselines.get("kmer_ridge").load(tmp_path / "ridge", read_json(
        tmp_path / "ridge" / "model.json"))  # fmt: skip


ELEMENTS = (("E", ["X", "X.2"], 20, 60, "K562"), ("F", ["Y"], 0, 45, "K562"), ("G", ["Z"], 70, 50, "HepG2"))


@pytest.fixture
def scored(tmp_path, ridge):
    """Scores of three elements by two models, of which the second one is the first with noise, and the variants."""
    paths = tables(tmp_path, *ELEMENTS)
    out = tmp_path / "scores.tsv"
    score(Request(ridge[0], "satmut", paths[0], out, elements=paths[1], experiments=("X", "Y", "Z"), barcodes=11))
    table = pd.read_csv(out, sep="\t")
    noise = np.random.default_rng(0).normal(0, 1, len(table))
    pd.concat([table, table.assign(model="other", delta=table["delta"] + noise)]).to_csv(out, sep="\t", index=False)
    return out, paths[0], table


def test_scores_are_alt_minus_ref_of_the_windows(tmp_path, ridge, scored):
    windows = lines_of(Satmut(tmp_path / "variants.tsv", tmp_path / "elements.tsv", Fit(40, 40, 40), 40,
                              ("X", "Y", "Z"), 11))  # fmt: skip
    table = scored[2]
    assert table["variant"].tolist() == windows["variant"].tolist()
    ref, alt = (ridge[1](windows[name].tolist()) for name in ("ref", "alt"))
    np.testing.assert_allclose(table["delta"], alt - ref, rtol=1e-5, atol=1e-6)


def test_effects_are_judged_for_each_element_and_in_the_mean(scored):
    out, variants, table = scored
    found = judged.satmut(out, variants, 11, "kmer_ridge", HOW)
    assert len(found) == 2 * 5 * 2 * (3 + 2)  # models, subsets, metrics, elements with two means
    by = found.set_index(["model", "element", "cell_line", "variants", "metric"])
    snv = ~table["variant"].str.endswith("-")
    own = table[snv & (table["element"] == "E")]
    line = by.loc[("kmer_ridge", "E", "K562", "SNVs", "pearson")]
    assert line["value"] == pytest.approx(np.corrcoef(own["measured"], own["delta"])[0, 1])
    assert line["n"] == len(own) and line["blocks"] == 3 and line["ci_low"] < line["value"] < line["ci_high"]
    assert line["ceiling"] == pytest.approx(1) and by.loc[("other", "F", "K562", "SNVs", "pearson")].isna()["ceiling"]
    part = table[snv & (table["cagi5_set"] == "challenge") & (table["confidence"] > 0.1) & (table["element"] == "G")]
    confident = by.loc[("kmer_ridge", "G", "HepG2", "challenge SNVs, confidence > 0.1", "spearman")]
    assert confident["n"] == len(part)
    assert confident["value"] == pytest.approx(part["measured"].corr(part["delta"], method="spearman"))
    deletions = by.loc[("kmer_ridge", "F", "K562", "deletions", "pearson")]
    assert deletions["n"] == (~snv & (table["element"] == "F")).sum()
    for cell, names in (("K562", "EF"), ("all", "EFG")):
        mean = by.loc[("other", "mean", cell, "SNVs", "pearson")]
        places = [("K562" if name in "EF" else "HepG2") for name in names]
        each = [by.loc[("other", name, at, "SNVs", "pearson")] for name, at in zip(names, places, strict=True)]
        assert mean["value"] == pytest.approx(np.mean([one["value"] for one in each]))
        assert mean["n"] == sum(one["n"] for one in each)
        assert mean["floor"] == by.loc[("kmer_ridge", "mean", cell, "SNVs", "pearson")]["value"]


def test_variants_of_a_block_are_resampled_together(scored, monkeypatch):
    """Of a model whose error is one number per block, resampling single variants would promise too much."""
    out, variants, table = scored
    shift = np.random.default_rng(1).normal(0, 3, 10)[table["offset"] // judged.BLOCK]
    table.assign(delta=table["measured"] + shift).to_csv(out, sep="\t", index=False)
    widths = []
    for size in (judged.BLOCK, 1):
        monkeypatch.setattr(judged, "BLOCK", size)
        found = judged.satmut(out, variants, 11, "", HOW).query(
            "element == 'E' and variants == 'SNVs' and metric == 'pearson'"
        )
        widths.append((found["ci_high"] - found["ci_low"]).item())
    assert widths[0] > 2 * widths[1]


def test_a_constant_model_has_no_agreement(scored):
    out, variants, table = scored
    table.assign(delta=table["delta"].where(table["element"] != "E", 0.0)).to_csv(out, sep="\t", index=False)
    found = judged.satmut(out, variants, 11, "", HOW).set_index(["element", "cell_line", "variants", "metric"])
    assert np.isnan(found.loc[("E", "K562", "SNVs", "pearson")]["value"])
    assert found.loc[("E", "K562", "SNVs", "pearson")]["note"] == "constant predictions"
    mean = found.loc[("mean", "all", "SNVs", "pearson")]
    assert np.isnan(mean["value"]) and mean["note"] == "undefined for E" and found["floor"].isna().all()


def test_a_model_may_predict_only_the_first_of_the_cells(scored):
    out, variants, table = scored
    both = pd.concat([table.assign(cell=cell) for cell in ("K562", "HepG2")])
    first = table.assign(cell="K562", model="first")
    pd.concat([both, first]).to_csv(out, sep="\t", index=False)
    found = judged.satmut(out, variants, 11, "first", HOW)
    models = found.groupby("cell")["model"].unique().map(sorted).to_dict()
    assert models == {"K562": ["first", "kmer_ridge"], "HepG2": ["kmer_ridge"]}
    assert found[found["cell"] == "HepG2"]["floor"].isna().all() and found["value"].notna().all()
    pd.concat([both, first.iloc[1:]]).to_csv(out, sep="\t", index=False)
    with pytest.raises(InputError, match="not every model scored"):
        judged.satmut(out, variants, 11, "", HOW)


def test_models_with_other_variants_are_refused(scored):
    out, variants, table = scored
    pd.concat([table, table.assign(model="other").iloc[1:]]).to_csv(out, sep="\t", index=False)
    with pytest.raises(InputError, match=r"scores.tsv: not every model scored chr1:.* exactly once; score them again"):
        judged.satmut(out, variants, 11, "", HOW)


def test_the_program_writes_the_table(tmp_path, scored, monkeypatch):
    out, variants, _ = scored
    call(monkeypatch, judge_scores, "--scores", out, "--satmut", variants, "--barcodes", "11", "--floor", "kmer_ridge",
         "--resamples", "200", "--seed", "1", "--out", tmp_path / "judged.tsv")  # fmt: skip
    found = pd.read_csv(tmp_path / "judged.tsv", sep="\t")
    assert list(found.columns) == list(judged.SATMUT_COLUMNS)
    expected = judged.satmut(out, variants, 11, "kmer_ridge", HOW)
    np.testing.assert_allclose(found["ci_low"], expected["ci_low"])


BAD = {
    "experiment": ({}, ("Q",), "variants.tsv: experiment 'Q' is unknown"),
    "two of one element": ({}, ("X", "X.2"), "variants.tsv: 'X' and 'X.2' measure the same element, 'E'"),
    "effect": ({"changes": [(3, "effect", "x")]}, ("X",), "variants.tsv: line 5: effect is 'x', expected a number"),
    "no effect": ({"changes": [(3, "effect", "")]}, ("X",), "variants.tsv: line 5: effect is '', expected a number"),
    "barcodes": (
        {"changes": [(3, "barcodes", -1)]},
        ("X",),
        "line 5: barcodes is '-1', expected a whole number of at least 0",
    ),
    "zero-based": ({"changes": [(0, "pos_hg19", 120)]}, ("X",), "line 2: pos_hg19 is '120' and offset is '0'"),
    "allele": (
        {"changes": [(0, "alt", "*")]},
        ("X",),
        r"line 2: ref is .* and alt is '\*', expected another base, or -",
    ),
    "twice": (
        {"changes": [(1, "alt", "-")]},
        ("X",),
        "line 5: .*expected a variant that does not occur on an earlier line",
    ),
    "offset": ({"changes": [(0, "offset", 60)]}, ("X",), "line 2: offset is '60', expected a position in the element"),
    "column": ({"drop": "cagi5_set"}, ("X",), "variants.tsv: column 'cagi5_set' is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_named(tmp_path, name):
    changed, experiments, message = BAD[name]
    paths = tables(tmp_path, *ELEMENTS, **changed)
    with pytest.raises(InputError, match=message):
        next(Satmut(*paths, Fit(40, 40, 40), 40, experiments, 1).blocks())


def test_a_reference_of_another_strand_is_refused(tmp_path):
    paths = tables(tmp_path, *ELEMENTS)
    table = pd.read_csv(paths[0], sep="\t")
    flipped = table[["ref", "alt"]].replace(dict(zip("ACGT", "TGCA", strict=True)))
    table.assign(**flipped).to_csv(paths[0], sep="\t", index=False)
    with pytest.raises(InputError, match=r"line 2: element is 'E' and offset is .* expected the base of the element"):
        next(Satmut(*paths, Fit(40, 40, 40), 40, ("X",), 1).blocks())


def test_elements_are_checked(tmp_path):
    variants, elements = tables(tmp_path, *ELEMENTS)
    table = pd.read_csv(elements, sep="\t")
    for column, value, message in (
        ("start_hg19", 120, "line 2: element 'E': sequence has 60 bp, expected the length from start_hg19 to end_hg19"),
        ("context_start_hg19", 102, "line 2: element 'E': context_sequence does not contain the sequence"),
        ("element", "F", "line 3: element is 'F', expected a name that does not occur on an earlier line"),
    ):
        table.assign(**{column: [value, *table[column].iloc[1:]]}).to_csv(elements, sep="\t", index=False)
        with pytest.raises(InputError, match=message):
            next(Satmut(variants, elements, Fit(40, 40, 40), 40, ("X",), 1).blocks())
    table.to_csv(elements, sep="\t", index=False)
    with pytest.raises(
        InputError, match="element 'F' has 45 bp, but the window has 50; expected enough bases of the genome"
    ):
        next(Satmut(variants, elements, Fit(50, 50, 50), 50, ("Y",), 1).blocks())


def test_nothing_is_scored_on_one_strand_or_without_elements(tmp_path, ridge):
    paths = tables(tmp_path, *ELEMENTS)
    record = read_json(ridge[0] / "model.json")
    with pytest.raises(InputError, match="--satmut needs --elements"):
        Request(ridge[0], "satmut", paths[0], tmp_path / "o").source(record)
    with pytest.raises(InputError, match="--satmut is read on both strands of the DNA, but the model reads only one"):
        Request(ridge[0], "satmut", paths[0], tmp_path / "o", elements=paths[1]).source(
            record | {"strand_rule": "forward"}
        )
