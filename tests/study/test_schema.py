"""The file of a study: a key that stands in it twice is named."""

import pytest

from s2f.common.errors import InputError
from s2f.study import schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "s.yaml: line 3: key 'a' stands in line 1 already"),
        ("x:\n  - k: 1\n    l: {m: 1,\n    m: 2}\n", "s.yaml: line 4: key 'm' stands in line 3 already"),
        ("datasets:\n  k562:\n    a: 1\n  hepg2: {}\n  k562: {}\n", "line 5: key 'k562' stands in line 2 already"),
    ],
)
def test_a_key_that_occurs_twice_in_a_study_is_named(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        schema.refuse_repeated_keys(tmp_path / "s.yaml")


@pytest.mark.parametrize("text", ["", "a: [", "a: &x {b: 1}\nc: *x\n", "a: {b: 1}\nc: {b: 1}\n", "- a\n- a\n"])
def test_other_yaml_passes(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    schema.refuse_repeated_keys(tmp_path / "s.yaml")


def test_the_studies_of_the_project_name_no_key_twice(root):
    for path in (root / "config").rglob("*.yaml"):
        schema.refuse_repeated_keys(path)
