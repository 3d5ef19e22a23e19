"""Environments: one pin per package everywhere, and each program's imports satisfied by its own environment file."""

import re

import pytest
import yaml
from packaging.requirements import Requirement

from helpers.parsed_workflow import environments, normal, parsed_workflow, reached, rules_of
from s2f.common import provenance

# CUDA of the wheels on the Python index, by their metadata: a new pin of torch needs a look at what its wheel asks for
CUDA_OF_TORCH = {"2.13.0": 13}
PINNED = ("requirements.txt", "requirements-slurm.txt", "constraints.txt")


def pins(root, *names):
    """{package: version} of files of requirements."""
    lines = [line for name in names for line in (root / name).read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def index_names(root):
    """{name on conda-forge: name on the Python index} where they differ."""
    pairs = [line.split() for line in (root / "envs" / "names.txt").read_text().splitlines()]
    return {conda: index for index, conda in pairs}


def environment(root, path):
    """{package: version} of an environment file, names as on the Python index; pip and Python themselves not."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    found = dict(entry.split("=") for entry in entries if isinstance(entry, str) and entry != "pip")
    assert found.pop("python") == "3.11"
    names = index_names(root)
    found = {normal(names.get(name, name)): version for name, version in found.items()}
    for entry in entries:
        for text in entry["pip"] if isinstance(entry, dict) else []:
            requirement = Requirement(text)
            assert requirement.name not in found, f"{path.name}: {requirement.name} twice"
            found[normal(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def workflow(root, request):
    return parsed_workflow(root, accelerator=request.param, cache={"shards": 2})


def test_environment_files_pin_what_the_virtual_environment_has(root):
    pinned = {normal(name): version for name, version in pins(root, *PINNED).items()}
    for path in sorted((root / "envs").glob("*.yaml")):
        for name, version in environment(root, path).items():
            assert pinned[name] == version, f"{path.name}: {name}"


def test_environments_come_from_one_channel(root):
    """`nodefaults` is no channel, but conda 26.7 was seen to look for one of that name."""
    for path in (root / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge"], path.name


def test_installed_versions_are_the_pinned_ones(root):
    for name, version in pins(root, *PINNED).items():
        assert provenance.versions(name)[name].split("+")[0] == version


def test_variants_for_cuda_differ_in_cuda_only(root):
    variants = sorted((root / "envs").glob("*-cuda.yaml"))
    assert [path.stem for path in variants] == ["interpretation-cuda", "jax-cuda", "language-model-cuda", "torch-cuda"]
    for path in variants:
        # conda's pytorch, which its peft asks for, would be another build than that of the pins for CUDA
        conda = {str(entry).split("=")[0] for entry in yaml.safe_load(path.read_text())["dependencies"]}
        assert not conda & {"pytorch", "peft"}
        plain = path.with_stem(path.stem.removesuffix("-cuda"))
        assert environment(root, path) == environment(root, plain)
    assert "jax[cuda13]==" in variants[1].read_text() and "cuda1" not in (root / "envs" / "jax.yaml").read_text()


def cuda_majors(text):
    """The CUDA of every package that `text` installs and that brings one: {package: major}."""
    found = {f"jax {extra}": int(major) for extra, major in re.findall(r"\bjax\[(cuda(\d\d)[a-z-]*)\]", text)}
    found |= {name: int(major) for name, major in re.findall(r"\b(nvidia-[a-z-]+-cu(\d\d))\b", text)}
    found |= {name: int(major) for name, major in re.findall(r"\b(jax-cuda(\d\d)-\w+)\b", text)}
    for version, local in re.findall(r"\btorch==([\d.]+)(?:\+(\w+))?", text):
        if local != "cpu":
            found[f"torch {version}"] = int(local.removeprefix("cu")[:2]) if local else CUDA_OF_TORCH[version]
    return found


def test_one_environment_holds_the_libraries_of_one_cuda(root):
    pinned = (root / "requirements.txt").read_text()
    installed = {path.name: path.read_text() for path in (root / "envs").glob("*-cuda.yaml")}
    installed |= {"Containerfile": pinned + (root / "Containerfile").read_text()}
    assert all("580" in (root / name).read_text() for name in ("docs/cluster.md", "Containerfile"))
    # what a reader of the documents adds to what `make setup` installed; the way for older drivers is a pair of its own
    commands = re.findall(r'`pip install "[^`]+', (root / "docs" / "cluster.md").read_text())
    assert commands
    installed["docs/cluster.md"] = pinned + "".join(commands)
    for name, text in installed.items():
        assert set(cuda_majors(text).values()) == {13}, f"{name}: {cuda_majors(text)}"


@pytest.mark.parametrize(
    ("text", "majors"),
    [
        ("- torch==2.13.0\n- jax[cuda12]==0.10.2", {12, 13}),
        ("- torch==2.13.0+cu126\n- jax[cuda12]==0.10.2", {12}),
        ("- jax[cuda13]==0.10.2\n- nvidia-cudnn-cu12==9.8.0.87", {12, 13}),
        ("- jax==0.10.2\n- jax-cuda13-plugin==0.10.2\n- torch==2.13.0+cpu", {13}),
    ],
)
def test_libraries_of_two_cudas_are_noticed(text, majors):
    assert set(cuda_majors(text).values()) == majors


def test_names_that_differ_are_used_and_differ(root):
    text = "".join(path.read_text() for path in (root / "envs").glob("*.yaml"))
    for conda, index in index_names(root).items():
        assert conda != index and re.search(rf"^  - {conda}=", text, re.MULTILINE), conda


def test_every_rule_has_log_benchmark_environment_and_resources(workflow):
    for name, rule in rules_of(workflow).items():
        # a better downloader is no reason to fetch a file, and remake all that follows, again
        assert name == "download" or "code" in rule.params.keys(), f"rule {name}: params lack code"
        for part in ("log", "benchmark", "conda_env", "message", "shellcmd"):
            assert getattr(rule, part), f"rule {name} lacks {part}"
        for resource in ("_cores", "mem_mb", "runtime"):
            assert resource in rule.resources, f"rule {name} lacks {resource}"


def test_commands_are_constant(root):
    """Snakemake evaluates a command when the job runs: a name of a loop that makes rules has its last value then."""
    for path in (root / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        blocks = re.findall(r"^( *)shell:\n((?:\1 +.*\n)+)", text, re.MULTILINE)
        assert len(blocks) == len(re.findall(r"^ *shell:", text, re.MULTILINE))
        for _, block in blocks:
            lines = [line.strip() for line in block.splitlines()]
            plain = r"""("[^"]*"|'[^']*'|#.*|TRAIN)"""
            assert all(re.fullmatch(plain, line) for line in lines), f"{path.name}: {block}"


def test_imports_of_every_program_are_in_its_environment(root, workflow):
    for name, program, file, modules in environments(workflow):
        path = root / "workflow" / "rules" / file
        missing = reached(program, *modules)[1] - set(environment(root, path))
        assert not missing, f"rule {name} with {modules}: {path.name} lacks {sorted(missing)}"


def test_accelerator_of_the_study_chooses_the_environment(root):
    plain, cuda = (
        {
            (name, tuple(modules)): file
            for name, _, file, modules in environments(parsed_workflow(root, accelerator=key))
        }
        for key in ("cpu", "cuda")
    )
    changed = {(plain[key], file) for key, file in cuda.items() if file != plain[key]}
    variants = [path.stem for path in (root / "envs").glob("*-cuda.yaml")]
    assert changed == {
        (f"../../envs/{name.removesuffix('-cuda')}.yaml", f"../../envs/{name}.yaml") for name in variants
    }


def test_container_is_built_from_the_same_pins(root):
    text = (root / "Containerfile").read_text()
    assert re.search(r"^FROM python:3\.11-slim", text, re.MULTILINE)
    assert re.search(r"^COPY requirements.txt constraints.txt", text, re.MULTILINE)
    installs = re.findall(r"pip install(.*?);;", text.replace("\\\n", " "))
    assert len(installs) == 2
    for arguments in installs:  # cpu, cuda
        assert "--requirement requirements.txt --constraint constraints.txt" in arguments
    pinned = pins(root, *PINNED)
    extra = re.findall(r'"([^"\s]+==[^"\s]+)"', text)
    assert extra and all(str(Requirement(t).specifier) == "==" + pinned[Requirement(t).name] for t in extra)
    for folder in copied_into_container(root):
        assert (root / folder).is_dir()


def copied_into_container(root):
    """The folders of the checkout that the image has."""
    return set(re.findall(r"^COPY (\w+) \w+$", (root / "Containerfile").read_text(), re.MULTILINE))


def test_container_has_the_files_that_rules_name(root, workflow):
    """Snakemake reads the environment file of a job for its records: without it the first job fails."""
    files = {file for _, _, file, _ in environments(workflow)}
    folders = {(root / "workflow" / "rules" / file).resolve().relative_to(root).parts[0] for file in files}
    assert folders == {"envs"} and folders < copied_into_container(root)
