"""What designs must keep, against the same read from texts."""

import re

import numpy as np
import pytest

from helpers.explained_models import some_inserts
from s2f.common.errors import InputError
from s2f.design.constraints import Constraints, Rules, gc_content, longest_run
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

BETWEEN = Construct(48, "TTGA" * 10, "ATTC" * 10)


def rules(length=40, construct=BETWEEN, both=True, **constraints):
    return Rules(Constraints(**constraints), construct, length, both)


def codes_of(*texts):
    return np.stack([dna.encode(text) for text in texts])


def test_composition_and_runs_are_those_of_the_texts():
    codes = some_inserts(60, 40, 1)
    texts = [dna.decode(row) for row in codes]
    np.testing.assert_allclose(gc_content(codes), [sum(text.count(base) for base in "CG") / 40 for text in texts])
    runs = [max(len(run[0]) for run in re.finditer(r"(.)\1*", text)) for text in texts]
    assert longest_run(codes).tolist() == runs
    kept = rules(gc=(0.45, 0.55), homopolymer=3, construct=Construct(40, "", "")).legal(codes, codes)
    expected = [18 <= sum(text.count(base) for base in "CG") <= 22 and run <= 3
                for text, run in zip(texts, runs, strict=True)]  # fmt: skip
    assert kept.tolist() == expected and 5 < sum(expected) < 55


def test_sites_count_on_both_strands_and_across_the_flanks():
    inner = "ACAACAACAACAACAACAACAACAACAACAACAACAACA"
    sequences = codes_of(inner + "C", inner[:20] + "GGATCA" + inner[26:] + "C")
    assert rules(forbidden=("GGATC",)).legal(sequences, sequences).tolist() == [True, False]
    assert rules(forbidden=("gatcc",)).legal(sequences, sequences).tolist() == [True, False]
    assert rules(forbidden=("GATCC",), both=False).legal(sequences, sequences).all()
    assert rules(forbidden=("GRWYC",)).legal(sequences, sequences).tolist() == [True, False]
    # the upstream flank ends with TTGA, the downstream one begins with ATTC: both insert and flank take part
    assert not rules(forbidden=("GAACA",)).legal(sequences, sequences)[0]
    assert not rules(forbidden=("CAATT",)).legal(codes_of("C" + inner), codes_of("C" + inner))[0]
    # what lies in a flank alone is no fault of the insert
    assert rules(forbidden=("TTGATTGA",)).legal(sequences, sequences)[0]
    # a run of the insert goes on in the flank
    poly = codes_of("AA" + "CG" * 19)
    assert rules(homopolymer=2, construct=Construct(40, "", "")).legal(poly, poly)[0]
    assert not rules(homopolymer=2).legal(poly, poly)[0]


def test_distance_protected_bases_and_training_rows():
    start = some_inserts(1, 40, 2)
    changed = np.repeat(start, 3, axis=0)
    changed[1, 5] = (changed[1, 5] + 1) % 4
    changed[2, [5, 30]] = (changed[2, [5, 30]] + 2) % 4
    assert rules(changes=1).legal(changed, start).tolist() == [True, True, False]
    assert rules(protect=((28, 32),)).legal(changed, start).tolist() == [True, True, False]
    # 31-mers of the reverse complement count; one that is broken at base 5 and 30 is no more there
    training = [dna.reverse_complement_text(dna.decode(start[0]))]
    assert rules(avoid=training).legal(changed, start).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "constraints, message",
    [
        ({"gc": (0.51, 0.52)}, "gc 0.51 to 0.52: no sequence of 40 bp has a GC content within it"),
        ({"protect": ((10, 41),)}, "protect 10-41: reaches beyond the insert of 40 bp"),
        ({"protect": ((0, 25), (20, 40))}, "covers the whole insert"),
        ({"forbidden": ("NN",)}, "forbidden 'NN': matches every sequence"),
    ],
)
def test_what_no_sequence_can_keep_is_refused(constraints, message):
    with pytest.raises(InputError, match=message):
        rules(**constraints)
