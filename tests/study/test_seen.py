"""Statements of a study on what its models have seen: refusals, and warnings of tested rows among it."""

import copy

import pytest

from s2f.common.errors import InputError
from s2f.study import comparison, jobs, runs, seen, validate

PATH = "weights/alphagenome-fold-3"
MINE = {"path": "weights/mine"}
EVERYWHERE = "d, split chromosome (id, unseen); d, split random (unseen)"
FOLD_7 = {"file": "folds.bed", "names": ["fold7"]}
STUDY = {
    "study": "t",
    "datasets": {
        "d": {
            "source": {"kind": "table", "files": {"rows": "x"}, "columns": {"sequence": "s", "label": "l"}},
            "construct": "c", "splits": ["chromosome", "random"],
            "panels": {
                "id": {"kind": "rows"},
                "unseen": {"kind": "rows", "within": {**FOLD_7, "chain": "{data_dir}/x.chain"}},
            },
        },
    },
    "data_dir": "data",
    "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
    "splits": {"chromosome": {"kind": "chromosome"}, "random": {"kind": "random"}},
    "encoders": {"onehot": {"kind": "onehot"}, "e": {"kind": "alphagenome", "weights": {"path": PATH}}},
    "baselines": {"mean": {"kind": "mean"}},
    "models": [{"encoders": ["onehot", "e"], "heads": ["boda-mean-512-512"], "baselines": ["mean"]}],
}  # fmt: skip


def study_with(**options):
    """The study, its encoder `e` with other options."""
    study = copy.deepcopy(STUDY)
    study["encoders"]["e"].update(options)
    return study


def warned(study):
    study = validate.validated(study)
    return seen.warnings(study, runs.runs(study))


def test_rows_of_a_chromosome_split_that_were_seen_are_warned_of():
    (line,) = warned(STUDY)
    assert line.startswith(
        "encoders.e: the weights have seen: all chromosomes but regions fold7; this may include rows on which they "
        "are tested: d, split chromosome (id)."
    )


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"seen": "all"}, EVERYWHERE),
        ({"seen": {"text": "transcripts"}}, EVERYWHERE),
        ({"weights": MINE}, EVERYWHERE),
        (
            {"weights": MINE, "seen": ["chr7"]},
            EVERYWHERE,
        ),
        ({"weights": MINE, "seen": ["chr1", "chr2"]}, "d, split random (unseen)"),
        ({"weights": MINE, "seen": {"except": ["chr7", "chr13"]}}, "d, split random (unseen)"),
        ({"weights": MINE, "seen": {"except": FOLD_7}}, "d, split chromosome (id)"),
        ({"weights": MINE, "seen": "nothing"}, ""),
        ({"weights": {"random": 0}}, ""),
    ],
)
def test_warnings_name_splits_and_panels(options, places):
    lines = warned(study_with(**options))
    assert len(lines) == bool(places) and all(
        f"on which they are tested: {places}. The column" in line for line in lines
    )


def test_models_with_the_same_weights_share_a_line_and_places_are_counted():
    study = study_with(seen="all")
    study["encoders"]["f"] = study["encoders"]["e"]
    study["models"][0]["encoders"] = ["e", "f"]
    study["datasets"] |= {f"d{number}": study["datasets"]["d"] for number in range(3)}
    (line,) = warned(study)
    assert line.startswith("encoders.e, encoders.f: ") and "; d0, split chromosome (id, unseen) and 5 more." in line


def test_published_weights_that_a_comparison_keeps_off_seen_rows_are_not_warned_of():
    study = copy.deepcopy(STUDY)
    published = {"kind": "malinois_published", "path": "x", "output": "K562"}
    study["baselines"]["published"] = published
    study["models"] = [{"baselines": ["mean", "published"]}]
    assert warned(study) == []
    study["baselines"]["published"] = {**published, "use_contaminated_panels": True}
    (line,) = warned(study)
    assert "seen: all chromosomes but chr7, chr13; " in line and "tested: d, split random (unseen)." in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seen": "nothing"}, f"encoders.e.seen: the checkpoint's name, {PATH}, says that it has seen all chrom"),
        ({"seen": {"except": {"file": "folds.bed", "names": ["fold6", "fold7"]}}}, "state at least this, or omit it"),
        ({"seen": {"except": "folds.bed"}}, "state at least this"),
        ({"seen": ["chr1"]}, "state at least this"),
        (
            {"kind": "enformer_tower", "weights": {"path": "enformer-official-rough"},
             "seen": {"except": {"file": "others.bed", "names": ["test"]}}},
            "test of sequences_human.bed; state at least this",
        ),
        ({"weights": {"path": "alphagenome-all-folds"}, "seen": {"except": FOLD_7}}, "it has seen all chromosomes;"),
        ({"weights": {"random": 1}, "seen": "all"}, "encoders.e.seen: random weights have seen nothing; omit it"),
        ({"seen": "everything"}, "encoders.e.seen: 'everything' is not one of all, nothing, unknown .*What the"),
        ({"seen": ["7"]}, "encoders.e.seen.0: '7' is not the name of a chromosome; write chr7"),
        ({"seen": {"except": {"names": ["fold7"]}}}, "encoders.e.seen.except: key 'file' is missing"),
        ({"seen": {"exept": ["chr7"]}}, "encoders.e.seen: key 'exept' is unknown; did you mean 'except'"),
        ({"seen": {"except": ["chr7"], "text": "x"}}, "encoders.e.seen"),
        ({"seen": []}, "encoders.e.seen"),
    ],
)  # fmt: skip
def test_statements_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        validate.validated(study_with(**options))


def test_statements_that_say_no_less_than_the_name_are_kept():
    for value in ("all", "unknown", {"text": "x"}, {"except": FOLD_7}):
        assert validate.validated(study_with(seen=value))["encoders"]["e"]["seen"] == value


def test_an_adaptation_says_what_its_start_has_seen_and_its_users_do_not():
    study = copy.deepcopy(STUDY)
    study["tapt"] = {"clip": {"datasets": {"d": ["random"]}, "start": {"path": "x"}, "seen": {"text": "mice"}}}
    assert validate.validated(study)["tapt"]["clip"]["seen"] == {"text": "mice"}
    study["encoders"]["l.layer12"] = {"kind": "lamar", "weights": {"tapt": "clip"}, "seen": "all"}
    with pytest.raises(
        InputError, match=r"encoders\.l\.layer12\.seen: the section tapt states what adapted weights have"
    ):
        validate.validated(study)
    del study["encoders"]["l.layer12"]
    study["tapt"]["clip"]["start"] = {"random": 0}
    with pytest.raises(InputError, match=r"tapt\.clip\.seen: random weights have seen nothing"):
        validate.validated(study)


def test_files_of_regions_are_inputs_and_known_to_the_comparison():
    panels = validate.validated(STUDY)["datasets"]["d"]["panels"]
    assert (
        jobs.region_files(panels["unseen"]) == ["folds.bed", "data/x.chain"] and jobs.region_files(panels["id"]) == []
    )
    assert jobs.region_files({"within": "a.bed"}) == ["a.bed"]
    spec = comparison.comparison_spec(validate.validated(STUDY))["datasets"]["d"]["panels"]["random"]
    assert spec["unseen"]["within"]["names"] == ["fold7"] and "within" not in spec["id"]


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ({"names": ["a"]}, r"panels\.unseen\.within: key 'file' is missing"),
        ({"file": "a.bed", "chian": "x"}, r"within: key 'chian' is unknown; did you mean 'chain'"),
        (["a.bed"], r"panels\.unseen\.within: \['a\.bed'\] is not of type"),
    ],
)
def test_bad_regions_of_panels_are_refused(within, message):
    study = copy.deepcopy(STUDY)
    study["datasets"]["d"]["panels"]["unseen"]["within"] = within
    with pytest.raises(InputError, match=message):
        validate.validated(study)
