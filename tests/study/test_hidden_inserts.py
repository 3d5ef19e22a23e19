"""Heads that may not see the inserts: which construct, encoder and head are warned of, and which are not."""

import copy

import pytest
import yaml

from helpers.minimal_study import MINIMAL
from s2f.study.checks import hidden_inserts
from s2f.study.validate import validated


def warnings(head, encoder="kmer", source=None, **construct):
    """What a study of one head is warned of; its constructs are Gosai's of 600 bp, with other keys in `construct`."""
    config = copy.deepcopy(MINIMAL)
    config["encoders"] = {"e": {"kind": encoder} | ({"weights": {"random": 0}} if encoder == "alphagenome" else {})}
    config["models"] = [{"encoders": ["e"], "heads": [head]}]
    config["constructs"]["c"] |= construct
    config["datasets"]["simulated_d"]["source"] = {"kind": "simulated", **(source or {})}
    return hidden_inserts(validated(config))


@pytest.mark.parametrize("head", ["boda-max-512-512", "boda-max-8"])
def test_a_maximum_over_tokens_of_flank_is_warned_of(head):
    (line,) = warnings(head)
    assert line.startswith(f"{head} on encoder 'e', dataset 'simulated_d': 2 of 5 tokens hold only flank")
    (line,) = warnings(head, "onehot")
    assert "400 of 600 tokens hold only flank" in line


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("boda-center-512-512", {}),  # its token holds 128 of the 200 bp
        ("boda-mean-512-512", {}),
        ("boda-flatten-512-512", {}),
        ("linear-probe", {}),
        ("boda-max-512-512", {"encoder": "alphagenome"}),  # its tokens see the whole window
        ("boda-max-512-512", {"length": 384}),
        ("boda-max-512-512", {"length": 240, "layout": "compact"}),
        ("boda-max-512-512", {"source": {"length": 600}}),
    ],
)
def test_heads_that_see_the_insert_are_not(head, options):
    assert warnings(head, **options) == []


def test_who_trains_such_a_head_with_smaller_steps_is_not_warned_again():
    config = copy.deepcopy(MINIMAL) | {"heads": {"boda-max-8": {"learning_rate": 0.0003}}}
    config["encoders"] = {"e": {"kind": "kmer"}}
    config["models"] = [{"encoders": ["e"], "heads": ["boda-max-8", "boda-max-16"]}]
    (line,) = hidden_inserts(validated(config))
    assert line.startswith("boda-max-16 on encoder 'e'")
    assert "(heads: {boda-max-16: {learning_rate: 0.0003}})" in line
    assert hidden_inserts(validated(config | {"training": {"learning_rate": 0.0005}})) == []


@pytest.mark.parametrize(
    ("upstream", "strands"),
    [
        (180, "reverse"),  # insert at 180 to 279 of 281, reversed at 1 to 100; the middle of three tokens is 128 to 255
        (256, "forward and reverse"),
    ],
)
def test_a_middle_token_without_a_base_of_the_insert_is_named(upstream, strands):
    config = copy.deepcopy(MINIMAL)
    config["encoders"] = {"e": {"kind": "kmer"}}
    config["models"] = [{"encoders": ["e"], "heads": ["boda-center-512-512"]}]
    config["constructs"]["c"] = {"upstream": "A" * upstream, "downstream": "A", "length": 281, "layout": "whole"}
    (line,) = hidden_inserts(validated(config))
    assert f"its middle token holds no base of the insert on the {strands} strand" in line


def test_studies_of_the_project_are_warned_of_the_maximum_alone(root):
    for path in [root / "config" / "config.yaml", *(root / "config" / "studies").glob("*.yaml")]:
        study = validated(yaml.safe_load(path.read_text()) | {"data_dir": "data"})
        for line in hidden_inserts(study):
            assert path.name != "config.yaml" and line.startswith("boda-max-512-512 on encoder 'kmer"), path
