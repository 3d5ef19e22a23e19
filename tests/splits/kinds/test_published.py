"""The split `published`: the parts that a publication gives its rows."""

from helpers.linked_rows import PUBLISHED, units_of, unlinked
from s2f.rows import sources
from s2f.splits.make import make_split


def test_published_parts():
    rows = unlinked(6, published=["train", "pool", "val", "test", "test_snv", ""])
    split = make_split(rows, PUBLISHED, 0, units_of(rows))
    assert split["split"].tolist() == ["train", "train", "val", "test", "test", "excluded"]
    assert split["reason"].tolist() == [""] * 5 + ["no published part"]


def test_published_split_of_the_gosai_sample(shared):
    mpra = shared / "data/mpra"
    rows = sources.read("gosai_sample", {"rows": mpra / "gosai_sample.tsv", "pairs": mpra / "gosai_snv_pairs.tsv"}, {})[
        0
    ]
    split = make_split(rows, PUBLISHED, 0, units_of(rows))
    assert split["split"].value_counts().to_dict() == {"train": 2000, "val": 1000, "test": 2000}
    published = {part: set(rows["sequence"][rows["published"] == part]) for part in ("test", "test_snv")}
    assert len(published["test"] & published["test_snv"]) == 17
    # told apart, these 17 are a leak and leave the weaker part
    apart = make_split(rows, {**PUBLISHED, "val": ["val", "test_snv"], "test": ["test"]}, 0, units_of(rows))
    leaks = apart[apart["split"] == "excluded"]
    assert set(leaks["reason"]) == {"linked to a test row"}
    assert set(rows["published"][leaks.index]) == {"test_snv"} and len(leaks) >= 17
