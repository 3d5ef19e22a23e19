"""README and docs are true: each command is run by CI as it stands, planned here as a dry run, or run by a named test;
links lead somewhere; examples work."""

import os
import re
import shlex
import subprocess
import sys

import yaml

from helpers.forked_snakemake import snakemake

# pages whose commands a test of their own reads and runs
OWN_TESTS = {
    "docs/scoring.md": "tests/scoring/test_score.py",
    "docs/design.md": "tests/design/test_design_sequences.py",
    "docs/first_study.md": "tests/study/test_new.py",
    "docs/stage2.md": "tests/baselines/test_lora.py",
    "docs/tutorial.md": "tests/workflow/test_pages.py",
}
# commands by their first words, and where they are run
ELSEWHERE = {
    "source .venv/bin/activate": ".ci/run",  # the same folder is put on the path there
    "python -m s2f.study.new": "tests/study/test_new.py",
    "python -m s2f.rows.samples": "tests/rows/test_samples.py",
    ".venv/bin/python -m pytest": "Makefile",  # as `make test` does
    "snakemake --profile slurm": "tests/programs/on_slurm.py",
}
# a plan of 8,000 jobs takes 20 s: that of one seed has jobs of the same rules
ONE_SEED = {"snakemake -n --configfile config/studies/rbp_full.yaml": ("--config", "seeds=[1]")}


def pages(root):
    """README, docs, and the pages for contributors."""
    return [path.relative_to(root).as_posix() for path in sorted([*root.glob("*.md"), *(root / "docs").glob("*.md")])]


def commands(text):
    """The lines of blocks, and the last cells of tables that are a command of Snakemake."""
    blocks = [
        *re.findall(r"```bash\n(.*?)```", text, re.DOTALL),
        *re.findall(r"\| `(snakemake .*)` \|$", text, re.MULTILINE),
    ]
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def test_every_command_is_run_by_ci_or_planned_here_or_run_by_a_test(root, tmp_path, shared):
    ci, planned = (root / ".ci" / "run").read_text(), set()
    for page in pages(root):
        if page in OWN_TESTS:
            assert f'"{page.rpartition("/")[2]}"' in (root / OWN_TESTS[page]).read_text(), page
            continue
        for command in commands((root / page).read_text()):
            known = next((where for start, where in ELSEWHERE.items() if command.startswith(start)), None)
            words = shlex.split(command, comments=True)
            if known or shlex.join(words) in ci:
                assert known is None or (root / known).exists(), f"{page}: {command}"
            elif "my_study" in command:
                assert page in ("README.md", "docs/mpra.md", "docs/rbp.md")  # followed by the two tests below
            elif words[0] == "make":
                assert re.search(rf"^{words[1]}:", (root / "Makefile").read_text(), re.MULTILINE), f"{page}: {command}"
                assert words[1] in ("bench", "bench-gpu", "faults", "test-fast"), f"{page}: nothing runs {command!r}"
            elif command not in planned:
                assert words[0] == "snakemake", f"{page}: nothing runs {command!r}"
                arguments = [str(root / word) if word.startswith("config/") else word for word in words[1:]]
                # the tables that s2f.rows.samples would make there of what it downloads, and those that readers have
                for folder in ("$PWD/runs/data", "$PWD/tables"):
                    arguments = [word.replace(folder, str(shared / "data")) for word in arguments]
                arguments += ONE_SEED.get(command, ())
                assert "job " in snakemake(root, tmp_path, "--dry-run", *arguments), f"{page}: {command}"
                planned.add(command)


def test_the_study_of_the_page_on_mpra_is_planned_by_the_command_of_readme_and_page(root, tmp_path):
    text = (root / "docs" / "mpra.md").read_text()
    study = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "study: my_study" in block)
    folder = tmp_path / "runs" / "my_study"
    folder.mkdir(parents=True)
    (folder / "my_study.yaml").write_text(study)
    (folder / "my_mpra.csv").write_text("name,oligo,log2FC,chromosome\n")
    for page, targets in (("README.md", 2), ("docs/mpra.md", 1)):
        lines = [line for line in commands((root / page).read_text()) if "my_study.yaml" in line]
        program, flag, snakefile, *arguments = shlex.split(lines[-1])
        assert (program, flag, snakefile) == ("snakemake", "--snakefile", "../../Snakefile") and len(
            arguments
        ) == 2 + targets
        if targets == 2:
            output = snakemake(root, folder, "--dry-run", *arguments)
            assert "train_head" in output and "train_baseline" in output
    first = commands((root / "README.md").read_text())
    assert "mkdir -p runs/my_study && cp my_mpra.csv runs/my_study && cd runs/my_study" in first


def test_the_study_of_the_page_on_peaks_is_planned_by_its_commands_with_either_negatives(root, tmp_path):
    text = (root / "docs" / "rbp.md").read_text()
    study, source = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[:2]
    study, source = yaml.safe_load(study), yaml.safe_load(source)["source"]
    (dataset,) = study["datasets"].values()
    study["datasets"]["qki_k562.other_rbp"] = dataset | {"source": source}
    (tmp_path / "my_study.yaml").write_text(yaml.safe_dump(study))
    for file in {*dataset["source"]["files"].values(), *source["files"].values()}:
        (tmp_path / file).touch()
    prepare, new, run = commands(text)[:3]
    assert prepare == "mkdir -p runs/my_study && cp peaks.bed.gz runs/my_study && cd runs/my_study"
    assert new == "python -m s2f.study.new peaks.bed.gz"
    assert shlex.split(run)[:3] == ["snakemake", "--snakefile", "../../Snakefile"]
    output = snakemake(root, tmp_path, "--dry-run", *shlex.split(run)[3:])
    for job, count in ("make_rows", 2), ("train_head", 6), ("train_baseline", 4):
        assert re.search(rf"^{job} +{count}$", output, re.MULTILINE), output


def test_the_tutorial_leads_to_a_plan(root, tmp_path, shared):
    """Its commands, with the answers that it gives, up to a dry run of what it says; instead of what it downloads, with
    the reference table, which is the same in all columns that the tutorial uses (tests/rows/test_samples.py)."""
    text = (root / "docs" / "tutorial.md").read_text()
    clone, python = tmp_path / "clone", sys.executable
    folder = clone / "runs" / "promoters"
    clone.mkdir()
    for command in commands(text):
        words = shlex.split(command)
        if words[:-1] == ["python", "-m", "s2f.rows.samples"]:
            name = "mattioli_pool1_pMPRA1_K562.tsv"
            (clone / words[-1] / "mpra").mkdir(parents=True)
            (clone / words[-1] / "mpra" / name).symlink_to(shared / "data" / "mpra" / name)
        elif words[0] in ("mkdir", "cp"):
            subprocess.run(words, cwd=clone, check=True)
        elif words[0] == "python":
            env = os.environ | {"PYTHONPATH": str(root / "workflow" / "scripts")}
            done = subprocess.run([python, *words[1:]], cwd=folder, env=env, check=True, capture_output=True, text=True)
            (questions,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
            assert questions in done.stdout
        elif words[0] == "snakemake":
            study = (folder / "my_study.yaml").read_text()
            (label,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
            assert "\nseeds: [1, 2, 3] " in study and "`seeds: [1, 2, 3]`" in text
            study = re.sub(r"label\.K562: .*(\n +label\..*)*", label.strip(), study)
            study = re.sub(r"\n +cells: .*", "", study)
            (folder / "my_study.yaml").write_text(study)
            assert words[1:3] == ["--snakefile", "../../Snakefile"]
            output = snakemake(root, folder, "--dry-run", *words[3:])
            count = re.search(r"^total +(\d+)$", output, re.MULTILINE)[1]
            assert f"the plan: {count} jobs" in text
        else:
            assert words[0] in ("cd", "source"), command


def test_examples_in_yaml_can_be_read(root):
    for page in pages(root):
        for block in re.findall(r"```yaml\n(.*?)```", (root / page).read_text(), re.DOTALL):
            assert isinstance(yaml.safe_load(block), dict), f"{page}:\n{block}"


def test_configuration_page_is_written_from_the_schemas(root):
    from s2f.study.document import page

    assert (root / "config" / "README.md").read_text() == page(), (
        "run: .venv/bin/python -P -m s2f.study.document config/README.md"
    )


def test_files_pictures_and_headings_that_pages_name_exist(root):
    for page in pages(root):
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]+)?\)", (root / page).read_text()):
            if "://" in target:
                continue
            path = (root / page).parent / target if target else root / page
            assert path.exists(), f"{page}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
                assert anchor[1:] in {anchor_of(heading) for heading in headings}, f"{page}: {target}{anchor}"


def anchor_of(heading):
    """The anchor that a heading has on the web: small letters, hyphens for spaces, no other marks."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_all_pages_are_in_the_site_and_the_readme_stays_short(root):
    named = re.findall(r": ([\w-]+\.md)$", (root / "mkdocs.yml").read_text(), re.MULTILINE)
    ours = {path.name for path in (root / "docs").glob("*.md")}
    assert ours <= set(named) and len(named) == len(set(named))
    assert len((root / "README.md").read_text().splitlines()) <= 150


def test_examples_of_the_configuration_page_are_valid():
    from s2f.common import kinds
    from s2f.heads import networks
    from s2f.study import schema

    rules = schema.schema()
    examples = {key: rule["x-example"] for key, rule in rules["properties"].items() if "x-example" in rule}
    for section, text in examples.items():
        (found,) = yaml.safe_load(text).items()
        assert found[0] == section
        schema.Validator(rules | {"required": [section]}).validate({section: found[1]})
    for section in kinds.FOLDERS:
        for kind in kinds.names(section):
            ((name, entry),) = yaml.safe_load(kinds.schema(section, kind)["x-example"]).items()
            if section == "heads":
                assert networks.kind_of(name) == kind
                schema.checked_head(name, entry)
            else:
                assert entry["kind"] == kind
                schema.checked(entry, kinds.schema(section, kind), name)
