import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.variants import apply, genome_of, judged
from s2f.sequences import dna, vcf
from s2f.sequences.genome import Genome
from s2f.sequences.variant_judge import Judge
from s2f.sequences.variants import Variant
from s2f.sequences.windows import centre, window_pairs

SEQUENCE = "GATTACAGGCTTAACCGTAGCATCGGATTCCAGATTTGACCAGTACGGATCCATGCATGGACTTACG"


def shown(pairs, row=0):
    return dna.decode(pairs.ref[row]), dna.decode(pairs.alt[row])


def windows(folder, variant, length, offset=None, strand="+", sequences=None):
    genome = genome_of(folder, sequences or {"chr1": SEQUENCE})
    return window_pairs(genome, judged(genome, [variant]), length, offset, strand)


@pytest.mark.parametrize(
    ("ref", "alt", "strand", "expected", "span"),
    [
        # position 21 of ...AACCGTAGC A TCGGATTCC..., 4 of 9 bases before it
        ("A", "T", "+", ("TAGCATCGG", "TAGCTTCGG"), (4, 5)),
        ("A", "T", "-", ("CCGATGCTA", "CCGAAGCTA"), (4, 5)),
        ("A", "ATG", "+", ("AGCATCGGA", "AGCATGTCG"), (5, 9)),  # before the T: TG comes in, GA goes out
        ("A", "ATG", "-", ("CCGATGCTA", "CCGACATGC"), (4, 9)),
        ("CA", "C", "+", ("TAGCATCGG", "TAGCTCGGA"), (4, 9)),  # A goes, A comes in at the end
        ("CA", "C", "-", ("CCGATGCTA", "CCGAGCTAC"), (4, 9)),
        ("AT", "GG", "+", ("TAGCATCGG", "TAGCGGCGG"), (4, 6)),
        ("AT", "GG", "-", ("TCCGATGCT", "TCCGCCGCT"), (4, 6)),
        ("ATC", "GG", "+", ("TAGCATCGG", "TAGCGGGGA"), (4, 9)),
    ],
)
def test_both_windows_have_real_bases_and_share_those_before_the_change(tmp_path, ref, alt, strand, expected, span):
    start = SEQUENCE.index("GCATCGG") + 2 - (ref[0] == "C")
    pairs = windows(tmp_path, Variant("1", start + 1, ref, alt), 9, strand=strand)
    assert shown(pairs) == expected
    assert span_of(*expected) == span


def span_of(ref, alt):
    """The first place, and the end of the last, where two windows differ; the length of both where they are equal."""
    differs = [place for place, bases in enumerate(zip(ref, alt, strict=True)) if bases[0] != bases[1]]
    return (differs[0], differs[-1] + 1) if differs else (len(ref), len(ref))


def test_the_default_place_is_that_of_published_snvs():
    assert (centre(200), centre(51), centre(1)) == (99, 25, 0)


def haplotypes_of(sequence, change, length, offset):
    """Windows cut from whole haplotypes, where they fit, else None."""
    start, ref, alt = change
    changed = apply(sequence, start, ref, alt)
    begin = of_alt = start - offset
    if begin + length > len(changed) and offset + len(ref) <= length:
        of_alt -= max(0, len(ref) - len(alt))  # a deletion at the end brings in bases before the window
    if min(begin, of_alt) < 0 or begin + length > len(sequence) or of_alt + length > len(changed):
        return None
    return sequence[begin : begin + length], changed[of_alt : of_alt + length]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_windows_are_those_of_whole_haplotypes_on_both_strands(tmp_path_factory, data):
    sequence = data.draw(st.text("ACGT", min_size=30, max_size=60))
    start = data.draw(st.integers(0, len(sequence) - 1))
    ref = sequence[start : start + data.draw(st.integers(1, 4))]
    alt = data.draw(st.text("ACGT", min_size=1, max_size=5).filter(lambda text: text != ref))
    length = data.draw(st.integers(1, 25))
    offset = data.draw(st.integers(0, length - 1))
    genome = genome_of(tmp_path_factory.mktemp("genome"), {"chr1": sequence})
    of = judged(genome, [Variant("chr1", start + 1, ref, alt)])
    first, gone, new = int(of.start[0]), int(of.removed[0]), of.inserted[0]
    end = first + gone
    turned = dna.reverse_complement_text
    # the same change on the other strand, as a change of the reverse complement of the whole sequence
    of_strand = {
        "+": (sequence, (first, sequence[first:end], new)),
        "-": (turned(sequence), (len(sequence) - end, turned(sequence[first:end]), turned(new))),
    }
    for strand, (text, change) in of_strand.items():
        pairs = window_pairs(genome, of, length, offset, strand)
        expected = haplotypes_of(text, change, length, offset)
        if expected is None:
            assert pairs.reason[0] == "near_contig_end"
            assert (pairs.ref == dna.N_CODE).all() and (pairs.alt == dna.N_CODE).all()
            continue
        assert pairs.reason[0] == "ok" and shown(pairs) == expected
        ref_window, alt_window = expected
        begin, ending = span_of(ref_window, alt_window)
        assert begin >= min(offset, ending) or change[0] - offset + length > len(text) - gone + len(new)
        if gone == len(new) and offset + gone <= length:
            # all of the change is seen, nothing behind it moves, and the other strand is the mirror image
            assert ending <= offset + gone
            mirrored = window_pairs(genome, of, length, length - gone - offset, "+-"[strand == "+"])
            if mirrored.reason[0] == "ok":
                assert (dna.reverse_complement(mirrored.ref) == pairs.ref).all()
                assert (dna.reverse_complement(mirrored.alt) == pairs.alt).all()


def test_a_change_that_the_window_does_not_show_leaves_it_as_it_is(tmp_path):
    pairs = windows(tmp_path, Variant("1", 8, "T", "TA"), 5, sequences={"chr1": "ACGTACGT" + "A" * 30})
    assert shown(pairs) == ("GTAAA", "GTAAA") and pairs.reason[0] == "ok"


@pytest.mark.parametrize(
    ("pos", "new", "offset", "strand", "reason"),
    [
        (5, "", 4, "+", "ok"),
        (4, "", 4, "+", "near_contig_end"),
        (4, "", 4, "-", "near_contig_end"),
        (4, "", 5, "-", "ok"),
        (4, "", 3, "+", "ok"),
        (10, "", 4, "+", "ok"),
        (11, "", 4, "+", "n_in_window"),
        (11, "", 4, "-", "n_in_window"),
        (10, "GG", 5, "+", "ok"),
        (10, "GG", 4, "+", "n_in_window"),
        (10, "GG", 4, "-", "ok"),
        (10, "GG", 5, "-", "n_in_window"),
        (10, "GGG", 6, "+", "ok"),
        (10, "GGGG", 6, "+", "ok"),
    ],
)
def test_no_window_is_padded(tmp_path, pos, new, offset, strand, reason):
    sequence, length = "ACGTACGTACGTACNNACGT", 9
    ref = sequence[pos - 1]
    alt = ref + new if new else "AC"[ref == "A"]
    pairs = windows(tmp_path, Variant("1", pos, ref, alt), length, offset, strand, {"chr1": sequence})
    assert pairs.reason[0] == reason
    assert (pairs.ref.max() < dna.N_CODE) == (pairs.alt.max() < dna.N_CODE) == (reason == "ok")


def test_a_deletion_needs_the_bases_that_come_in(tmp_path):
    sequence = "ACGTTGCAAG"
    for length, reason in ((8, "ok"), (9, "near_contig_end")):
        pairs = windows(tmp_path, Variant("1", 3, "GTT", "G"), length, 3, sequences={"chr1": sequence})
        assert pairs.reason[0] == reason
    pairs = windows(tmp_path, Variant("1", 3, "GTT", "G"), 8, 3, sequences={"chr1": sequence})
    assert shown(pairs) == ("ACGTTGCA", "ACGGCAAG")


def test_of_a_long_change_the_window_shows_the_begin(tmp_path):
    sequence = "ACGTTGCAAGCTTAGGCAT"
    long = windows(tmp_path, Variant("1", 4, "T", "TGGGGCCCC"), 8, 4, sequences={"chr1": sequence})
    assert shown(long) == ("ACGTTGCA", "ACGTGGGG")
    turned = windows(tmp_path, Variant("1", 15, "G", "GGGGGCCCC"), 8, 4, "-", {"chr1": sequence})
    assert shown(turned) == ("ATGCCTAA", "ATGCGGGG")
    gone = windows(tmp_path, Variant("1", 4, "TTGCAAGC", "T"), 8, 4, sequences={"chr1": sequence})
    assert shown(gone) == ("ACGTTGCA", "ACGTTTAG")


def test_a_window_lies_in_one_piece(tmp_path):
    pieces = {"chr1:0-20": SEQUENCE[:20], "chr1:20-60": SEQUENCE[20:60], "chr1:10-30": SEQUENCE[10:30]}
    genome = genome_of(tmp_path, pieces)
    of = judged(genome, [Variant("1", i + 1, SEQUENCE[i], "AC"[SEQUENCE[i] == "A"]) for i in (5, 18, 28, 40)])
    pairs = window_pairs(genome, of, 9)
    assert pairs.reason.tolist() == ["ok"] * 4  # the second and third one in a piece that overlaps another
    assert [shown(pairs, i)[0] for i in range(4)] == [SEQUENCE[i - 4 : i + 5] for i in (5, 18, 28, 40)]


def test_variants_of_all_kinds_offsets_and_strands_go_together(tmp_path, monkeypatch):
    monkeypatch.setattr("s2f.sequences.windows._ROWS", 3)
    genome = genome_of(tmp_path, {"chr1": SEQUENCE, "chr2": SEQUENCE[::-1]})
    rng = np.random.default_rng(1)
    variants = []
    for i in range(60):
        contig, sequence = (("1", SEQUENCE), ("2", SEQUENCE[::-1]))[i % 2]
        pos = int(rng.integers(0, len(sequence) - 4))
        alt = "".join(rng.choice(list("ACGT"), rng.integers(1, 4)))
        variants.append(Variant(contig, pos + 1, sequence[pos : pos + int(rng.integers(1, 4))], alt))
    of = judged(genome, variants)
    offsets, strands = rng.integers(0, 11, 60), rng.choice(np.array(["+", "-"], object), 60)
    together = window_pairs(genome, of, 11, offsets, strands)
    assert len(set(together.reason)) >= 3
    for i in range(60):
        alone = window_pairs(genome, of.rows([i]), 11, int(offsets[i]), strands[i])
        for name in ("ref", "alt", "reason"):
            assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[i]), name


def test_what_is_no_place_or_strand_is_refused(tmp_path):
    variant = Variant("1", 20, SEQUENCE[19], "AC"[SEQUENCE[19] == "A"])
    with pytest.raises(ValueError, match="offsets from 9 to 9, expected 0 to 8"):
        windows(tmp_path, variant, 9, 9)
    with pytest.raises(ValueError, match=r"strands \{'both'\}, expected \+ or -"):
        windows(tmp_path, variant, 9, 4, "both")
    genome = genome_of(tmp_path, {"chr1": SEQUENCE})
    assert window_pairs(genome, judged(genome, []), 9).ref.shape == (0, 9)


def test_measured_inserts_are_the_windows_of_their_variants(shared):
    """The oligos that Mattioli 2019 synthesised, of both strands and both alleles, come out of the genome and a VCF."""
    folder = shared / "data"
    tiles = pd.read_csv(folder / "vcf/mattioli_snps.hg19.tsv", sep="\t")
    oligos = pd.read_csv(folder / "mpra/mattioli_snp_pairs.tsv", sep="\t").set_index("snp_id").loc[tiles["snp_id"]]
    genome = Genome.open(folder / "vcf/mattioli_pieces.hg19.fa.gz")
    (batch,) = vcf.read_vcf(folder / "vcf/mattioli_snps.hg19.vcf")
    row_of = {key: row for row, key in enumerate(batch.variants.keys())}
    keys = tiles[["chrom", "pos", "ref", "alt"]].astype(str).agg(":".join, axis=1)
    of = judged_batch(genome, batch).rows(keys.map(row_of).to_numpy())
    offset, strand = tiles["offset_in_oligo"].to_numpy(), tiles["strand"].to_numpy(object)
    assert set(strand) == {"+", "-"}
    pairs = window_pairs(genome, of, 114, offset, strand)
    assert (pairs.reason == "ok").all()
    for name, codes in (("seq_ref", pairs.ref), ("seq_alt", pairs.alt)):
        assert [dna.decode(row) for row in codes] == oligos[name].tolist()
    differs = pairs.ref != pairs.alt
    assert (differs.sum(axis=1) == 1).all() and (differs.argmax(axis=1) == offset).all()


def judged_batch(genome, batch):
    return Judge(genome, "mattioli", 1).judged(batch.variants)
