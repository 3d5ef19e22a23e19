"""The user's own files that a study names are looked for when it is read."""

import copy
from pathlib import Path

import pytest

from helpers.minimal_study import MINIMAL
from s2f.study import files
from s2f.study.validate import validated

TABLE = {"kind": "table", "files": {"rows": "data/mine.tsv"}, "columns": {"sequence": "s", "label": "y"}}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which the study runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(**sections):
    """The minimal study with a table of the user's, and with other sections."""
    config = copy.deepcopy(MINIMAL) | sections
    config["datasets"] = {"mine": config["datasets"]["simulated_d"] | {"source": copy.deepcopy(TABLE)}}
    return validated(config)


def said_of(*arguments):
    said = files.missing(*arguments)
    assert said
    return said


def test_a_missing_file_is_named_with_its_key_and_the_folder_in_which_it_was_looked_for(here):
    said = f"datasets.mine.source.files.rows: data/mine.tsv is missing: there is no {here}/data/mine.tsv (paths are "
    said += f"relative to the folder in which the study runs, {here})"
    assert said_of(study()) == f"{said}; there is no folder {here}/data"
    (here / "data").mkdir()
    assert said_of(study()) == said
    (here / "data" / "mine.csv").touch()
    assert said_of(study()) == f"{said}; did you mean 'mine.csv'?"
    (here / "data" / "mine.tsv").symlink_to("lost.tsv")
    assert said_of(study()).endswith(f"{here}); there is a link to lost.tsv, which does not exist")
    (here / "data" / "lost.tsv").touch()
    assert files.missing(study()) == ""


def test_many_missing_files_below_data_dir_are_one_line_each(here):
    config = study(data_dir=f"{here}/gone")
    source = config["datasets"]["mine"]["source"]
    source["files"] = {"rows": f"{here}/gone/a.tsv"}
    there = f"{here}/gone/a.tsv is missing; there is no folder {here}/gone"
    assert said_of(config) == f"datasets.mine.source.files.rows: {there}; is data_dir right? It is {here}/gone"
    source["files"] = {"rows": f"{here}/gone/a.tsv", "again": f"{here}/gone/a.tsv", "b": f"{here}/gone/b.tsv"}
    lines = said_of(config).splitlines()
    assert lines[0] == "2 files are missing:" and lines[-1] == f"  is data_dir right? It is {here}/gone"
    assert lines[1] == f"  datasets.mine.source.files.rows and 1 other key: {there}"


def test_a_file_beside_the_study_that_runs_elsewhere_is_found_out(here, monkeypatch):
    (here / "runs" / "data").mkdir(parents=True)
    (here / "runs" / "data" / "mine.tsv").touch()
    found = said_of(study(), ["runs/my_study.yaml"])
    assert found.endswith(f"it is beside the study: add --directory {here}/runs, or run in that folder")
    monkeypatch.chdir(here / "runs")
    assert files.missing(study(), ["my_study.yaml"]) == ""


def test_files_that_the_workflow_makes_or_downloads_and_those_of_finished_results_need_not_exist(here):
    config = study(downloads={"mine.tsv": {"urls": ["https://example.org/mine.tsv"]}})
    for path in ("resources/mine.tsv", "results/other/designs.fa"):
        config["datasets"]["mine"]["source"]["files"]["rows"] = path
        assert files.missing(config) == ""
    config["datasets"]["mine"]["source"]["files"]["rows"] = "resources/other.tsv"
    assert "resources/other.tsv is missing" in said_of(config)
    Path("results/mine").mkdir(parents=True)
    Path("results/mine/rows.parquet").touch()
    assert files.missing(config) == ""


def test_every_section_that_names_files_is_looked_at(here):
    (here / "data").mkdir()
    (here / "data" / "mine.tsv").touch()
    config = study(
        splits={"chromosome": {"kind": "chromosome"}, "published": {"kind": "file", "files": {"test": "t.tsv"}}},
        baselines={"mean": {"kind": "mean"}, "m": {"kind": "malinois_published", "path": "m.tar.gz"}},
        scoring={"v": {"dataset": "mine", "vcf": "v.vcf", "genome": "hg38.fa", "genes": "g.gtf"}},
    )
    config["datasets"]["mine"]["panels"]["chromosome"] |= {"file": "p.tsv", "within": {"file": "r.bed", "chain": "c"}}
    keys = [file.key for file in files.named(config)]
    assert "splits.published.files.test" not in keys and "baselines.m.path" not in keys  # no dataset, no model uses it
    config["datasets"]["mine"]["splits"].append("published")
    config["models"].append({"baselines": ["m"]})
    config["motifs"] = [{"known": "k.meme"}]
    config["design"] = {"d": {"start": {"fasta": "d.fa"}, "methods": ["evolution"]}}
    keys = [line.split(": ")[0].strip() for line in said_of(config).splitlines()[1:]]
    assert keys == [file.key for file in files.named(config) if file.path != "data/mine.tsv"]
    assert keys == [
        "datasets.mine.panels.chromosome.file", "datasets.mine.panels.chromosome.within",
        "datasets.mine.panels.chromosome.within", "splits.published.files.test", "baselines.m.path", "scoring.v.vcf",
        "scoring.v.genome", "scoring.v.genes", "motifs.0.known", "design.d.start.fasta",
    ]  # fmt: skip
