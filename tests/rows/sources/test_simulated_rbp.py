import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.sources import simulated_rbp
from s2f.rows.sources.simulated_rbp import ARM, LOOP, SITE
from s2f.sequences import dna


@pytest.fixture(scope="module")
def truth():
    return simulated_rbp.simulate({"rows": 3000})


def sites(table):
    """Codes (N, SITE) of what is planted in the rows of a kind other than background."""
    return np.array(
        [dna.encode(row.sequence)[row.first : row.first + SITE] for row in table[table["first"] >= 0].itertuples()]
    )


def paired(codes):
    return codes[:, :ARM] == 3 - codes[:, ::-1][:, :ARM]


def test_kinds_have_their_shares_and_labels_their_noise(truth):
    shares = truth["kind"].value_counts(normalize=True)
    assert shares.to_dict() == {"site": 0.5, "decoy": 0.2, "stem": 0.1, "background": 0.2}
    assert (truth["bound"] == (truth["kind"] == "site")).all()
    assert (truth["label"] != truth["bound"]).mean() == pytest.approx(0.03, abs=0.012)


def test_arms_pair_in_sites_and_stems_and_never_in_decoys(truth):
    for kind, expected in (("site", 1.0), ("stem", 1.0), ("decoy", 0.0)):
        assert paired(sites(truth[truth["kind"] == kind])).mean() == expected


def test_each_base_of_a_decoy_is_as_frequent_as_in_a_site(truth):
    counts = [dna.one_hot(sites(truth[truth["kind"] == kind])).mean(axis=0) for kind in ("site", "decoy")]
    assert np.abs(counts[0] - counts[1]).max() < 0.09


def test_loops_follow_the_motif_but_in_stems(truth):
    for kind, low, high in (("site", 0.92, 0.96), ("decoy", 0.91, 0.97), ("stem", 0.2, 0.32)):
        loop = sites(truth[truth["kind"] == kind])[:, ARM:-ARM]
        assert low < (loop == dna.encode(LOOP)).mean() < high


def test_rows_are_canonical_and_the_same_again():
    rows, stages = sources.read("simulated_rbp", {}, {"rows": 200}, "classification")
    again, _ = sources.read("simulated_rbp", {}, {"rows": 200}, "classification")
    pd.testing.assert_frame_equal(rows, again)
    assert stages.counts == [("simulated", 200)]
    assert (rows["sequence"].str.len() == 101).all() and (rows["strand"] == "+").all()
    assert set(rows["label"]) == {0.0, 1.0}
    other, _ = sources.read("simulated_rbp", {}, {"rows": 200, "seed": 1}, "classification")
    assert not set(rows["sequence"]) & set(other["sequence"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rows": 10}, "source simulated_rbp: rows is 10, expected a whole number of at least 50"),
        ({"length": 16}, "length is 16, expected a whole number of at least 17"),
        ({"decoys": 0.6, "stems": 0.6}, "stems is 0.6, expected together with decoys a share from 0 to 1"),
        ({"label_noise": 0.5}, "label_noise is 0.5, expected a share below 0.5"),
        ({"row": 100}, "unknown key 'row'; did you mean 'rows'"),
    ],
)
def test_settings_out_of_range_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        sources.read("simulated_rbp", {}, spec)


def test_files_are_refused():
    with pytest.raises(InputError, match="reads no files, but 'files' has 'rows'"):
        sources.read("simulated_rbp", {"rows": "x"}, {})
