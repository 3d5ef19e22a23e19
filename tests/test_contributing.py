"""What a second person relies on: the pages for contributors, versions, CI of a fork, hooks, templates."""

import ast
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from programs.text_files import faults

PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "docs/architecture.md")
VERSION = r"\d+\.\d+\.\d+"


def targets_of(root):
    return set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))


def test_packages_and_the_files_that_pages_name_exist(root):
    library = root / "workflow" / "scripts" / "s2f"
    text = (root / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert named == {path.parent.name for path in library.glob("*/__init__.py")}
    folders = [root, root / "tests", root / "workflow" / "scripts", library, *library.iterdir()]
    for page in PAGES:
        text = (root / page).read_text()
        for path in re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|yaml|txt|cff|toml|svg))`", text):
            made = path.startswith("results/") or "NAME" in path or path in ("best_model/", "pytorch_model.bin")
            assert made or any((folder / path).exists() for folder in folders), f"{page}: {path}"
        for target in re.findall(r"\bmake ([a-z-]+)`", text):
            assert target in targets_of(root), f"{page}: make {target}"


def test_a_rule_and_its_program_say_the_same_of_themselves(root):
    """`snakemake --list-rules` shows the one, `--help` of the program the other."""
    scripts, compared = root / "workflow" / "scripts", set()
    for path in (root / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule.*:$", path.read_text(), flags=re.MULTILINE)[1:]:
            (program,) = re.findall(r"\{params\.python\} (\w+)", rule)
            said = ast.get_docstring(ast.parse((scripts / f"{program}.py").read_text())).split("\n\n")[0]
            own = re.match(r'\s*"""(.*?)"""', rule, re.DOTALL)[1]
            assert own.split() == said.split(), f"{path.name}: {program}"  # whatever the lines
            compared.add(program)
    assert compared >= {"make_rows", "audit_split", "train_head", "plot_split", "tapt", "design_sequences"}


def test_one_version_everywhere(root):
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert re.fullmatch(VERSION, version)
    assert str(yaml.safe_load((root / "CITATION.cff").read_text())["version"]) == version
    headings = re.findall(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    newest, *older = headings[1:]
    assert re.fullmatch(rf"\[{re.escape(version)}\]( - \d{{4}}-\d\d-\d\d)?", newest)
    for heading in older:  # those have a tag, thus a date
        assert re.fullmatch(rf"\[{VERSION}\] - \d{{4}}-\d\d-\d\d", heading), heading


def test_ci_of_a_fork_reads_only_and_runs_what_the_makefile_has(root):
    """Without secrets, with actions pinned by version, and no step that this checkout does not have."""
    text = (root / ".github" / "workflows" / "ci.yml").read_text()
    ci = yaml.safe_load(text)
    assert ci["permissions"] == {"contents": "read"} and "secrets" not in text.split("jobs:")[1]
    assert set(ci[True]) == {"push", "pull_request", "workflow_dispatch"}  # `on` is true to YAML 1.1
    commands = []
    for job in ci["jobs"].values():
        assert "permissions" not in job and job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
                for path in step.get("with", {}).get("cache-dependency-path", "").split():
                    assert (root / path).exists(), path
            else:
                commands.append(step["run"])
    makes = [command.split()[1:] for command in commands if command.split()[0] == "make"]
    assert makes == [["setup"], ["lint"], ["test-fast"], []]
    assert {target for words in makes for target in words} <= targets_of(root)
    (outcome,) = [command for command in commands if "outcome" in command]
    assert outcome.replace(".venv/bin/", "") in (root / ".ci" / "run").read_text()


def test_hooks_use_programs_that_make_setup_installs(root):
    (repository,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"  # nothing is downloaded
    for hook in repository["hooks"]:
        program, *words = hook["entry"].split()
        assert hook["language"] == "system" and program.startswith(".venv/bin/")
        assert shutil.which(program.removeprefix(".venv/bin/")), hook["id"]
        assert all((root / word).exists() for word in words if "/" in word), hook["id"]


def test_issue_templates_ask_for_what_is_needed(root):
    folder = root / ".github" / "ISSUE_TEMPLATE"
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yml")}
    assert set(forms) == {"bug", "feature"}
    for name, form in forms.items():
        assert {"name", "description", "body"} <= set(form), name
        assert all(item["attributes"]["label"] for item in form["body"])
    required = {item["id"] for item in forms["bug"]["body"] if item.get("validations", {}).get("required")}
    assert required == {"what", "command", "version"}


def test_the_catalog_lists_the_workflow_and_offers_no_use_that_is_refused(root):
    """What snakemake-workflow-catalog asks of a listed workflow; `make lint` runs its checks of style."""
    readme = (root / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (root / "workflow" / "Snakefile").exists() and list((root / "workflow" / "rules").glob("*.smk"))
    assert (root / "config" / "README.md").exists()
    # with this file its page tells readers to run snakedeploy, which writes github(...): see test_hosted
    assert not (root / ".snakemake-workflow-catalog.yml").exists()
    assert ".snakemake-workflow-catalog.yml" in (root / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.md", b"text\n", []),
        ("a.md", b"", []),
        ("a.md", b"text", ["line 1: no end of line at the end of the file"]),
        ("a.md", b"text\n\n", ["line 2: empty lines at the end of the file"]),
        ("a.md", b"one \ntwo\r\n", ["line 1: blanks at its end", "line 2: blanks at its end"]),
        ("a.md", b"\xff\n", ["byte 1 is not UTF-8"]),
        ("a.yml", b"a: [1\n", ["is not YAML: "]),
        ("a.yml", b"a: 1\n---\nb: 2\n", []),
    ],
)
def test_faults_of_text_files_are_named(tmp_path, name, content, found):
    path = tmp_path / name
    path.write_bytes(content)
    said = faults(path)
    assert len(said) == len(found)
    for text, expected in zip(said, found, strict=True):
        assert text.startswith(f"{path}: {expected}")


def test_text_files_of_the_repository_have_no_faults(root):
    if not (root / ".git").exists():
        pytest.skip("not a checkout of git: which files belong to the repository is not known")
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True, text=True).stdout
    paths = [root / name for name in listed.split("\0") if name and not name.endswith(".png")]
    paths = [path for path in paths if path.is_file() and not path.is_symlink()]
    assert len(paths) > 300
    assert [fault for path in paths for fault in faults(path)] == []
