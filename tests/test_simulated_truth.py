"""The simulated rows have a known truth: how much of what can be explained does a trained head recover?"""

import numpy as np
import pytest

from s2f import dna, encoders, heads, sources
from s2f.construct import Construct
from s2f.examples import Examples
from s2f.sources.simulated import simulate
from s2f.splits import make_split
from s2f.training import TrainingSpec, predict, train_heads

SPEC = {"rows": 4000, "seed": 1, "pair_rows": 0.4}
SHARE = 0.4  # of the variance of the noise-free activity, by a head on 5-mer counts


@pytest.mark.slow
def test_a_head_on_kmers_recovers_the_stated_share_of_the_explainable_variance():
    rows, _ = sources.read("simulated", {}, SPEC)
    truth = simulate(SPEC).set_index("row_id")["activity"].loc[rows["row_id"]].to_numpy()
    split = {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
    part = make_split(rows, split, 0)["split"].to_numpy()
    codes = Construct.from_spec({"flanks": "gosai_episomal", "length": 600}).assemble(list(rows["sequence"]))
    encode = encoders.build({"kind": "kmer", "k": 5}).encode
    tables = encode(codes), encode(dna.reverse_complement(codes))

    def examples(name, labels):
        own = np.flatnonzero(part == name).astype(np.int32)
        return Examples(tables[: 1 if name == "val" else 2], own, labels[own].astype(np.float32))

    labels = rows["label"].to_numpy()
    spec = TrainingSpec(epochs=6, patience=3)
    slug = "boda-mean-512-512"
    (trained,) = train_heads(
        [(slug, 1)], {"kind": "no_shift"}, examples("train", labels), examples("val", labels), spec, report=print
    )
    test = np.flatnonzero(part == "test")
    strands = [predict(heads.build(slug, 0.0), trained.variables, table, test) for table in tables]
    r = np.corrcoef(np.mean(strands, axis=0), truth[test])[0, 1]
    assert r**2 >= SHARE
