"""The split `hashfrag`: homologous inserts (score at least the threshold, both strands) never lie in two parts.

The method of hashFrag (de Boer lab): groups are the connected components of local alignments; whole groups are drawn.
"""

import os

import pandas as pd

from s2f.common.provenance import derived_seed
from s2f.splits.group_draw import draw_groups
from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import homologous_groups


def hashfrag(rows, spec, seed, label):
    """A kind of split (see `splits.KINDS`): part of every row as a Series, and no reason as none is excluded.

    `spec`: threshold, backend (`exact`, or `blast` for BLAST+ as hashFrag runs it), val and test (shares of the rows),
    seed. Clusters `label` (N,), such as the alleles of a locus, stay whole as well.
    """
    find = {"exact": homologous_groups, "blast": homologous_groups_blast}[spec["backend"]]
    threads = int(os.environ.get("OMP_NUM_THREADS", 1))  # Snakemake sets it to the threads of the rule
    groups = find(list(rows["sequence"]), threshold=spec["threshold"], threads=threads)
    shares = {"train": 1 - spec["val"] - spec["test"], "val": spec["val"], "test": spec["test"]}
    part, report = draw_groups(groups, shares, derived_seed(seed, "split", spec["seed"]), together=[label])
    print(f"hashfrag ({spec['backend']}, threshold {spec['threshold']}): {groups.max() + 1:,} groups; {report}")
    return pd.Series(part, index=rows.index), ""
