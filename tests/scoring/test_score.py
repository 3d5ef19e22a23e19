"""Sequences, variants and regions scored by trained models: as one by one, or refused before any work."""

import functools
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import score as program
from helpers.explained_models import BARE, HEADS, baseline_on_disk, head_on_disk, rows_of, some_inserts
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.interpretation import scorer
from s2f.models.predictions import VALIDATION
from s2f.scoring import blocks, request
from s2f.scoring.request import Request, score
from s2f.sequences import dna, vcf
from s2f.sequences.genome import Genome, records

pytestmark = pytest.mark.usefixtures("compiled_quickly", "toy_lamar")


@pytest.fixture
def head(tmp_path):
    """Folder of a head that reads 40 bp in the Gosai plasmid, on both strands."""
    head_on_disk(tmp_path / "best_model", *HEADS["onehot"])
    return tmp_path / "best_model"


@pytest.fixture
def rna(tmp_path):
    """Folder of a classifier that reads 40 bp of one strand."""
    rows = rows_of(some_inserts(60, 40, 4)).assign(label=np.arange(60) % 2.0)
    baseline_on_disk(
        tmp_path / "rna", "kmer_logistic", BARE, {"k": [3], "C": [1.0]}, rows, rows, "forward", "classification"
    )
    return tmp_path / "rna"


@pytest.fixture
def cases(shared):
    return shared / "data" / "vcf_cases"


def fasta(path, codes, names=None):
    names = names or [f"s{number}" for number in range(len(codes))]
    path.write_text("".join(f">{name} more\n{dna.decode(own)}\n" for name, own in zip(names, codes, strict=True)))
    return path


def asked(tmp_path, model, kind, path, **more):
    return Request(model, kind, path, tmp_path / "out.tsv", tmp_path / "skipped.tsv", **more)


def scored(tmp_path, model, kind, path, **more):
    """The table of scores, and that of what was skipped."""
    one = asked(tmp_path, model, kind, path, **more)
    score(one)
    assert not (tmp_path / ".out.tsv.parts").exists()
    tables = [pd.read_csv(p, sep="\t", keep_default_na=False, na_values=[""]) if p.stat().st_size else pd.DataFrame()
              for p in (one.out, one.skipped)]  # fmt: skip
    return tables


# --- Sequences


def some(*names):
    slow = ("alphagenome", "enformer", "chip-cnn")
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in names]


@pytest.mark.parametrize("name", some(*HEADS))
def test_a_sequence_is_scored_as_it_was_predicted(tmp_path, name):
    spec, construct, slug, rule = HEADS[name]
    head_on_disk(tmp_path / "m", spec, construct, slug, rule)
    codes = some_inserts(5)
    table, _ = scored(tmp_path, tmp_path / "m", "fasta", fasta(tmp_path / "a.fa", codes))
    of_strand = next(scorer.load(tmp_path / "m", as_cached=True).outputs([scorer.Chunk(codes)]))[:, :, 0]
    assert table["id"].tolist() == [f"s{i}" for i in range(5)]
    np.testing.assert_allclose(table["prediction"], of_strand.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table["forward"], of_strand[0], rtol=1e-5, atol=1e-6)
    assert table["reverse"].isna().all() == (rule == "forward")
    assert set(table["model"]) == {f"e/none/{slug}"} and len(set(table["prediction"])) == 5


def test_a_classifier_gives_probabilities_and_no_interval(tmp_path, rna):
    codes = some_inserts(4, 40, 9)
    table, _ = scored(tmp_path, rna, "fasta", fasta(tmp_path / "a.fa", codes))
    from s2f import baselines

    predict = baselines.get("kmer_logistic").load(rna, read_json(rna / "model.json"))
    np.testing.assert_allclose(table["prediction"], predict([dna.decode(c) for c in codes]), rtol=1e-6)
    assert table["low"].isna().all()


def test_the_interval_is_that_of_the_validation_rows(tmp_path, head):
    errors = np.linspace(-1, 1, 99)
    predicted = pd.DataFrame({"row_id": [f"v{i}" for i in range(99)], "label": errors, "prediction": 0.0})
    predicted.to_csv(head / VALIDATION, sep="\t", index=False)
    table, _ = scored(tmp_path, head, "fasta", fasta(tmp_path / "a.fa", some_inserts(2)), confidence=0.9)
    half = np.sort(np.abs(errors))[90 - 1]  # the 90th of 99: (99 + 1) * 0.9
    np.testing.assert_allclose(table["high"] - table["prediction"], half)
    np.testing.assert_allclose(table["prediction"] - table["low"], half)


def test_several_cells_have_a_line_each(tmp_path):
    cells = ["K562", "HepG2"]
    spec, construct, slug, rule = HEADS["onehot"]
    head_on_disk(tmp_path / "m", spec, construct, slug, rule, cells)
    rows = pd.DataFrame({"row_id": ["v"] * 2, "cell": cells, "label": [1.0, ""], "prediction": 0.5})
    rows.to_csv(tmp_path / "m" / VALIDATION, sep="\t", index=False)
    codes = some_inserts(3)
    table, _ = scored(tmp_path, tmp_path / "m", "fasta", fasta(tmp_path / "a.fa", codes))
    values = next(scorer.load(tmp_path / "m").outputs([scorer.Chunk(codes)])).mean(axis=0)
    assert table["cell"].tolist() == cells * 3
    np.testing.assert_allclose(table["prediction"], values.ravel(), rtol=1e-5, atol=1e-6)


def test_longer_sequences_are_read_in_tiles_only_if_asked(tmp_path, head):
    long = some_inserts(1, 95)
    path = fasta(tmp_path / "a.fa", long)
    with pytest.raises(
        InputError, match=r"a.fa: line 1: 's0' has 95 bp, but the model was trained only on inserts of 40 bp"
    ):
        scored(tmp_path, head, "fasta", path)
    table, _ = scored(tmp_path, head, "fasta", path, tile=30)
    assert table[["start", "end"]].to_numpy().tolist() == [[0, 40], [30, 70], [55, 95]]
    whole = fasta(tmp_path / "b.fa", [long[0, start : start + 40] for start in (0, 30, 55)])
    alone, _ = scored(tmp_path, head, "fasta", whole)
    np.testing.assert_array_equal(table["prediction"], alone["prediction"])
    with pytest.raises(InputError, match=r"'s0' has 39 bp.* add real sequence on both sides"):
        scored(tmp_path, head, "fasta", fasta(tmp_path / "c.fa", some_inserts(1, 39)), tile=30)


def test_a_table_is_a_fasta(tmp_path, head):
    codes = some_inserts(3)
    pd.DataFrame({"name": list("abc"), "seq": [dna.decode(c).lower() for c in codes]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    table, _ = scored(tmp_path, head, "table", tmp_path / "t.csv", columns=("seq",), id_column="name", separator=",")
    alone, _ = scored(tmp_path, head, "fasta", fasta(tmp_path / "a.fa", codes, list("abc")))
    pd.testing.assert_frame_equal(table, alone)


def test_shifts_are_means_over_recut_windows(tmp_path, head):
    codes = some_inserts(2)
    path = fasta(tmp_path / "a.fa", codes)
    each = [scored(tmp_path, head, "fasta", path, shifts=(shift,))[0]["prediction"] for shift in (-3, 5)]
    both, _ = scored(tmp_path, head, "fasta", path, shifts=(-3, 5))
    np.testing.assert_allclose(both["prediction"], np.mean(each, axis=0), rtol=1e-6)
    assert np.abs(each[0] - each[1]).min() > 1e-4


# --- Variants


loaded = functools.cache(scorer.load)  # compiled once for all variants of a test


def by_hand(model, genome, line, length=40, offset=19, strand="+"):
    """Both alleles of a line of scores, cut from the genome by text and scored one by one."""
    chrom, pos, ref, alt = line["variant"].split(":")
    start = int(pos) - 1
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    record = genome.records[genome.records["chrom"] == chrom].index[0]
    size = int(genome.records["end"][record])
    text = dna.decode(genome.codes(np.array([record]), np.arange(size)[None])[0])
    assert text[start : start + len(ref)] == ref
    changed = text[:start] + alt + text[start + len(ref) :]
    if strand == "-":
        text, changed = dna.reverse_complement_text(text), dna.reverse_complement_text(changed)
        start = size - start - len(ref)
    first = start - offset
    windows = np.stack([dna.encode(whole[first : first + length]) for whole in (text, changed)])
    return loaded(model).score(windows)


@pytest.mark.parametrize(
    "name",
    ["01_multiallelic.vcf", "02_indels.vcf", "04_letter_case.vcf", "05_contig_names.vcf", "10_bgzip_no_contigs.vcf.gz"],
)
def test_variants_equal_alleles_cut_by_hand(tmp_path, head, cases, name):
    table, _ = scored(tmp_path, head, "vcf", cases / name, genome=cases / "reference.fa")
    expected = pd.read_csv(cases / "expected.tsv", sep="\t", keep_default_na=False)
    expected = expected[(expected["file"] == name) & (expected["outcome"] == "score")]
    place = (
        expected["norm_chrom"] + ":" + expected["norm_pos"] + ":" + expected["norm_ref"] + ":" + expected["norm_alt"]
    )
    assert table["variant"].tolist() == place.tolist()  # 25 bases and 20 changed ones are needed there, 19 or 20 here
    genome = Genome.open(cases / "reference.fa")
    for _, line in table.iterrows():
        np.testing.assert_allclose([line["ref"], line["alt"]], by_hand(head, genome, line), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(table["delta"], table["alt"] - table["ref"])
    assert table["delta"].abs().max() > 1e-3


def test_offsets_are_means_and_the_same_for_both_alleles(tmp_path, head, cases):
    path, genome = cases / "02_indels.vcf", Genome.open(cases / "reference.fa")
    table, _ = scored(tmp_path, head, "vcf", path, genome=cases / "reference.fa", offsets=(10, 25))
    for _, line in table.iterrows():
        alone = [by_hand(head, genome, line, offset=offset) for offset in (10, 25)]
        np.testing.assert_allclose(line[["ref", "alt"]].astype(float), np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)


def test_one_strand_is_read_where_the_model_reads_one(tmp_path, rna, cases):
    path, genome = cases / "01_multiallelic.vcf", Genome.open(cases / "reference.fa")
    with pytest.raises(InputError, match="the model reads one strand, so the strand of the transcript must be known"):
        scored(tmp_path, rna, "vcf", path, genome=cases / "reference.fa")
    found = {
        s: scored(tmp_path, rna, "vcf", path, genome=cases / "reference.fa", strand=s)[0] for s in ("+", "-", "both")
    }
    for sign in "+-":
        for _, line in found[sign].iterrows():
            np.testing.assert_allclose(
                [line["ref"], line["alt"]], by_hand(rna, genome, line, strand=sign), rtol=1e-6, atol=1e-9
            )
    larger = np.where(found["+"]["delta"].abs() >= found["-"]["delta"].abs(), found["+"]["delta"], found["-"]["delta"])
    np.testing.assert_array_equal(found["both"]["delta"], larger)
    assert set(found["both"]["strand"]) == {"+ (larger of both)", "- (larger of both)"}


def test_genes_say_the_strand(tmp_path, rna, cases):
    gtf = 'chr1\tx\tgene\t1\t100\t.\t-\t.\tgene_id "a";\nchr1\tx\tgene\t75\t85\t.\t+\t.\tgene_id "b";\n'
    (tmp_path / "g.gtf").write_text(gtf)
    path, genome = cases / "01_multiallelic.vcf", cases / "reference.fa"
    table, skipped = scored(tmp_path, rna, "vcf", path, genome=genome, genes=tmp_path / "g.gtf")
    minus, _ = scored(tmp_path, rna, "vcf", path, genome=genome, strand="-")
    own = table[table["strand"] == "-"].set_index("variant")["delta"]
    np.testing.assert_array_equal(own, minus.set_index("variant")["delta"][own.index])
    assert table[table["pos"] == 80]["strand"].str.contains("larger of both").all()
    assert (skipped[skipped["pos"] == 201]["reason"] == "no_strand").all() and (table["pos"] < 201).all()


def test_a_table_of_variants_is_a_vcf(tmp_path, head, cases):
    of_vcf, _ = scored(tmp_path, head, "vcf", cases / "02_indels.vcf", genome=cases / "reference.fa")
    written = of_vcf.rename(columns={"ref_allele": "REF", "alt_allele": "ALT"})
    keys = written["chrom"] + ":" + written["pos"].astype(str) + ":" + written["REF"] + ":" + written["ALT"]
    keys.to_frame("variant").to_csv(tmp_path / "v.tsv", sep="\t", index=False)
    table, _ = scored(tmp_path, head, "variants", tmp_path / "v.tsv", genome=cases / "reference.fa")
    columns = ["variant", "ref", "alt", "delta", "fingerprint"]
    pd.testing.assert_frame_equal(table[columns], of_vcf[columns])


def test_a_table_may_say_strand_and_offset(tmp_path, head, cases):
    genome, rows = Genome.open(cases / "reference.fa"), [("+", 5), ("-", 30), ("-", 5), ("+", "")]
    lines = "".join(f"chr1\t60\tG\tA\t{strand}\t{offset}\n" for strand, offset in [*rows, rows[0]])
    (tmp_path / "v.tsv").write_text(f"chrom\tpos\tref\talt\tstrand\toffset\n{lines}")
    fasta = cases / "reference.fa"
    table, skipped = scored(tmp_path, head, "variants", tmp_path / "v.tsv", genome=fasta, strand="file")
    assert skipped["reason"].tolist() == ["duplicate"]
    for (_, line), (strand, offset) in zip(table.iterrows(), rows, strict=True):
        expected = by_hand(head, genome, line, offset=19 if offset == "" else offset, strand=strand)
        np.testing.assert_allclose([line["ref"], line["alt"]], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match=r"v.tsv: line 3: offset is 30, expected 0 to 29"):
        short = replace(asked(tmp_path, head, "variants", tmp_path / "v.tsv", genome=fasta, strand="file"), length=30)
        short._check({"insert_bp": {"shortest": 30, "longest": 30, "commonest": 30}, "strand_rule": "mean"})


def test_pairs_of_sequences_are_variants(tmp_path, head):
    codes = some_inserts(4)
    texts = [dna.decode(c) for c in codes]
    pd.DataFrame({"ref": texts[:2], "alt": texts[2:]}).to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    table, _ = scored(tmp_path, head, "pairs", tmp_path / "p.tsv")
    values = scorer.load(head).score(codes)
    np.testing.assert_allclose(table["delta"], values[2:] - values[:2], rtol=1e-5, atol=1e-6)
    assert table["id"].tolist() == [1, 2]


def test_effects_have_the_interval_and_the_percentile_of_measured_ones(tmp_path, head):
    measured = np.linspace(-2, 2, 41)
    rows = [(f"r{i}", 0.0, 0.0) for i in range(41)] + [
        (f"a{i}", value, value + 0.5) for i, value in enumerate(measured)
    ]
    pd.DataFrame(rows, columns=["row_id", "label", "prediction"]).to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    pairs = pd.DataFrame({"ref_row_id": [f"r{i}" for i in range(41)], "alt_row_id": [f"a{i}" for i in range(41)]})
    pairs.to_csv(tmp_path / "panel.tsv", sep="\t", index=False)
    codes = some_inserts(2)
    pd.DataFrame([[dna.decode(c) for c in codes]], columns=["ref", "alt"]).to_csv(
        tmp_path / "q.tsv", sep="\t", index=False
    )
    table, _ = scored(
        tmp_path, head, "pairs", tmp_path / "q.tsv", measured=(tmp_path / "p.tsv", tmp_path / "panel.tsv")
    )
    assert table["high"][0] - table["delta"][0] == pytest.approx(0.5)
    assert table["percentile"][0] == pytest.approx(100 * np.mean(np.abs(measured) <= abs(table["delta"][0])))


@pytest.mark.parametrize("name", ["a.vcf", "a.vcf.gz"])
def test_the_vcf_has_the_effects_in_info(tmp_path, head, cases, name):
    source, plain = tmp_path / "in.vcf", (cases / "01_multiallelic.vcf").read_text().splitlines(keepends=True)
    records = sorted(plain[7:], key=lambda row: int(row.split("\t")[1]))
    source.write_text("".join(plain[:7] + records))
    table, _ = scored(tmp_path, head, "vcf", source, genome=cases / "reference.fa", vcf_out=tmp_path / name)
    assert (tmp_path / f"{name}.tbi").exists() == name.endswith(".gz")
    before, after = (next(vcf.read_vcf(path)) for path in (source, tmp_path / name))
    known = {(line, allele): delta for line, allele, delta in table[["line", "alt_allele", "delta"]].to_numpy()}
    for old, new in zip(before.lines, after.lines, strict=True):
        cells = old.split("\t"), new.split("\t")
        assert cells[0][:7] == cells[1][:7] and cells[0][8:] == cells[1][8:]
        info = dict(field.partition("=")[::2] for field in cells[1][7].split(";"))
        line = before.variants.line[before.variants.record == before.lines.index(old)][0]
        used = set()
        for allele, value in zip(cells[0][4].split(","), info["S2F_DELTA"].split(","), strict=True):
            expected = known.get((line, allele)) if allele not in used else None
            used.add(allele)
            assert value == "." if expected is None else float(value) == pytest.approx(expected, rel=1e-4)


# --- Regions


def test_regions_are_windows_of_the_genome(tmp_path, head, rna, cases):
    regions = [
        ("chr1", 100, 141, "peak", "+"), ("chr1", 100, 141, "turned", "-"), ("chr1", 0, 10, "edge", "+"),
        ("chr2", 40, 140, "wide", "."), ("chr9", 5, 50, "unknown", "+"), ("chr2", 200, 230, "masked", "+"),
    ]  # fmt: skip
    path, genome = tmp_path / "r.bed", cases / "reference.fa"
    path.write_text("".join(f"{c}\t{a}\t{b}\t{name}\t0\t{strand}\n" for c, a, b, name, strand in regions))

    def by_hand(line):
        text = next(letters.decode() for header, _, letters in records(genome) if header == line["chrom"])
        codes = dna.encode(text[line["start"] : line["end"]])
        return dna.reverse_complement(codes) if line["strand"] == "-" else codes

    table, skipped = scored(tmp_path, head, "bed", path, genome=genome)
    assert table[["id", "start", "end"]].to_numpy().tolist() == [
        ["peak", 100, 140], ["turned", 100, 140], ["wide", 70, 110],
    ]  # fmt: skip
    expected = scorer.load(head).score(np.stack([by_hand(line) for _, line in table.iterrows()]))
    np.testing.assert_allclose(table["prediction"], expected, rtol=1e-5, atol=1e-6)
    reasons = {"edge": "near_contig_end", "unknown": "not_in_genome", "masked": "n_in_window"}
    assert skipped.set_index("id")["reason"].to_dict() == reasons
    tiles, skipped = scored(tmp_path, head, "bed", path, genome=genome, tile=30)
    assert tiles[tiles["id"] == "wide"]["start"].tolist() == [40, 70, 100]
    assert skipped.set_index("id")["reason"]["edge"] == "too_short"
    one_strand, skipped = scored(tmp_path, rna, "bed", path, genome=genome)
    assert one_strand["id"].tolist() == ["peak", "turned"] and (skipped["reason"] == "no_strand").sum() == 1


# --- Kills, machines, bad input


def test_a_killed_run_continues(tmp_path, head, monkeypatch):
    monkeypatch.setattr(request, "LINES", 4)
    monkeypatch.setattr("s2f.scoring.sequences.LINES", 4)
    path = fasta(tmp_path / "a.fa", some_inserts(18))
    one = asked(tmp_path, head, "fasta", path)
    score(one)
    whole = one.out.read_bytes()
    one.out.unlink()
    read, own = [], scorer.encode_stream

    def dies(encoder, chunks, strands):
        for number, values in enumerate(own(encoder, chunks, strands)):
            read.append(len(values[0]))
            if number == 2:
                raise KeyboardInterrupt
            yield values

    with monkeypatch.context() as patch:
        patch.setattr(scorer, "encode_stream", dies)
        with pytest.raises(KeyboardInterrupt):
            score(one)
    assert not one.out.exists() and (tmp_path / ".out.tsv.parts").is_dir()
    read.clear()
    monkeypatch.setattr(scorer, "encode_stream", lambda *a: (read.append(len(v[0])) or v for v in own(*a)))
    score(one)
    assert one.out.read_bytes() == whole
    assert sum(read) < 18
    score(replace(one, confidence=0.5))  # another question is answered anew
    assert one.out.read_bytes() != whole


def test_a_model_scores_the_same_on_another_machine(tmp_path, head):
    path = fasta(tmp_path / "a.fa", some_inserts(3))
    here, _ = scored(tmp_path, head, "fasta", path)
    shutil.move(head, tmp_path / "elsewhere")
    there, _ = scored(tmp_path, tmp_path / "elsewhere", "fasta", path)
    pd.testing.assert_frame_equal(here, there)


def test_weights_of_the_encoder_may_lie_elsewhere(tmp_path):
    spec = {"kind": "lamar", "size": "toy", "weights": {"path": "/nowhere"}}
    assert request._with_weights(spec, "/here")["weights"] == {"path": "/here"}
    assert request._with_weights({**spec, "weights": {"random": 3}}, "/here")["weights"] == {"random": 3}
    drawn = {"kind": "dnabert2", "weights": {"random": 3}, "tokenizer": "/nowhere"}
    assert request._with_weights(drawn, "/here") == {**drawn, "tokenizer": "/here"}
    assert request._with_weights({**drawn, "tokenizer": ""}, "/here")["tokenizer"] == ""


def test_a_table_says_the_strand_of_its_variants(tmp_path, head, cases):
    """Unless one is asked for; then the same change on another strand is no other one."""
    (tmp_path / "v.tsv").write_text("variant\tstrand\nchr1:60:G:A\t-\nchr1:60:G:A\t+\n")
    own, _ = scored(tmp_path, head, "variants", tmp_path / "v.tsv", genome=cases / "reference.fa")
    assert own["strand"].tolist() == ["-", "+"]
    plus, skipped = scored(tmp_path, head, "variants", tmp_path / "v.tsv", genome=cases / "reference.fa", strand="+")
    np.testing.assert_array_equal(plus["delta"], own["delta"][1:])
    assert skipped["reason"].tolist() == ["duplicate"]


def test_nothing_to_score_is_a_table_without_lines(tmp_path, head, cases):
    source = tmp_path / "v.vcf"
    source.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
                      "chr1\t60\t.\tG\t<DEL>\t.\t.\t.\n")  # fmt: skip
    table, skipped = scored(tmp_path, head, "vcf", source, genome=cases / "reference.fa", vcf_out=tmp_path / "out.vcf")
    assert (
        list(table.columns)[:2] == ["variant", "line"]
        and len(table) == 0
        and skipped["reason"].tolist() == ["symbolic"]
    )
    assert "S2F_DELTA=." in (tmp_path / "out.vcf").read_text()


def test_no_file_is_overwritten_by_another(tmp_path, head):
    path = fasta(tmp_path / "a.fa", some_inserts(2))
    one = asked(tmp_path, head, "fasta", path)
    for change, message in (
        ({"out": path}, "would overwrite"), ({"skipped": one.out}, "would overwrite"), ({"out": head}, "is a folder"),
        ({"out": tmp_path}, "is a folder"), ({"out": head / "new.tsv"}, "lies in the folder of the model"),
        ({"path": tmp_path}, "is not a regular file"), ({"model": head / "model.json"}, "is not a folder"),
        ({"skipped": path / "new.tsv"}, r"a.fa/new.tsv: no file can be written in .*a.fa \("),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            score(replace(one, **change))
    assert path.read_text().startswith(">s0") and (head / "model.json").is_file()


BAD = {
    "no input": ((), "expected one of --fasta"),
    "letters": (("--fasta", "letters.fa"), r"letters.fa: line 1: 's': base 4 is 'X'"),
    "names": (("--fasta", "names.fa"), r"names.fa: line 3: 's' also occurs at .*line 1; names must differ"),
    "no VCF": (("--vcf", "none.vcf", "--genome", "g.fa"), "^none.vcf: no such file$"),
    "no such genome": (("--vcf", "v.vcf", "--genome", "none.fa"), "^none.fa: no such file$"),
    "no genes": (("--vcf", "v.vcf", "--genome", "g.fa", "--genes", "none.gtf"), "^none.gtf: no such file$"),
    "no elements": (("--satmut", "t.tsv", "--elements", "none.tsv"), "^none.tsv: no such file$"),
    "no measured": (("--vcf", "v.vcf", "--genome", "g.fa", "--measured", "p.tsv", "p.tsv"), "^p.tsv: no such file"),
    "column": (("--table", "t.tsv", "--columns", "seq"), "column 'seq'"),
    "no genome": (("--vcf", "v.vcf"), "--vcf needs --genome"),
    "other option": (
        ("--fasta", "ok.fa", "--offsets", "3"),
        "--offsets is only for --vcf, --variants, but the input is --fasta",
    ),
    "strand": (("--vcf", "v.vcf", "--genome", "g.fa", "--strand", "file"), "a VCF has no column of strands"),
    "offset": (("--vcf", "v.vcf", "--genome", "g.fa", "--offsets", "40"), "--offsets has 40, expected positions in"),
    "length": (
        ("--vcf", "v.vcf", "--genome", "g.fa", "--length", "90"),
        "--length is 90, expected 40 to 40 bp, the lengths of inserts in training",
    ),
    "build": (("--vcf", "build.vcf", "--genome", "g.fa"), "REF of 12 of 12 records differs from"),
    "malformed": (("--vcf", "bad.vcf", "--genome", "g.fa"), "bad.vcf: line 3: POS is 'x'"),
    "no model": (
        ("--fasta", "ok.fa", "--model", "nowhere"),
        "nowhere: is not a folder, expected the folder best_model of a run",
    ),
    "name of ids": (("--table", "t.tsv", "--id-column", "nam"), "column 'nam' is missing"),
    "tiles with gaps": (("--fasta", "ok.fa", "--tile", "41"), "--tile is 41, expected 1 to 40 bp"),
    "longest": (("--vcf", "v.vcf", "--genome", "g.fa", "--longest", "-3"), "--longest is -3"),
    "shift": (("--fasta", "ok.fa", "--shifts", "500"), "a 40 bp insert at shift .500 in a 160 bp window"),
    "field": (("--vcf", "known.vcf", "--genome", "g.fa", "--vcf-out", "o.vcf"), "already has the INFO field S2F_DELTA"),
    "confidence": (("--fasta", "ok.fa", "--confidence", "95"), "confidence is 95.0, expected a number between 0 and 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, head, monkeypatch, name):
    good = dna.decode(some_inserts(1)[0])
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    files = {
        "ok.fa": f">s\n{good}\n", "letters.fa": f">s\nACGX{good[4:]}\n", "names.fa": f">s\n{good}\n>s\n{good}\n",
        "t.tsv": f"sequence\n{good}\n", "v.vcf": f"{header}chr1\t50\t.\tA\tC\t.\t.\t.\n",
        "g.fa": f">chr1\n{'A' * 200}\n",
        "known.vcf": '##INFO=<ID=S2F_DELTA,Number=A,Type=Float,Description="x">\n' + header,
        "build.vcf": header + "".join(f"chr1\t{50 + i}\t.\tC\tG\t.\t.\t.\n" for i in range(12)),
        "bad.vcf": f"{header}chr1\tx\t.\tA\tC\t.\t.\t.\n",
    }  # fmt: skip
    (tmp_path / "in").mkdir()
    for file, text in files.items():
        (tmp_path / "in" / file).write_text(text)
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setattr(program, "limit_to_job_resources", lambda threads, gpus: None)
    monkeypatch.setattr(scorer, "encode_stream", lambda *_: pytest.fail("the model was used"))
    options, message = BAD[name]
    model = () if "--model" in options else ("--model", head)
    error = SystemExit if name == "no input" else InputError
    with pytest.raises(error, match=None if name == "no input" else message):
        call(monkeypatch, program, *model, *options, "--out", "out.tsv", "--skipped", "skipped.tsv")
    assert {path.name for path in (tmp_path / "in").iterdir()} == set(files)


def test_the_commands_of_the_docs_run(root, tmp_path, head, cases, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "limit_to_job_resources", lambda threads, gpus: None)
    shutil.copy(cases / "02_indels.vcf", "variants.vcf")
    shutil.copy(cases / "reference.fa", "genome.fa")
    fasta(tmp_path / "sequences.fa", some_inserts(2))
    Path("variants.tsv").write_text("variant\tstrand\nchr1:60:G:A\t-\n")
    block = re.search(r"```bash\n(.*?)```", (root / "docs" / "scoring.md").read_text(), re.DOTALL)[1]
    for command in block.splitlines():
        words = shlex.split(command)
        assert words[:4] == ["python", "-P", "-m", "score"]
        call(monkeypatch, program, *words[4:])
        written = [words[words.index(option) + 1] for option in ("--out", "--skipped") if option in words]
        assert capsys.readouterr().out.endswith("".join(f"{name} is written\n" for name in written))
        assert len(Path(words[words.index("--out") + 1]).read_text().splitlines()) > 1


def test_equal_windows_are_read_once(tmp_path, head, monkeypatch):
    codes = some_inserts(3)[[0, 1, 0, 2, 0]]
    read, own = [], scorer.encode_stream
    monkeypatch.setattr(scorer, "encode_stream", lambda *a: (read.append(len(v[0])) or v for v in own(*a)))
    table, _ = scored(tmp_path, head, "fasta", fasta(tmp_path / "a.fa", codes))
    assert sum(read) == 3 and table["prediction"].nunique() == 3
    assert blocks.LINES == 2048
