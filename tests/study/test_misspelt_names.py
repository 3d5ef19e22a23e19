"""A name that is misspelt anywhere in a study is refused with the name that was meant."""

import copy

import pytest
import yaml

from helpers.minimal_study import changed
from s2f.common.errors import InputError
from s2f.study import validate

STUDIES = ("config.yaml", "studies/stage2_sample.yaml", "studies/hairpins.yaml", "studies/k562_sample.yaml")
# the ends of messages that say what to write without a name of the study
OTHER_FIXES = ("; write chr", "the name of the dataset must contain 'simulated'")


def places(value, path=()):
    """(path, key) of every key, and (path, None) of every text, below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if len(key) > 1:
                yield path, key
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))
    elif isinstance(value, str) and len(value) > 1:
        yield path, None


def misspelt(study, path, key):
    """A copy of a study in which the letter in the middle of a key, or of the text at a path, is missing."""
    config = copy.deepcopy(study)
    place = config
    for step in path if key is not None else path[:-1]:
        place = place[step]
    name = key if key is not None else place[path[-1]]
    wrong = name[: len(name) // 2] + name[len(name) // 2 + 1 :]
    if key is None:
        place[path[-1]] = wrong
    else:
        items = [(wrong if own == key else own, item) for own, item in place.items()]
        place.clear()
        place.update(items)
    return config


@pytest.mark.parametrize("name", STUDIES)
def test_every_name_that_is_refused_comes_with_the_one_that_was_meant(root, name):
    study = yaml.safe_load((root / "config" / name).read_text()) | {"data_dir": "data"}
    refused, silent = 0, []
    for path, key in places(study):
        try:  # definitions, files and texts for people may have any name
            validate.validated(misspelt(study, path, key))
        except InputError as error:
            refused += 1
            if "did you mean" not in str(error) and not any(fix in str(error) for fix in OTHER_FIXES):
                silent.append((path, key, str(error)))
    assert refused > 30 and not silent


@pytest.mark.parametrize(
    ("slug", "meant"),
    [
        ("boda-flaten-512-256", "boda-flatten-512-256"), ("boda-men-64", "boda-mean-64"), ("boda-max", "boda-max-512"),
        ("linear-prob", "linear-probe"), ("encoder-64-droput", "encoder-64-dropout"), ("chipcnn", "chip-cnn"),
    ],
)  # fmt: skip
def test_a_head_that_does_not_exist_comes_with_one_that_does(slug, meant):
    for path in (["models", 0, "heads"], ["heads"]):
        with pytest.raises(InputError) as error:
            validate.validated(changed(path, [slug] if path[0] == "models" else {slug: {}}))
        start, _, end = str(error.value).partition(f": head {slug!r} is unknown; did you mean '{meant}")
        assert start in ("models.0.heads", f"heads.{slug}") and "known: boda-(flatten|sum|mean|max|center)" in end


def test_words_of_a_pattern_and_a_misspelt_kind_are_proposed_too():
    for path, value, message in (
        (["encoders", "onehot"], {"knid": "onehot"}, "key 'kind' is missing (which kind it is: a section of"),
        (["encoders", "onehot"], {"knid": "onehot"}, "; did you mean 'kind' by 'knid'?"),
        (["encoders", "x"], {"kind": "alphagenome", "weights": {"random": "per_sed"}},
         "'per_sed' is not one of per_seed; did you mean 'per_seed'?"),
        (["datasets", "simulated_d", "series"], "b", "'b' has no other dataset, expected two or more to compare"),
        (["splits", "chromosome", "val"], ["ch19"], "'ch19' is not the name of a chromosome; did you mean chr19?"),
    ):  # fmt: skip
        with pytest.raises(InputError) as error:
            validate.validated(changed(path, value))
        assert message in str(error.value)
