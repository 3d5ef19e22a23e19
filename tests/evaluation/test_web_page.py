"""The page of a comparison: each picture under its panel, tables as tables, nothing loaded from elsewhere."""

import re

import pytest

import comparison_page
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.evaluation.web_page import web_page

TEXT = """# Comparison: toy

Two <b>datasets</b>

How to read the tables:

- **Values** are means

## one, split chrom

### Panel id

| model | pearson |
| --- | ---: |
| `a/b` | 0.7 ± 0.1 [0.5, 0.8] |

### Panel snv: values of the alternate alleles

### Panel snv: effects, alternate minus reference

## two, split chrom

### Panel id, cell K562
"""


def test_pictures_stand_once_below_the_first_heading_of_their_panel():
    places = [("one", "chrom", "id"), ("one", "chrom", "snv"), ("two", "chrom", "id")]
    page = web_page(TEXT, {place: PNG + "".join(place).encode() for place in places})
    order = re.findall(r"<h3>([^<]*)</h3>|alt=\"([^\"]*)\"", page)
    assert ["".join(found) for found in order] == [
        "Panel id", "one, split chrom, panel id",
        "Panel snv: values of the alternate alleles", "one, split chrom, panel snv",
        "Panel snv: effects, alternate minus reference",
        "Panel id, cell K562", "two, split chrom, panel id",
    ]  # fmt: skip
    assert re.search(r"<td[^>]*><code>a/b</code></td>\s*<td[^>]*>0.7 ± 0.1<br>\[0.5, 0.8\]</td>", page)
    assert "&lt;b&gt;datasets" in page and "<b>" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_picture_without_a_section_is_an_error():
    with pytest.raises(ValueError, match="three"):
        web_page(TEXT, {("three", "chrom", "id"): PNG})


def test_the_program_knows_pictures_by_their_paths(tmp_path, monkeypatch):
    picture = tmp_path / "two" / "chrom" / "id.comparison.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(PNG)
    (tmp_path / "compare.md").write_text(TEXT)
    arguments = ["--text", tmp_path / "compare.md", "--out", tmp_path / "compare.html", "--pictures"]
    call(monkeypatch, comparison_page, *arguments, picture)
    assert 'alt="two, split chrom, panel id"' in (tmp_path / "compare.html").read_text()
    with pytest.raises(InputError, match=r"other\.png: expected a file name"):
        call(monkeypatch, comparison_page, *arguments, tmp_path / "other.png")
