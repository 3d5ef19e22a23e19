"""The search by BLAST+: relatives on both strands, the published groups, and a missing program."""

import collections
import itertools

import numpy as np
import pandas as pd
import pytest

from helpers.homologs import hashfrag_example, needs_blast
from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.splits.homology.blast import homologous_groups_blast


def test_blast_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="makeblastdb: was not found on PATH"):
        homologous_groups_blast(["ACGT" * 50])


@needs_blast
def test_blast_finds_relatives_on_both_strands():
    rng = np.random.default_rng(2)
    ancestor, stranger = ("".join(rng.choice(list("ACGT"), 200)) for _ in range(2))
    sequences = [ancestor, stranger, dna.reverse_complement_text(ancestor[:150] + ancestor[160:])]
    assert list(homologous_groups_blast(sequences)) == [0, 1, 0]
    assert list(homologous_groups_blast(sequences, both_strands=False)) == [0, 1, 2]
    assert list(homologous_groups_blast(["N" * 50])) == [0]


@needs_blast
@pytest.mark.slow
def test_blast_repeats_the_published_groups(shared):
    """All groups of several sequences, and 1,000 of the 4,452 sequences that are alone."""
    sequence, group = hashfrag_example(shared)
    size, alone = collections.Counter(group.values()), itertools.count()
    names = [name for name in sequence if size[group[name]] > 1 or next(alone) < 1000]
    expected = pd.factorize(np.array([group[name] for name in names]))[0]
    assert expected.max() + 1 == 87 + 1000
    assert list(homologous_groups_blast([sequence[name] for name in names])) == list(expected)
