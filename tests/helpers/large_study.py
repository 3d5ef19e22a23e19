"""Write a study as large as all eCLIP experiments of ENCODE, plan it, and print what the plan costs.

    python tests/helpers/large_study.py FOLDER [--proteins 154] [--folds 5]

Each protein has two kinds of negatives, each of these datasets is split into folds, and ten models are trained on each
fold: 15,400 models in all. Nothing is run and no file is needed: the plan is that of `snakemake -n` in an empty folder.
FOLDER receives study.yaml and plan.log, the output of Snakemake.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
GENOME = "resources/hg38.fa.gz"


def large_study(proteins, folds):
    """The study as a dict: `proteins` x 2 kinds of negatives, k-fold splits of `folds`, ten models, one seed."""
    peaks = {f"RBP{place:03d}": f"resources/rbp{place:03d}_k562.bed.gz" for place in range(1, proteins + 1)}
    files = {GENOME, *peaks.values()}
    datasets = {}
    for name, path in peaks.items():
        for negatives in ("flank", "other_rbp"):
            others = peaks if negatives == "other_rbp" else {}
            datasets[f"{name.lower()}_k562.{negatives}"] = {
                "task": "classification",
                "strand_rule": "forward",
                "construct": "w101",
                "splits": ["cv"],
                "panels": {"id": {"kind": "rows"}},
                "series": negatives,
                "source": {
                    "kind": "encode_eclip",
                    "rbp": name,
                    "negatives": {"kind": negatives},
                    "files": {"genome": GENOME, "peaks": path, **others},
                },
            }
    return {
        "study": "large",
        "downloads": {Path(file).name: {"urls": [f"https://example.org/{file}"]} for file in sorted(files)},
        "datasets": datasets,
        "constructs": {"w101": {"flanks": "none", "length": 101}},
        "splits": {"cv": {"kind": "kfold", "folds": folds}},
        "encoders": {
            "onehot": {"kind": "onehot"},
            "lamar-pretrained.layer12": {"kind": "lamar", "weights": {"path": "resources/lamar"}},
            "lamar-random.layer12": {"kind": "lamar", "weights": {"random": 0}},
        },
        "baselines": {
            "mean": {"kind": "mean"},
            "gc": {"kind": "gc"},
            "kmer-logistic": {"kind": "kmer_logistic"},
            "finetuned-pretrained": {"kind": "lamar_finetuned", "weights": {"path": "resources/lamar"}},
            "finetuned-random": {"kind": "lamar_finetuned", "weights": {"random": 0}},
        },
        "models": [
            {"encoders": ["onehot"], "augmentations": ["none"], "heads": ["chip-cnn"]},
            {
                "encoders": ["lamar-pretrained.layer12", "lamar-random.layer12"],
                "augmentations": ["none"],
                "heads": ["linear-probe", "chip-cnn"],
            },
            {"baselines": ["mean", "gc", "kmer-logistic", "finetuned-pretrained", "finetuned-random"]},
        ],
        "comparison": {"against": "onehot/none/chip-cnn"},
    }


def plan(folder, proteins, folds):
    """Plan the study in `folder`: ({rule: jobs}, CPU seconds of Snakemake, its peak memory in MB).

    Writes study.yaml and plan.log there; results are planned into an empty folder beside them. Exits with the end of
    the log if Snakemake fails.
    """
    empty = folder / "empty"
    empty.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(large_study(proteins, folds)))
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--directory", str(empty)]
    command += ["--configfile", str(folder / "study.yaml")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "plan.log").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=empty, env=os.environ).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = (folder / "plan.log").read_text()
    if code:
        sys.exit(f"{said[-3000:]}\nsnakemake -n: exit code {code}")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said.rpartition("Job stats:")[2], re.MULTILINE))
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {rule: int(count) for rule, count in jobs.items()}, seconds, after.ru_maxrss / 1024


def main():
    """Plan and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to make and to work in")
    parser.add_argument("--proteins", type=int, default=154)
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    start = time.monotonic()
    jobs, seconds, memory = plan(arguments.folder.resolve(), arguments.proteins, arguments.folds)
    for rule, count in sorted(jobs.items()):
        print(f"{rule:24} {count:7}")
    print(f"{seconds:.1f} s of CPU, {time.monotonic() - start:.1f} s in all, {memory:.0f} MB")


if __name__ == "__main__":
    main()
