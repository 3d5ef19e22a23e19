"""The workflow as a module of another one, and in folders that hold files of the user with unlucky names."""

import json
import os
import random
import re
import shutil
import subprocess

import pytest
import yaml

from helpers.forked_snakemake import ENVIRONMENT, FORKED, jobs, run, snakemake
from helpers.parsed_workflow import program_of
from s2f.common.tables import read_table

CONSTRUCTS = {"c": {"flanks": "gosai_episomal", "length": 600}}
SPLITS = {"chromosome": {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}}
# both name their dataset and baseline alike; neither imports JAX or torch
SIMULATED = {
    "study": "first",
    "description": "braces {on} and {} are text",
    "datasets": {
        "simulated_d": {
            "source": {"kind": "simulated", "rows": 300, "seed": 3},
            "construct": "c",
            "splits": ["chromosome"],
            "panels": {"all": {"kind": "rows"}, "part": {"kind": "rows", "within": "regions.bed"}},
        }
    },
    "constructs": CONSTRUCTS,
    "splits": SPLITS,
    "baselines": {"mean": {"kind": "mean"}},
    "models": [{"baselines": ["mean"]}],
    "comparison": {"resamples": 100},
}
COLUMNS = {name: name for name in ("row_id", "sequence", "label", "chrom", "start", "end")}
TABLE = SIMULATED | {
    "study": "second",
    "downloads": {"mine.tsv": {"urls": ["file:///nowhere/mine.tsv"]}},
    "datasets": {
        "simulated_d": SIMULATED["datasets"]["simulated_d"]
        | {
            "source": {"kind": "table", "files": {"rows": "resources/mine.tsv"}, "columns": COLUMNS},
            "panels": {"all": {"kind": "rows"}},
        }
    },
}


def host(root, folder, studies, prefix="in_"):
    """Write a workflow into `folder` that has a module for each study, with a prefix; its targets are their tables."""
    lines = ["import yaml"]
    for name, study in studies.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(study))
        lines += [
            f"module {name}:",
            f'    snakefile: "{root}/workflow/Snakefile"',
            f'    config: yaml.safe_load(open("{name}.yaml"))',
            f'    prefix: "{prefix}{name}"',
            f"use rule * from {name} as {name}_*",
        ]
    tables = [f"{prefix}{name}/results/compare.{ending}" for name in studies for ending in ("tsv", "md")]
    lines += ["rule tables:", "    default_target: True", f"    input: {tables}"]
    (folder / "Snakefile").write_text("\n".join(lines))


def rows_for_table(path):
    """Write a table of rows that a study reads, and that are no rows of the other study."""
    draw = random.Random(1)
    with path.open("w") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for row in range(90):
            place = f"chr{[1, 2, 7, 13, 19][row % 5]}\t{1000 * row}\t{1000 * row + 100}"
            file.write(f"r{row}\t{''.join(draw.choices('ACGT', k=100))}\t{row % 11}\t{place}\n")


def test_every_path_of_a_module_with_a_prefix_has_it(root, tmp_path):
    """All commands of the embedded study, which has every kind of job, and of one that downloads its rows."""
    embedded = yaml.safe_load((root / "config" / "config.yaml").read_text())
    host(root, tmp_path, {"simulated": embedded, "table": TABLE})
    rows = "in_table/results/simulated_d/rows.parquet"
    targets = ["in_simulated/results/compare.tsv", "in_simulated/results/interpretation.tsv", rows]
    targets += ["in_simulated/results/plots/simulated_rbp/isoscore.png"]
    targets += [
        f"in_simulated/results/plots/simulated_rbp/chromosome/{name}.png"
        for name in ("audit", "chromosome.comparison", "dependency_maps/lamar-tapt.layer04/chromosome.0")
    ]
    _, output = run(["--dry-run", "--printshellcmds", *targets], tmp_path, ENVIRONMENT, timeout=600)
    commands = [line for line in output.splitlines() if "python -P -m" in line]
    programs = {re.search(r"-m (\w+)", line)[1] for line in commands}
    assert {"download", "tapt", "compare", "interpret", "dependency_map", "make_rows", "train_head"} <= programs, output
    for line in commands:
        assert not re.search(r"(?<!in_simulated/)(?<!in_table/)\b(results|resources|logs)/", line), line
    assert [line for line in commands if "-m download" in line and "file:///nowhere/mine.tsv" in line]
    assert [line for line in commands if "-m embed" in line and '{"tapt": "in_simulated/results/tapt/windows"}' in line]


def test_files_of_a_study_are_those_of_the_working_folder(root, tmp_path):
    shared = {"rows": "my/table.tsv"}
    source = {"kind": "table", "files": shared, "columns": COLUMNS}
    dataset = SIMULATED["datasets"]["simulated_d"] | {"source": source}
    host(root, tmp_path, {"table": SIMULATED | {"datasets": {"simulated_d": dataset}}})
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "table.tsv").touch()
    (tmp_path / "regions.bed").touch()
    _, output = run(["--dry-run", "--printshellcmds"], tmp_path, ENVIRONMENT, timeout=600)
    assert f"--files '{json.dumps(shared)}'" in output
    assert '"within": "regions.bed"' in output


@pytest.mark.slow
def test_two_modules_give_the_tables_that_each_study_gives_alone(root, tmp_path):
    """The first is run alone in the folder of both before, so that results/ there holds another study's rows."""
    studies, other = {"simulated": SIMULATED, "table": TABLE}, tmp_path / "other"
    other.mkdir()
    for folder, name in ((tmp_path, "simulated"), (other, "table")):
        host(root, folder, studies)
        (folder / "regions.bed").write_text("chr7\t0\t300000000\n")
        (folder / "resources").mkdir()
        rows_for_table(folder / "resources" / "mine.tsv")
        snakemake(root, folder, "--configfile", folder / f"{name}.yaml", "--", "results/compare.tsv")
    shutil.copytree(tmp_path / "resources", tmp_path / "in_table" / "resources")
    code, output = run(["--cores", "2"], tmp_path, FORKED, timeout=600)
    assert code == 0, output
    for folder, name in ((tmp_path, "simulated"), (other, "table")):
        for table in ("compare.tsv", "compare.md"):
            alone, hosted = (place / "results" / table for place in (folder, tmp_path / f"in_{name}"))
            assert hosted.read_text() == alone.read_text(), (name, table)
    assert "braces {on} and {} are text" in (tmp_path / "in_simulated" / "results" / "compare.md").read_text()
    panels = set(read_table(tmp_path / "in_simulated" / "results" / "compare.tsv")["panel"])
    assert panels == {"all", "part"}  # with its own rows: the other has no such panel


def test_every_command_takes_no_program_from_the_working_folder(workflow_rules):
    for rule in workflow_rules:
        assert program_of(rule), rule.name  # {params.python}, which says -P
        assert rule.params["python"].__name__ == "python", rule.name


def test_files_of_the_user_are_not_taken_for_programs_or_libraries(root, tmp_path):
    """One job, in a folder with such files; the Snakefile of a host, in whose folder Snakemake looks first."""
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(SIMULATED))
    names = ["make_rows", "compare", "download", "random", "statistics", "s2f", "pandas", "json", "bisect", "colorsys"]
    for name in names:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the file of the user was run')")
    (tmp_path / "regions.bed").touch()
    rows = "results/simulated_d/rows.parquet"
    snakemake(root, tmp_path, "--configfile", study, "--", rows)
    assert (tmp_path / rows).exists()
    host(root, tmp_path, {"simulated": SIMULATED})
    code, output = run(["--dry-run"], tmp_path, ENVIRONMENT, timeout=600)
    assert code == 0 and jobs(output)["simulated_compare"] == 1, output


def test_a_file_that_is_replaced_by_an_older_one_is_read_again(root, tmp_path):
    (tmp_path / "table.yaml").write_text(yaml.safe_dump(TABLE | {"downloads": {}}))
    (tmp_path / "resources").mkdir()
    path = tmp_path / "resources" / "mine.tsv"
    rows_for_table(path)
    command = ["--configfile", tmp_path / "table.yaml", "--", "results/simulated_d/rows.parquet"]
    snakemake(root, tmp_path, *command)
    path.touch()  # the same content is no reason
    assert "Nothing to be done" in snakemake(root, tmp_path, "-n", *command)
    path.write_text(path.read_text().replace("r7\t", "other\t"))
    os.utime(path, (1e9, 1e9))
    assert jobs(snakemake(root, tmp_path, "-n", *command)) == {"make_rows": 1}


def test_the_jobs_and_imports_of_a_host_are_its_own(root, tmp_path):
    """No prefix of commands, no variable and no folder of modules is left to rules and modules of the host."""
    host(root, tmp_path, {"simulated": SIMULATED})
    (tmp_path / "compare.py").write_text("WHOSE = 'the host'")
    (tmp_path / "regions.bed").touch()
    with (tmp_path / "Snakefile").open("a") as file:
        file.write(
            "\nimport compare\nrule mine:\n    output: 'mine.txt'\n    params: whose=compare.WHOSE\n"
            "    shell: '(echo {params.whose}; env | grep -c ^S2F_ || true; echo [${{PYTHONPATH-}}]; "
            "echo [${{PYTHONSAFEPATH-}}]; set -o | grep pipefail) > {output}'\n"
        )
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("PYTHON", "S2F_"))}
    code, output = run(["--cores", "1", "mine.txt"], tmp_path, environment, timeout=600)
    assert code == 0, output
    assert (tmp_path / "mine.txt").read_text().split() == ["the", "host", "0", "[]", "[]", "pipefail", "on"]


def test_the_configuration_and_options_of_a_host_are_not_those_of_a_study(root, tmp_path):
    host(root, tmp_path, {"simulated": SIMULATED})
    (tmp_path / "regions.bed").touch()
    (tmp_path / "own.yaml").write_text("samples: {1: a.fq, 2: b.fq}")
    text = (tmp_path / "Snakefile").read_text()
    (tmp_path / "Snakefile").write_text(f'configfile: "own.yaml"\n{text}')
    code, output = run(["-n", "--config", "greeting=hello", "training={batch: 3}"], tmp_path, ENVIRONMENT, timeout=600)
    assert code == 0, output


def test_two_copies_of_the_workflow_in_one_are_refused(root, tmp_path):
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "workflow", copy / "workflow", ignore=ignored)
    host(root, tmp_path, {"simulated": SIMULATED, "table": TABLE})
    text = (tmp_path / "Snakefile").read_text()
    head, _, tail = text.rpartition(f'"{root}/workflow')
    (tmp_path / "Snakefile").write_text(f'{head}"{copy}/workflow{tail}')
    (tmp_path / "regions.bed").touch()
    code, output = run(["--dry-run"], tmp_path, ENVIRONMENT, timeout=600)
    assert code == 1
    assert (
        f"{copy}/workflow/scripts: another copy of this workflow is already loaded, from "
        f"{root}/workflow/scripts; all modules of a workflow must name the same copy"
    ) in output


def test_a_plain_folder_that_names_a_clone_runs(root, tmp_path):
    """As `snakedeploy deploy-workflow` writes it from a local clone, with the path of that clone put in: the workflow's
    rules keep their names, its target is the default one, and config/ is the user's."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(SIMULATED))
    (tmp_path / "regions.bed").touch()
    module = f'module s2f_adapters:\n    snakefile:\n        "{root}/workflow/Snakefile"\n    config:\n        config\n'
    (tmp_path / "workflow" / "Snakefile").write_text(
        f'configfile: "config/config.yaml"\n\n\n{module}\n\nuse rule * from s2f_adapters\n'
    )
    code, output = run(["--dry-run"], tmp_path, ENVIRONMENT, timeout=600)
    assert code == 0, output
    assert jobs(output)["train_baseline"] == 1 and jobs(output)["compare"] == 1


def test_hosted_use_from_a_repository_says_to_clone(root, tmp_path):
    """Snakemake fetches single files then, without the library."""
    repository, folder = tmp_path / "repository", tmp_path / "work"
    folder.mkdir()
    shutil.copytree(root / "workflow", repository / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "config", repository / "config")
    git = ["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    lines = [f'gitfile("{repository}", path="workflow/Snakefile", tag="v1")', "use rule * from s2f"]
    (folder / "Snakefile").write_text("module s2f:\n    snakefile: " + "\n".join(lines))
    code, output = run(["--dry-run"], folder, ENVIRONMENT, timeout=600)
    assert code == 1
    assert (
        f"git+file://{repository}/workflow@v1 has no folder scripts/s2f: this workflow cannot be used by github(), "
        "gitlab() or gitfile(); clone it, and name the path of workflow/Snakefile in the clone after snakefile:"
    ) in output
    assert not (root / ".snakemake-workflow-catalog.yml").exists()  # which offers such use
    assert "git clone" in (root / "docs" / "library.md").read_text()


@pytest.fixture(scope="module")
def workflow_rules(root):
    from helpers.parsed_workflow import parsed_rules

    return parsed_rules(root).values()
