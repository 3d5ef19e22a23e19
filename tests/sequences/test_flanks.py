"""Flanks: which tokens hold no base of the insert, against windows that are built and encoded."""

import numpy as np
import pytest

from s2f.embeddings.encoders import kmer, onehot
from s2f.sequences import dna, flanks
from s2f.sequences.constructs import Construct

GOSAI = {"flanks": "gosai_episomal", "length": 600}
# (construct section, insert in bp, bp per token, tokens without insert on the forward and on the reverse strand)
CASES = [
    (GOSAI, 200, 128, [0, 4], [0, 4]),  # 200 + 200 + 200: the review's collapsed heads
    (GOSAI, 131, 128, [0, 3, 4], [0, 3, 4]),  # 234 + 131 + 235
    ({**GOSAI, "length": 384}, 200, 128, [], []),
    ({**GOSAI, "layout": "compact", "flank_bp": 20, "length": 240}, 200, 128, [], []),
    ({"flanks": "lentimpra", "length": 281, "layout": "whole"}, 200, 128, [2], []),  # 15 + 200 + 66
    ({"flanks": "none", "length": 51}, 51, 1, [], []),
    ({"upstream": "ACGT", "downstream": "CGTA", "length": 11, "layout": "whole"}, 3, 2, [0, 1, 4, 5], [0, 1, 4, 5]),
]


def left_of(section, insert):
    construct = Construct.from_spec(section)
    upstream, _ = flanks.lengths(section)
    return construct, flanks.left_flank(construct.layout, construct.length - insert, upstream, construct.flank_bp)


@pytest.mark.parametrize(("section", "insert", "token_bp", "forward", "reverse"), CASES)
def test_tokens_of_flank(section, insert, token_bp, forward, reverse):
    construct, left = left_of(section, insert)
    assert left == construct.flank_lengths(insert)[0]
    right = construct.length - insert - left
    assert flanks.tokens_of_flank(construct.length, left, insert, token_bp) == forward
    assert flanks.tokens_of_flank(construct.length, right, insert, token_bp) == reverse


@pytest.mark.parametrize(("section", "insert", "token_bp", "forward", "reverse"), CASES)
def test_these_tokens_and_no_others_are_alike_for_all_rows(section, insert, token_bp, forward, reverse):
    rng = np.random.default_rng(0)
    inserts = ["".join(rng.choice(list("ACGT"), insert)) for _ in range(12)]
    codes = left_of(section, insert)[0].assemble(inserts)
    for windows, expected in ((codes, forward), (dna.reverse_complement(codes), reverse)):
        if token_bp == kmer.TOKEN_BP:
            tokens = kmer.counts(windows, 1)
        else:
            tokens = onehot.build({"kind": "onehot"}).encode(windows)
            tokens = np.stack([tokens[:, at : at + token_bp].sum(1) for at in range(0, codes.shape[1], token_bp)], 1)
        assert np.flatnonzero(np.ptp(tokens, axis=0).max(axis=-1) == 0).tolist() == expected
