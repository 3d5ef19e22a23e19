"""Print the resources that the jobs of a study request from a cluster, as a table for docs/cluster_jobs.md.

    python tests/helpers/jobs_of_study.py config/studies/k562_full.yaml

The jobs are those of a dry run in an empty folder: the graph is Snakemake's, and nothing is run. Each rule names its
threads, memory, time and GPUs, so the defaults of profiles/slurm have no effect; a site's `set-resources` would.
"""

import argparse
import collections
import contextlib
import io
import os
import tempfile
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("gpu", "threads", "mem_mb", "runtime")


def jobs(study):
    """Counter of (rule, gpu, threads, mem_mb, runtime) over all jobs of a study file, except the target rule."""
    with tempfile.TemporaryDirectory() as folder, SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        for weights in ("alphagenome-fold-3", "enformer-official-rough"):  # weights that a user must provide
            Path(folder, "resources", weights).mkdir(parents=True)
        workflow = api.workflow(
            ResourceSettings(cores=1000),
            snakefile=ROOT / "workflow" / "Snakefile",
            config_settings=ConfigSettings(configfiles=[study.resolve()]),
            workdir=Path(folder),
        )
        workflow.dag(DAGSettings())
        graph = workflow._workflow
        with contextlib.redirect_stdout(io.StringIO()):
            graph.summary()
        found = collections.Counter(
            (
                job.rule.name,
                *(_number(job.threads if name == "threads" else job.resources.get(name, 0)) for name in NAMES),
            )
            for job in graph.dag.jobs
        )
    os.chdir(ROOT)
    return collections.Counter({key: count for key, count in found.items() if key[0] != "all"})


def _number(asked):
    """The requested amount; 0 if it depends on files that do not exist yet."""
    return 0 if isinstance(asked, str) else int(asked)


def table(found):
    """The jobs as Markdown."""
    lines = ["| rule | jobs | GPUs | threads | memory, GB | time, h |", "|---|---|---|---|---|---|"]
    for (rule, gpu, threads, memory, runtime), count in sorted(found.items()):
        size = f"{memory / 1000:g}" if memory else "by its files"
        lines.append(f"| {rule} | {count} | {gpu} | {threads} | {size} | {runtime / 60:g} |")
    return "\n".join(lines)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="study file")
    print(table(jobs(parser.parse_args().study)))


if __name__ == "__main__":
    main()
