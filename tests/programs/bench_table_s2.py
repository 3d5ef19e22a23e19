"""Time and memory of the data half of the K562 study, on a synthetic table of full size: reading, filtering, the split
by chromosome and its panels, as the workflow runs them on two cores. The search for homologs is not included (identity
1; see bench_homology.py).

    python tests/programs/bench_table_s2.py [ROWS]

Every figure is one run of one program, imports and writing included.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GOAL = "10 s and 2 GB for 798,064 rows"
ROOT = Path(__file__).resolve().parents[2]
TABLE_S2, SCRIPTS = ROOT / "tests" / "helpers" / "table_s2.py", ROOT / "workflow" / "scripts"
CONSTRUCT = '{"flanks": "gosai_episomal", "length": 600}'
SPLIT = {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
PANELS = {
    "id": {"kind": "rows"}, "snv": {"kind": "pairs"},
    "snv_variant_key": {"kind": "pairs", "match": "variant_key"},
}  # fmt: skip


def run(name, *arguments):
    """Run Python with the arguments and print a line; (wall s, CPU s, GB)."""
    began = time.perf_counter()
    environment = dict(os.environ, PYTHONPATH=str(SCRIPTS))
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{name} failed")
    wall, cpu, peak = time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6
    print(f"{name:30s}{wall:8.1f}{cpu:8.1f}{peak:8.2f}", flush=True)
    return wall, cpu, peak


def main():
    """Make a table, run the programs, print seconds and gigabytes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 798_064
    with tempfile.TemporaryDirectory() as folder:
        table, rows, split = f"{folder}/s2.txt", f"{folder}/rows.parquet", f"{folder}/split.tsv"
        units = f"{folder}/units.tsv"
        # in a separate process: what this one holds would count as memory of the programs that it starts
        subprocess.run([sys.executable, TABLE_S2, str(count), table], stdout=subprocess.DEVNULL, check=True)
        size, load = Path(table).stat().st_size / 1e6, os.getloadavg()[0]
        print(f"{count:,} rows, {size:,.0f} MB; load {load:.1f} on {os.cpu_count()} cores before the start")
        print(f"{'':30s}{'wall s':>8s}{'cpu s':>8s}{'GB':>8s}")
        read = f"import pandas; pandas.read_csv({table!r}, sep='\\t', low_memory=False)"
        plain = run("a plain pandas read", "-c", read)
        files = ["--kind", "gosai", "--files", json.dumps({"rows": table}), "--stages", f"{folder}/stages.tsv"]
        spec = ["--spec", json.dumps(SPLIT), "--seed", "0"]
        done = [
            run("make_rows", "-m", "make_rows", *files, "--construct", CONSTRUCT, "--rows", rows),
            run("make_units", "-m", "make_units", "--rows", rows, "--identity", "1", "--out", units),
            run("make_split", "-m", "make_split", *spec, "--rows", rows, "--units", units, "--out", split),
        ]

        def panel(name):
            given = ["--rows", rows, "--units", units, "--split", split, "--name", name]
            given += ["--spec", json.dumps(PANELS[name])]
            return run(f"make_panel {name}", "-m", "make_panel", *given, "--out", f"{folder}/{name}.tsv")

        before, began = sum(one[0] for one in done), time.perf_counter()
        with ThreadPoolExecutor(2) as pool:  # each has one thread
            done += pool.map(panel, PANELS)
        wall = before + time.perf_counter() - began
    busy, memory = sum(one[1] for one in done), max(one[2] for one in done)
    print(f"{'make_rows to make_panel':30s}{wall:8.1f}{busy:8.1f}{memory:8.2f}   (goal: {GOAL})")
    print(f"{'times the plain pandas read':30s}{wall / plain[0]:8.1f}{busy / plain[1]:8.1f}")


if __name__ == "__main__":
    main()
