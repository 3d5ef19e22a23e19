"""What models have seen: statements, names of checkpoints, records, and words about the rows of a panel."""

import json

import pytest

from s2f.common import kinds, seen
from s2f.common.errors import InputError
from s2f.common.seen import Seen

FOLD_7 = {"file": "folds.bed", "names": ["fold7"]}
# value of the key `seen` -> text, then words about four rows: two on chr7, one on chr1, one without a chromosome
STATEMENTS = [
    ("nothing", "nothing", "none of these rows"),
    ("all", "all chromosomes", "3 of these 4 rows included, 1 without a chromosome"),
    ("unknown", "unknown", "perhaps these rows"),
    (["chr1", "chr2"], "chr1, chr2", "1 of these 4 rows included, 1 without a chromosome"),
    ({"except": ["chr7"]}, "all chromosomes but chr7", "1 of these 4 rows included, 1 without a chromosome"),
    (
        {"except": "a/held.bed"},
        "all chromosomes but the regions of held.bed",
        "these rows included where they lie elsewhere",
    ),
    ({"except": FOLD_7}, "all chromosomes but fold7 of folds.bed", "these rows included where they lie elsewhere"),
    ({"text": "transcripts of mice"}, "transcripts of mice", "perhaps these rows"),
]
ROWS_ON = {"chr7": 2, "chr1": 1, "": 1}


@pytest.mark.parametrize(("value", "text", "words"), STATEMENTS)
def test_a_statement_has_a_text_and_words_about_rows(value, text, words):
    stated = Seen.of_value(value)
    assert stated.text == text and stated.of_rows(ROWS_ON) == words
    assert Seen.of_record(json.loads(json.dumps(stated.record()))) == stated


@pytest.mark.parametrize(
    ("value", "rows_on", "words"),
    [
        ("all", {"chr7": 2, "chr1": 1}, "these rows included"),
        ("all", {"": 9}, "perhaps these rows, which have no chromosome"),
        ({"except": ["chr7"]}, {"chr7": 2}, "none of these rows"),
        ({"except": ["chr7"]}, {"chr1": 2}, "these rows included"),
        ({"except": ["chr7"]}, {"chr1": 2000, "chr7": 5}, "2,000 of these 2,005 rows included"),
        (["chr1"], {"chr7": 5, "": 2}, "none of these rows, 2 without a chromosome"),
    ],
)
def test_rows_are_counted_by_their_chromosomes(value, rows_on, words):
    assert Seen.of_value(value).of_rows(rows_on) == words


def test_rows_that_are_known_to_be_new_are_counted_apart():
    but_7 = Seen.of_value({"except": ["chr7"]})
    assert but_7.of_rows({}, others=4) == "none of these rows"
    assert but_7.of_rows({"chr1": 1, "chr7": 1}, others=4) == "1 of these 6 rows included"


@pytest.mark.parametrize(
    ("unseen", "within", "covered"),
    [
        (FOLD_7, FOLD_7, True),
        (FOLD_7, {**FOLD_7, "chain": "x.chain"}, True),
        (FOLD_7, {"file": "elsewhere/folds.bed", "names": ["fold7"]}, True),
        (FOLD_7, {"file": "others.bed", "names": ["fold7"]}, False),
        (FOLD_7, {"file": "folds.bed", "names": ["fold7", "fold6"]}, False),
        (FOLD_7, "folds.bed", False),  # all of its regions
        ({"names": ["fold7"]}, {"file": "any.bed", "names": ["fold7"]}, True),  # of a checkpoint's name
        ("folds.bed", FOLD_7, True),
        ("folds.bed", "folds.bed", True),
        (FOLD_7, None, False),
    ],
)
def test_a_panel_within_what_was_not_seen_is_new(unseen, within, covered):
    stated = Seen.of_value({"except": unseen})
    assert stated.misses(within=within) == covered
    assert (stated.of_rows(ROWS_ON, within) == "none of these rows") == covered


@pytest.mark.parametrize(
    ("value", "missed"),
    [
        ("nothing", True),
        ("all", False),
        ("unknown", False),
        (["chr1", "chr2"], True),
        (["chr1", "chr7"], False),
        ({"except": ["chr7", "chr13"]}, True),
        ({"except": ["chr7"]}, False),
        ({"except": "held.bed"}, False),
        ({"text": "transcripts"}, False),
    ],
)
def test_whether_test_chromosomes_were_seen(value, missed):
    assert Seen.of_value(value).misses(["chr7", "chr13"]) == missed
    assert Seen.of_value(value).misses() == (value == "nothing")  # rows anywhere


# --- what each kind says


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("resources/alphagenome-jax-all_folds-v1", "all chromosomes"),
        ("hub/models--google--alphagenome-all-folds/snapshots/0a1b2c", "all chromosomes"),
        ("models/google/alphagenome/jax/all_folds/1", "all chromosomes"),
        ("resources/alphagenome-fold-0", "all chromosomes but regions fold1"),
        ("alphagenome-jax-fold_1-v1", "all chromosomes but regions fold4"),
        ("models/google/alphagenome/jax/fold_2/1/", "all chromosomes but regions fold5"),
        ("hub/models--google--alphagenome-fold-3/snapshots/0a1b2c", "all chromosomes but regions fold7"),
        ("ALPHAGENOME-FOLD_3", "all chromosomes but regions fold7"),
        ("resources/alphagenome", "unknown"),
        ("alphagenome-fold-3-study/resources/weights", "unknown"),  # a folder above is no checkpoint
        ("cv/fold_3/alphagenome", "unknown"),
        ("alphagenome-kfold-3", "unknown"),
        ("alphagenome-fold-31", "unknown"),
    ],
)
def test_a_checkpoint_of_alphagenome_is_known_by_its_name(tmp_path, path, text):
    entry = {"kind": "alphagenome", "weights": {"path": str(tmp_path / path)}}
    assert seen.of_model("encoders", entry).text == text


def test_a_link_is_what_it_leads_to(tmp_path):
    (tmp_path / "alphagenome-all-folds").mkdir()
    (tmp_path / "alphagenome-fold-3").symlink_to(tmp_path / "alphagenome-all-folds")
    (tmp_path / "unnamed").mkdir()
    (tmp_path / "alphagenome-fold-2").symlink_to(tmp_path / "unnamed")
    (tmp_path / "alphagenome").symlink_to(tmp_path / "alphagenome-all-folds")
    texts = {"alphagenome-fold-3": "all chromosomes", "alphagenome": "all chromosomes"}
    for name, text in {**texts, "alphagenome-fold-2": "all chromosomes but regions fold5"}.items():
        entry = {"kind": "alphagenome", "weights": {"path": str(tmp_path / name)}}
        assert seen.of_model("encoders", entry).text == text


def test_the_held_out_folds_are_the_published_ones():
    """google-deepmind/alphagenome: FOLD_0 tests fold1, FOLD_1 fold4, FOLD_2 fold5, FOLD_3 fold7."""
    known = kinds.facts("encoders", "alphagenome")["checkpoints"]
    assert list(known.values()) == ["all"] + [{"except": {"names": [f"fold{fold}"]}} for fold in (1, 4, 5, 7)]


@pytest.mark.parametrize(
    ("section", "entry", "text"),
    [
        ("encoders", {"kind": "kmer"}, "nothing"),
        ("encoders", {"kind": "onehot"}, "nothing"),
        ("encoders", {"kind": "alphagenome", "weights": {"random": 0}}, "nothing"),
        ("encoders", {"kind": "enformer_tower", "weights": {"random": 0}}, "nothing"),
        ("encoders", {"kind": "enformer_tower", "weights": {"path": "weights"}}, "unknown"),
        *(
            (
                "encoders",
                {"kind": "enformer_tower", "weights": {"path": path}},
                "all chromosomes but test of sequences_human.bed",
            )
            for path in (
                "resources/enformer-official-rough",
                "hub/models--EleutherAI--enformer-official-rough/snapshots/affe57",
            )
        ),
        ("encoders", {"kind": "lamar", "weights": {"random": 0}}, "nothing"),
        ("encoders", {"kind": "lamar", "weights": {"path": "weights"}}, "unknown"),
        ("encoders", {"kind": "lamar", "weights": {"path": "weights"}, "seen": ["chr1"]}, "chr1"),
        (
            "encoders",
            {"kind": "lamar", "weights": {"path": "hub/models--zhw-e8--LAMAR/snapshots/1"}},
            "transcripts of mammals and of viruses",
        ),
        (
            "baselines",
            {"kind": "lamar_finetuned", "weights": {"path": "zhw-e8/LAMAR"}},
            "transcripts of mammals and of viruses",
        ),
        ("baselines", {"kind": "lamar_finetuned", "weights": {"random": 0}}, "nothing"),
        ("baselines", {"kind": "malinois_published"}, "all chromosomes but chr7, chr13"),
        *(
            ("baselines", {"kind": kind}, "nothing")
            for kind in ("mean", "gc", "kmer_ridge", "kmer_logistic", "malinois")
        ),
    ],
)
def test_every_kind_says_what_it_has_seen(section, entry, text):
    assert seen.of_model(section, entry).text == text


def test_no_kind_is_forgotten():
    """A kind of encoder without weights to choose must say that it has none, or its models count as unknown."""
    for kind in kinds.names("encoders"):
        weights = "weights" in kinds.schema("encoders", kind)["properties"]
        weightless = kinds.facts("encoders", kind)["weightless"]
        assert weights != weightless, (
            f"{kind}.yaml: weightless is {weightless}, and it has an option weights: {weights}"
        )
        assert ("seen" in kinds.schema("encoders", kind)["properties"]) == weights, kind


# --- adapted weights, and weights of other studies


def adapted(**options):
    given = {"size": "lamar", "start": {"random": 0}, "transductive": False, "datasets": {"a": ["s"], "b": ["s"]}}
    return {**given, **options}


@pytest.mark.parametrize(
    ("options", "text", "words"),
    [
        ({}, "windows of a, b (not those evaluated)", "none of these rows"),
        ({"transductive": True}, "windows of a, b (transductive)", "perhaps these rows"),
        (
            {"start": {"path": "x"}, "seen": {"text": "mice"}, "datasets": dict.fromkeys("abcde")},
            "mice; then windows of a, b, c and 2 more datasets (not those evaluated)",
            "perhaps these rows",
        ),
        ({"start": {"path": "x"}}, "unknown; then windows of a, b (not those evaluated)", "perhaps these rows"),
    ],
)
def test_adapted_weights_have_seen_windows_after_what_they_began_with(tmp_path, options, text, words):
    entry = {"kind": "lamar", "weights": {"tapt": "clip"}}
    had = seen.of_model("encoders", entry, {"clip": adapted(**options)})
    assert (had.text, had.of_rows(ROWS_ON)) == (text, words)
    # a job knows the folder, whose record says the same
    (tmp_path / "model.json").write_text(json.dumps({"seen": had.record()}))
    assert seen.of_model("encoders", {"kind": "lamar", "weights": {"tapt": str(tmp_path)}}) == had
    # used by its path, nothing is held out for this study
    other = seen.of_model("encoders", {"kind": "lamar", "weights": {"path": str(tmp_path)}})
    assert other.text == f"{text}, in the study that made it" and other.of_rows(ROWS_ON) == "perhaps these rows"


def test_an_adaptation_without_a_statement_is_made_again(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"model\.json: key 'seen' is missing; run the adaptation again"):
        seen.of_model("encoders", {"kind": "lamar", "weights": {"tapt": str(tmp_path)}})


def test_a_model_that_is_trained_here_has_seen_its_training_rows():
    assert Seen.of_value("nothing").with_training("encoder") == "train rows"
    assert Seen.of_value("all").with_training("encoder") == "train rows; encoder: all chromosomes"
