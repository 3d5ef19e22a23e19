"""Let Snakemake make the environment of every rule, and import in each everything that its programs can load.

    PYTHONPATH=workflow/scripts:tests python tests/programs/on_conda.py FOLDER TOOLS

TOOLS is a folder with stand-ins for conda and its channels (`build_channel.py`, `bin/conda`), for machines that can
only reach the Python index. FOLDER keeps wheels, channel and environments, which a second run reuses; the first
downloads 0.5 GB. `.ci/cluster` calls this, then runs all rules in these environments: `on_slurm.py --conda-prefix`.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from helpers.parsed_workflow import environments, parsed_workflow, reached
from programs.on_slurm import set_up

ROOT = Path(__file__).resolve().parents[2]
FILES = ("tables", "jax", "torch", "evaluation", "language-model", "interpretation", "motifs")


def main():
    """Build the channel, run, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to work in")
    parser.add_argument("tools", type=Path, help="folder of the stand-ins")
    arguments = parser.parse_args()
    folder, tools = arguments.folder.resolve(), arguments.tools.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "tools" / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", folder / "tools"])
        run([python, "-m", "pip", "install", "--quiet", "py-rattler==0.28.0", "pyyaml", "packaging", "zstandard"])
        # py-rattler's threads may still release objects when the interpreter ends, which crashes one run in sixty: wait
        [packages] = (folder / "tools" / "lib").glob("python*/site-packages")
        (packages / "threads_end.pth").write_text("import atexit, time; atexit.register(time.sleep, 0.2)\n")
    channel(folder, tools, python)
    environment = dict(
        os.environ, PATH=f"{tools / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}", JAX_PLATFORMS="cpu",
        STANDIN_PYTHON=str(python), STANDIN_CHANNELS=str(folder / "channels"), PIP_FIND_LINKS=str(folder / "wheels"),
    )  # fmt: skip
    shutil.rmtree(folder / "run", ignore_errors=True)
    checkout = set_up(folder / "run")
    study = ["--configfile", folder / "run" / "study.yaml", "--config", f"mirror={folder / 'run'}"]
    create = ["--sdm", "conda", "--conda-prefix", folder / "environments", "--conda-create-envs-only"]
    run([sys.executable, "-m", "snakemake", *study, *create], cwd=checkout, env=environment)
    run_imports(folder, checkout, environment)
    print(f"on_conda: {len(FILES)} environments made, all programs import")


def run(command, **options):
    """Run a command; exit with its output if it fails. Returns what it printed."""
    done = subprocess.run(
        list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if done.returncode:
        sys.exit(f"{done.stdout[-8000:]}\n{' '.join(map(str, command))}: exit code {done.returncode}")
    return done.stdout


def channel(folder, tools, python):
    """A local channel `conda-forge` with all packages of the environment files, from wheels of the pinned versions."""
    wheels, names = folder / "wheels", ROOT / "envs" / "names.txt"
    index = dict(line.split()[::-1] for line in names.read_text().splitlines())
    wanted = {"pip"}
    for file in FILES:
        for entry in yaml.safe_load((ROOT / "envs" / f"{file}.yaml").read_text())["dependencies"]:
            if isinstance(entry, dict):
                wanted |= set(entry["pip"])
            elif not entry.startswith(("python=", "pip")):
                name, version = entry.split("=")
                wanted.add(f"{index.get(name, name)}=={version}")
    pinned = folder / "wanted.txt"
    text = "\n".join(sorted(wanted)) + "\n"
    if pinned.exists() and pinned.read_text() == text and (folder / "channels").exists():
        return
    shutil.rmtree(folder / "channels", ignore_errors=True)
    pinned.write_text(text)
    arguments = ["--only-binary", ":all:", "--dest", wheels, "--constraint", ROOT / "constraints.txt"]
    run([sys.executable, "-m", "pip", "download", "--quiet", *arguments, "--requirement", pinned])
    build = [python, ROOT / "tests" / "programs" / "zstd_channel.py", tools / "build_channel.py"]
    run([*build, folder / "channels" / "conda-forge", wheels, "--names", names])


def run_imports(folder, checkout, environment):
    """Import, in the environment of each rule, everything that its program can load, even if the small study does
    not."""
    made = {path.read_text(): path.with_suffix("") for path in (folder / "environments").glob("*_.yaml")}
    needed = {}
    # of this checkout, whose library is loaded here; the other is a copy of it
    for _, program, file, modules in environments(parsed_workflow(ROOT)):
        needed.setdefault((ROOT / "workflow" / "rules" / file).resolve(), set()).update(reached(program, *modules)[0])
    assert {path.stem for path in needed} == set(FILES), f"environments of the rules: {sorted(map(str, needed))}"
    for file, modules in needed.items():
        place = made.get(file.read_text())
        if place is None:
            place = folder / "environments" / file.stem
            shutil.rmtree(place, ignore_errors=True)
            run(["conda", "env", "create", "--file", file, "--prefix", place], env=environment)
        code = f"import importlib; [importlib.import_module(name) for name in {sorted(modules)}]"
        paths = dict(environment, PYTHONPATH=str(checkout / "workflow" / "scripts"))
        run([place / "bin" / "python", "-c", code], cwd=folder, env=paths)
        print(f"{file.name}: {len(modules)} programs and modules import")


if __name__ == "__main__":
    main()
