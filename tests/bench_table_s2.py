"""Time and memory of the data half of the K562 study, on a made-up table of full size: reading, filtering, the split by
chromosome and its panels, as the workflow runs them on two cores.

    python tests/bench_table_s2.py [ROWS]

Every figure is one run of one program, imports and writing included. Goal: 20 s and 3 GB together for 798,064 rows.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import table_s2

SCRIPTS = Path(__file__).resolve().parent.parent / "workflow" / "scripts"
CONSTRUCT = '{"flanks": "gosai_episomal", "length": 600}'
SPLIT = {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
PANELS = {
    "chromosome": {"kind": "rows"}, "snv": {"kind": "pairs"},
    "snv_variant_key": {"kind": "pairs", "match": "variant_key"},
}  # fmt: skip


def run(*commands):
    """Run Python side by side with the arguments of each name; returns the wall time and the largest memory in GB."""
    began = time.perf_counter()
    environment = dict(os.environ, PYTHONPATH=str(SCRIPTS))
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    children = {
        os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=quiet): name
        for name, arguments in commands
    }
    peaks = []
    while children:
        child, status, usage = os.wait3(0)
        name = children.pop(child)
        if status:
            sys.exit(f"{name} failed")
        peaks.append(usage.ru_maxrss / 1e6)
        wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        print(f"{name:30s}{wall:8.1f}{cpu:8.1f}{peaks[-1]:8.2f}", flush=True)
    return time.perf_counter() - began, max(peaks)


def main():
    """Make a table, run the programs, print seconds and gigabytes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 798_064
    with tempfile.TemporaryDirectory() as folder:
        table, rows, split = f"{folder}/s2.txt", f"{folder}/rows.parquet", f"{folder}/split.tsv"
        table_s2.write(table, table_s2.generate(count)[0])
        size, load = Path(table).stat().st_size / 1e6, os.getloadavg()[0]
        print(f"{count:,} rows, {size:,.0f} MB; load {load:.1f} on {os.cpu_count()} cores before the start")
        print(f"{'':30s}{'wall s':>8s}{'cpu s':>8s}{'GB':>8s}")
        read = f"import pandas; pandas.read_csv({table!r}, sep='\\t', low_memory=False)"
        run(("a plain pandas read", ["-c", read]))
        files = ["--kind", "gosai", "--files", json.dumps({"rows": table}), "--stages", f"{folder}/stages.tsv"]
        spec = ["--spec", json.dumps(SPLIT), "--seed", "0"]
        panels = [
            (f"make_panel {name}", ["-m", "make_panel", "--rows", rows, "--split", split, "--name", name,
                                    "--spec", json.dumps(spec), "--out", f"{folder}/{name}.tsv"])
            for name, spec in PANELS.items()
        ]  # fmt: skip
        done = [
            run(("make_rows", ["-m", "make_rows", *files, "--construct", CONSTRUCT, "--rows", rows])),
            run(("make_split", ["-m", "make_split", *spec, "--rows", rows, "--out", split])),
            run(*panels),
        ]
    print(f"{'make_rows to make_panel':30s}{sum(wall for wall, _ in done):8.1f}{'':8s}{max(gb for _, gb in done):8.2f}")


if __name__ == "__main__":
    main()
