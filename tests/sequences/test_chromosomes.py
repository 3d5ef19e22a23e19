"""Names of chromosomes: every spelling of one is one, and what is none is refused."""

import re

import pytest

from s2f.common.errors import InputError
from s2f.sequences import chromosomes


@pytest.mark.parametrize(
    "name, expected",
    [
        ("7", "chr7"), ("chr7", "chr7"), ("Chr7", "chr7"), ("CHR7", "chr7"), (" 7 ", "chr7"), ("7.0", "chr7"),
        (7, "chr7"), (7.0, "chr7"), ("07", "chr7"), ("chr07", "chr7"), ("10", "chr10"), ("x", "chrX"), ("chrx", "chrX"),
        ("X", "chrX"), ("y", "chrY"), ("M", "chrM"), ("MT", "chrM"), ("chrmt", "chrM"), ("2L", "chr2L"),
        ("chrUn_gl000220", "chrUn_gl000220"), ("chr1_gl000191_random", "chr1_gl000191_random"),
        ("chrom7", "chr7"), ("Chromosome 7", "chr7"), ("chromosome_X", "chrX"), ("chr_7", "chr7"), ("chrom:MT", "chrM"),
        ("GL000219.1", "chrGL000219.1"), ("NC_000007.14", "chr7"), ("NC_000023", "chrX"), ("NC_012920.1", "chrM"),
        ("NC_000067.7", "chrNC_000067.7"), ("IV", "chrIV"),
        ("", ""), (".", ""), ("NA", ""), ("nan", ""), (None, ""), (float("nan"), ""),
    ],
)  # fmt: skip
def test_chromosome_spellings(name, expected):
    assert chromosomes.chromosome(name) == expected
    assert chromosomes.chromosome(chromosomes.chromosome(name)) == expected


@pytest.mark.parametrize("name", ["chr", "chrchr7", "chr chrom7", "7 8", "chr7 p12", "0", "chr0", "7.5", "-7", "*"])
def test_what_is_no_chromosome_is_refused(name):
    with pytest.raises(
        InputError, match=f"chromosome is {re.escape(repr(name))}, expected a name such as chr7, 7, chrX, or"
    ):
        chromosomes.chromosome(name)


def test_whole_chromosomes_of_common_genomes_are_told_from_other_names():
    whole = "chr1 chr22 chrX chrY chrM chr2L chr3R chr4 chrI chrIV chrIX chrX chrXVI chrV chrZ chrW chr1A"
    for name in whole.split():
        assert chromosomes.WHOLE.fullmatch(name), name
    other = "chr7p12 chr23 chr99 chrhs7 chr1_KI270706v1_random chrUn_GL000220v1 chrGL000219.1 chrEBV chr chrIIII chrun"
    for name in other.split():
        assert not chromosomes.WHOLE.fullmatch(name), name
