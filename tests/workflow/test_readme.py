"""The README's commands work: each one is run by CI as it stands, or planned here as a dry run."""

import re
import shlex

from helpers.forked_snakemake import snakemake


def commands(root):
    blocks = re.findall(r"```bash\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def test_every_command_is_run_by_ci_or_planned_here(root, tmp_path, shared):
    ci = (root / ".ci" / "run").read_text()
    for command in commands(root):
        words = shlex.split(command)
        if words[0] == "make":
            assert command in ci, f"README: {command!r} is not run by CI"
        elif words[:3] == ["snakemake", "--profile", "slurm"]:
            continue  # test_literal_slurm_profile runs these words
        else:
            assert words[0] == "snakemake", f"README: nothing runs {command!r}"
            arguments = [str(root / word) if word.startswith("config/") else word for word in words[1:]]
            arguments = [word.replace("../shared", str(shared)) for word in arguments]
            assert "job " in snakemake(root, tmp_path, "--dry-run", *arguments) or command in ci


def test_configuration_page_is_written_from_the_schemas(root):
    from s2f.study.document import page

    assert (root / "config" / "README.md").read_text() == page(), "run: python -m s2f.study.document config/README.md"


def test_pictures_and_files_that_the_readme_names_exist(root):
    text = (root / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (root / target).exists(), target
