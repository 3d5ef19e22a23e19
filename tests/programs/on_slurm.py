"""Run a small study through a real SLURM, cancel a job, let one outgrow its memory, and compare with a local run.

    PYTHONPATH=workflow/scripts:tests python tests/programs/on_slurm.py FOLDER [--conda-prefix ENVIRONMENTS]

Made for a private cluster with partitions `cpu` (the default) and `gpu`, two GPUs (fake ones will do) and nodes that
declare 64 GB; `.ci/cluster` starts one. It submits about sixty jobs from a copy of the checkout in FOLDER, which must
not exist, and prints them as a table. It ends by itself at a time limit. With a folder for conda environments the jobs
run in those, while the local run uses the environment of this program: both must give the same table.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from helpers.parsed_workflow import parsed_workflow

ROOT = Path(__file__).resolve().parents[2]
# rules whose jobs share allocations (groups of profiles/slurm)
IN_GROUPS = r"evaluate_head(?:_\d+)?"
# rules that run on the submit host, because they only wait for the network
ON_SUBMIT_HOST = {"download"}
# rules of sections that this study does not have: scores, stage 2, drift, designs, learning curves, and motifs (which
# need attributions of a hundred sequences)
OF_OTHER_SECTIONS = {
    "join_scores", "judge_scores", "train_stage2", "evaluate_stage2", "measure_drift", "plot_drift", "design_sequences",
    "plot_design", "summarise_designs", "design_truth", "make_subset", "learning_curve", "plot_learning_curve",
    "find_motifs", "insert_motifs", "plot_motifs", "motifs_truth",
}  # fmt: skip
CANCELLED, OUTGROWN = "make_split", "train_head"
# MB for the head's first attempt: too little. SLURM looks every five seconds, and for a moment two starts of Snakemake
# and the compilation of a head take nearly 1 GB together, so only four times as much is always enough.
MEMORY = 450

STUDY = {
    "study": "on_slurm",
    "seeds": [1],
    "downloads": {"tiny.csv": {"urls": ["https://example.org/never-asked/tiny.csv"]}},
    "datasets": {
        "tiny": {
            "source": {
                "kind": "table",
                "files": {"rows": "resources/tiny.csv"},
                "separator": ",",
                "columns": {name: name for name in ("row_id", "sequence", "label", "chrom")},
            },
            "construct": "gosai_600",
            "splits": ["chromosome"],
            "panels": {"chromosome": {"kind": "rows"}},
        },
        "simulated_rbp": {
            "source": {"kind": "simulated_rbp", "rows": 200, "length": 41},
            "task": "classification",
            "strand_rule": "forward",
            "construct": "rna_41",
            "splits": ["random"],
            "panels": {"id": {"kind": "rows"}},
            "against": "gc",
            "series": "proteins",
        },
    },
    "constructs": {
        "gosai_600": {"flanks": "gosai_episomal", "length": 600}, "rna_41": {"flanks": "none", "length": 41},
    },
    "splits": {"chromosome": {"kind": "chromosome"}, "random": {"kind": "random", "val": 0.2, "test": 0.2}},
    "tapt": {
        "windows": {"size": "lamar-mini", "datasets": {"simulated_rbp": ["random"]}, "steps": 5, "batch_size": 8},
    },
    "encoders": {
        "alphagenome-tiny": {
            "kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 32,
        },
        "lamar.layer04": {"kind": "lamar", "size": "lamar-mini", "weights": {"tapt": "windows"}},
    },
    "cache": {"strands": "separate"},  # two GPU jobs that can run in parallel
    "training": {"epochs": 40, "patience": 40},
    "baselines": {"mean": {"kind": "mean"}, "gc": {"kind": "gc"}},
    "models": [
        {"datasets": ["tiny"], "encoders": ["alphagenome-tiny"], "heads": ["boda-sum-512-512"], "baselines": ["mean"]},
        {
            "datasets": ["simulated_rbp"], "encoders": ["lamar.layer04"], "augmentations": ["none"],
            "heads": ["linear-probe", "boda-mean-8"], "baselines": ["gc"],  # two evaluations, in one submission
        },
    ],
    "ensembles": {"both": {"members": ["lamar.layer04/none/linear-probe", "lamar.layer04/none/boda-mean-8"],
                           "over": "encoders"}},
    "comparison": {"against": "mean", "resamples": 100},
    "interpretation": [
        {
            "datasets": ["simulated_rbp"], "models": ["lamar.layer04/none/linear-probe"], "methods": ["saliency"],
            "panel": "id", "top": 2, "pictures": 1,
        },
    ],
    "dependency_maps": [{"datasets": ["simulated_rbp"], "encoders": ["lamar.layer04"], "panel": "id", "rows": 1}],
    "isoscore": {"datasets": ["simulated_rbp"]},
}  # fmt: skip
# a second protein, for the comparison over the datasets of a series
STUDY["datasets"]["simulated_rbp2"] = dict(
    STUDY["datasets"]["simulated_rbp"], source={"kind": "simulated_rbp", "rows": 200, "length": 41, "seed": 1}
)
STUDY["models"].append({"datasets": ["simulated_rbp2"], "baselines": ["gc"]})
PICTURES = ("audit", "training", "id.predictions", "id.comparison", "calibration")
# a job for every rule, without the pictures and audits of the other datasets: a job costs two starts of Snakemake
TARGETS = [
    "compare.tsv", "compare.md", "compare.html", "across.tsv", "interpretation.tsv", "interpretation_truth.tsv",
    *(f"plots/simulated_rbp/random/{name}.png" for name in PICTURES),
    "plots/simulated_rbp/random/interpretation/lamar.layer04/none/linear-probe/saliency.id.png",
    "plots/simulated_rbp/random/dependency_maps/lamar.layer04/id.1.png",
    "simulated_rbp/random/dependency_maps/lamar.layer04/id.pairs.tsv",
    "plots/simulated_rbp/isoscore.png",
]  # fmt: skip
# the rules that replace `embed_strand` and `train_head` with these settings: a separate run, at the same time
TOGETHER = {"cache": {"strands": "together", "shards": 2}, "train_together": True}
TOGETHER_TARGET = "results/tiny/chromosome/alphagenome-tiny/no_shift/boda-sum-512-512/seed1/best_model"
# what a lab would write: its partitions, more frequent checks than a lab needs, and the insufficient memory
LAB = {
    "slurm-partition-config": str(
        ROOT / "profiles" / "slurm" / "partitions.yaml"
    ),  # full path: for runs with --directory
    "slurm-init-seconds-before-status-checks": 1,
    "slurm-keep-successful-logs": True,  # they say whether an environment was activated
    # a GPU model also for a rule whose jobs need no GPU here: they must ignore it
    "set-resources": {
        OUTGROWN: {"mem_mb": f"attempt * attempt * {MEMORY}", "gpu_model": "h100"},
        "train_baseline": {"gpu_model": "h100"},
    },
}


def main():
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to make and to work in")
    parser.add_argument("--conda-prefix", type=Path, help="folder for conda environments: SLURM's jobs run in them")
    parser.add_argument("--limit", type=int, default=1500, help="seconds after which it gives up")
    arguments = parser.parse_args()
    folder, end = arguments.folder.resolve(), time.monotonic() + arguments.limit
    if not shutil.which("sinfo"):
        sys.exit("SLURM is not on this machine: there is no sinfo on the path")
    checkout = set_up(folder)
    command = [sys.executable, "-m", "snakemake", "--config", f"mirror={folder}", "--configfile"]
    command += [str(folder / "study.yaml")]
    cluster = ["--profile", "slurm", "--profile", str(folder / "lab.yaml")]
    if arguments.conda_prefix:
        cluster += ["--sdm", "conda", "--conda-prefix", str(arguments.conda_prefix.resolve())]
    together = [str(folder / "together.yaml"), *cluster, "--directory", str(folder / "together"), "--", TOGETHER_TARGET]
    # as many threads as a job has in SLURM: summing in another order changes the last digits
    runs = {
        "slurm": start(
            [*command, *cluster, "--", *(f"results/{name}" for name in TARGETS)], checkout, folder / "slurm.log"
        ),
        "local": start(
            [*command, "--cores", "2", "--directory", str(folder / "local"), "--", "results/compare.tsv"],
            checkout,
            folder / "local.log",
        ),
    }
    try:
        cancelled = cancel(CANCELLED, checkout, end)
        wait_for_strands(checkout, end)  # otherwise this run's job may take the GPU of one of them
        runs["together"] = start([*command, *together], checkout, folder / "together.log")
        for name, run in runs.items():
            finish(name, run, end, folder)
    finally:
        for run in runs.values():
            run.kill()
    jobs = accounting(checkout)
    beside = accounting(folder / "together")
    for place, found in ((checkout, jobs), (folder / "together", beside)):
        add_memory_used(found, place)
    print(table(jobs + beside))
    check(jobs, cancelled, checkout, folder)
    check_together(beside, jobs)
    ran = {rule for job in jobs + beside for rule in job["rule"].split(", ")}
    # if the embedded study has a rule several times, with a number, the first represents all
    missing = {
        rule.name for rule in parsed_workflow(ROOT, train_together=False).rules if not re.search(r"_\d+$", rule.name)
    } - ran
    assert missing == ON_SUBMIT_HOST | OF_OTHER_SECTIONS | {"all"}, f"rules that ran no job: {sorted(missing)}"
    if arguments.conda_prefix:
        check_conda(jobs)
    print(f"on_slurm: {len(jobs + beside)} jobs, all as expected, {end - time.monotonic():.0f} s before the limit")


def set_up(folder):
    """Copy the checkout, write the study, its rows and the site's profile; returns the copy."""
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns(".*", "results", "logs", "benchmarks", "resources", "__pycache__")
    shutil.copytree(ROOT, folder / "checkout", ignore=ignored, symlinks=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "lab.yaml").write_text(yaml.safe_dump(LAB))
    random = np.random.default_rng(1)
    lines = ["row_id,sequence,label,chrom"]
    for i, chrom in enumerate(["chr1", "chr2", "chr19", "chr21", "chr7", "chr13"] * 40):
        sequence = "".join(random.choice(list("ACGT"), 200))
        lines.append(f"r{i},{sequence},{sequence.count('G') / 20 + random.normal():.4f},{chrom}")
    (folder / "tiny.csv").write_text("\n".join(lines) + "\n")
    (folder / "together.yaml").write_text(yaml.safe_dump(TOGETHER))
    for name in ("local", "together"):
        (folder / name).mkdir()
    return folder / "checkout"


def start(command, checkout, log):
    """Start Snakemake; its output goes to the file `log`."""
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", JAX_PLATFORMS="cpu")
    environment.pop("PYTHONPATH", None)  # this program's; the workflow sets its own
    return subprocess.Popen(command, cwd=checkout, env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT)


def finish(name, run, end, folder):
    """Wait for a run; exit with its log if it fails or is not finished at the limit."""
    try:
        code = run.wait(max(1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        code = "none at the limit"
    if code != 0:
        sys.exit(f"{(folder / f'{name}.log').read_text()[-6000:]}\n{name}: exit code {code}")


def cancel(rule, checkout, end):
    """scancel the first running job of a rule, as a user or an administrator would; returns its number."""
    while time.monotonic() < end:
        for job in accounting(checkout):
            if (job["rule"], job["state"]) == (rule, "RUNNING"):
                subprocess.run(["scancel", job["id"]], check=True)
                return job["id"]
        time.sleep(0.5)
    sys.exit(f"no job of {rule} was seen to run")


def wait_for_strands(checkout, end):
    """Wait until the jobs of both strands have started."""
    while time.monotonic() < end:
        jobs = [job for job in accounting(checkout) if job["rule"] == "embed_strand" and job["of"].startswith("tiny")]
        if [job["state"] in ("RUNNING", "COMPLETED") for job in jobs] == [True, True]:
            return
        time.sleep(0.5)
    sys.exit("the jobs of the two strands were not seen to run")


def accounting(place):
    """What slurmctld knows about the jobs submitted from folder `place`: a list of dicts, in the order of submission.

    If the jobs of a group share a submission, `rule` names all of their rules and `of` is empty.
    """
    text = subprocess.run(["scontrol", "show", "job", "-d", "-o"], text=True, capture_output=True).stdout
    jobs = []
    for line in text.splitlines():
        fields = dict(re.findall(r"(\w[\w:/]*)=(\S*)", line))
        if fields.get("WorkDir") != str(place):
            continue
        log = re.search(r"/(rule|group)_(?P<rule>[^/]+)/(?P<of>.*?)/?\d+\.log$", fields["StdOut"])
        rule = log["rule"]
        if log[1] == "group":  # its name is group_{name of the group}_{rule}_{rule}
            rule = ", ".join(re.findall(IN_GROUPS, re.search(rf"(?:_{IN_GROUPS})+$", rule)[0]))
        jobs.append({
            "id": fields["JobId"], "rule": rule, "of": log["of"], "log": fields["StdOut"],
            "partition": fields["Partition"], "gpu": fields.get("TresPerJob", "0").rpartition(":")[2],
            "cpus": fields["NumCPUs"], "memory": fields["MinMemoryNode"], "used": "", "time": fields["TimeLimit"],
            "state": fields["JobState"], "start": fields["StartTime"], "end": fields["EndTime"],
        })  # fmt: skip
    return sorted(jobs, key=lambda job: int(job["id"]))


def add_memory_used(jobs, place):
    """Add the largest resident memory in MB from Snakemake's benchmark of each job; a failed job has none."""
    measured = {}
    for path in place.glob("benchmarks/**/*.tsv"):
        measured[path.relative_to(place).as_posix()] = pd.read_csv(path, sep="\t")["max_rss"][0]
    patterns = {
        rule.name: str(rule.benchmark) for rule in parsed_workflow(ROOT, train_together=False).rules if rule.benchmark
    }
    sharded = parsed_workflow(ROOT, **TOGETHER).rules
    patterns |= {rule.name: str(rule.benchmark) for rule in sharded if rule.name in ("embed", "join_shards")}
    first = TOGETHER_TARGET.split("/")[5:7]
    patterns["train_together_boda_sum_512_512"] = "/".join(["benchmarks", "{views}", *first, "train.tsv"])
    for job in jobs:
        if re.match(IN_GROUPS, job["rule"]):  # several jobs, each with its own benchmark
            continue
        name = job["rule"]
        if name not in patterns:  # a rule with a number has the paths of the first
            name = re.sub(r"_\d+$", "", name)
        parts = re.split(r"\{\w+(?:,[^{}]*)?\}", patterns[name])  # at wildcards, which may have constraints
        pattern = "(.+)".join(map(re.escape, parts))
        for path, used in measured.items():
            match = re.fullmatch(pattern, path)
            # SLURM's log is named by the wildcards, in a different order
            if match and job["state"] == "COMPLETED" and letters(*match.groups()) == letters(job["of"]):
                job["used"] = f"{used:.0f}"


def letters(*texts):
    """The characters of texts without separators, sorted."""
    return sorted("".join(texts).replace("_", "").replace("/", ""))


def table(jobs):
    """The jobs as Markdown."""
    names = [name for name in jobs[0] if name != "log"]
    lines = [names, ["---"] * len(names), *([job[name] for name in names] for job in jobs)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def check(jobs, cancelled, checkout, folder):
    """Fail with a message if something is not as it must be."""
    log = (folder / "slurm.log").read_text()
    by_rule = {}
    for job in jobs:
        for rule in job["rule"].split(", "):
            by_rule.setdefault(rule, []).append(job)

    planned = dict(re.findall(r"^(\w+) +(\d+)$", log.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    for rule in ON_SUBMIT_HOST:
        assert planned.pop(rule) == "1" and rule not in by_rule, f"{rule} was submitted"
    for rule, count in planned.items():
        done = [job for job in by_rule.get(rule, []) if job["state"] == "COMPLETED"]
        if re.fullmatch(IN_GROUPS, rule):
            assert 0 < len(done) <= int(count), f"{rule}: {len(done)} submissions for {count} jobs"
        else:
            assert len(done) == int(count), f"{rule}: {len(done)} jobs were completed by SLURM, {count} planned"
    grouped = [job for job in jobs if re.match(IN_GROUPS, job["rule"])]
    shared = sum(int(count) for rule, count in planned.items() if re.fullmatch(IN_GROUPS, rule))
    assert len(grouped) < shared, f"{shared} jobs of groups made {len(grouped)} submissions"

    # each job that needs a GPU gets one, through the partition with GPUs; parallel jobs have different devices
    for job in jobs:
        embeds = job["rule"] in {"embed", "embed_strand"} and job["of"].startswith("tiny")  # lamar-mini needs none
        trains = job["rule"] == "train_head" and "linear-probe" not in job["of"]  # a linear probe is solved on the CPU
        wanted = embeds or trains
        assert (job["partition"], job["gpu"]) == (("gpu", "1") if wanted else ("cpu", "0")), f"GPU of {job}"
    first, second = (job for job in by_rule["embed_strand"] if job["of"].startswith("tiny"))
    assert max(first["start"], second["start"]) < min(first["end"], second["end"]), "embed: one after the other"
    seen = [
        json.loads(path.read_text().splitlines()[1]) for path in sorted(checkout.glob("logs/tiny/embeddings/*/*.log"))
    ]
    assert {record["cuda_visible_devices"] for record in seen} == {"0", "1"}, f"the programs saw {seen}"
    assert all(record["own_gpu"] for record in seen), f"JAX would have left the card to others: {seen}"

    # the cancelled job is reported, and repeated by a job that asks for twice the memory and time
    of = next(job["of"] for job in jobs if job["id"] == cancelled)
    states = [(job["state"], job["memory"], job["time"]) for job in by_rule[CANCELLED] if job["of"] == of]
    assert [state for state, *_ in states] == ["CANCELLED", "COMPLETED"], states
    asked = [(float(memory.removesuffix("M")), minutes(limit)) for _, memory, limit in states]
    assert asked[1] == (2 * asked[0][0], 2 * asked[0][1]), states
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in log

    # too little memory: the job is killed, users are told where they look, and it passes with more
    states = [(job["state"], job["memory"]) for job in by_rule[OUTGROWN] if job["of"].startswith("tiny")]
    assert states == [("FAILED", f"{MEMORY}M"), ("COMPLETED", f"{4 * MEMORY}M")], states
    assert any(
        "exceeded memory limit" in path.read_text() for path in checkout.glob(f"logs/slurm/rule_{OUTGROWN}/**/*.log")
    )

    tables = [(place / "results" / "compare.tsv").read_bytes() for place in (checkout, folder / "local")]
    assert tables[0] == tables[1], "compare.tsv differs between SLURM and a local run"


def check_together(beside, jobs):
    """The second run took place at the same time, by rules that make both strands of a shard, or all runs, in one
    job."""
    states = {job["rule"]: (job["state"], job["gpu"]) for job in beside}
    # a split by chromosome reads no units
    names = {"make_rows": "0", "make_split": "0", "embed": "1", "join_shards": "0"}
    names["train_together_boda_sum_512_512"] = "1"
    assert states == {rule: ("COMPLETED", gpu) for rule, gpu in names.items()}, states
    made = sorted(job["rule"] for job in beside if job["rule"] in ("embed", "join_shards"))
    assert made == ["embed"] * 2 + ["join_shards"] * 2, made
    assert beside[0]["start"] < max(job["end"] for job in jobs), "the second run had to wait for the first"


def check_conda(jobs):
    """Each successful job ran in an environment, as the log of SLURM's job says."""
    for job in jobs:
        if job["state"] == "COMPLETED":
            log = Path(job["log"])
            assert "Activating conda environment" in log.read_text(), f"no environment: {log}"


def minutes(text):
    """A time limit as printed by SLURM, such as 1-04:00:00, in minutes."""
    days, _, clock = text.rpartition("-")
    hours, mins, _ = map(int, clock.split(":"))
    return 1440 * int(days or 0) + 60 * hours + mins


if __name__ == "__main__":
    main()
