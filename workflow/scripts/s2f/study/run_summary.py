"""What a finished run made: how long each rule took, from the benchmark files of its jobs, and where to look.

Loaded by the Snakefile.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from s2f.study.runs import Run


def summary(
    benchmarks: Mapping[str, Iterable[str | Path]],
    since: float,
    wall: float,
    tables: Iterable[str | Path],
    plots: Path,
) -> list[str]:
    """The lines printed at the end of a run; none if it ran no job.

    `benchmarks` {rule: paths of benchmark files of its jobs}; files written after `since` (seconds, as `time.time`)
    belong to this run. `wall` is how many seconds it took; `tables` (compare.tsv, compare.md) and `plots` (a folder)
    are named if they exist, and the page compare.html in the place of the text. Seconds of a rule are summed over its
    jobs, which may have run in parallel.
    """
    lines = []
    for rule, paths in benchmarks.items():
        seconds = [_seconds(path) for path in map(Path, paths) if path.is_file() and path.stat().st_mtime >= since]
        if seconds:
            lines.append((rule, len(seconds), sum(seconds)))
    if not lines:
        return []
    width = max(len(line[0]) for line in lines)
    total = sum(line[2] for line in lines)
    count = sum(line[1] for line in lines)
    out = [f"{count} job{'s' * (count != 1)} in {_clock(wall)}. Seconds by rule, summed over its jobs:"]
    for rule, jobs, spent in sorted(lines, key=lambda line: -line[2]):
        word = "jobs" if jobs > 1 else "job "
        out.append(f"  {rule:{width}s} {jobs:5d} {word} {spent:9.1f} s  {100 * spent / max(total, 1e-9):3.0f} %")
    table, text = map(Path, tables)
    page = text.with_suffix(".html")
    if page.is_file() and page.stat().st_mtime >= since:
        text = page
    if table.is_file() and table.stat().st_mtime >= since:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        models = len({(row["dataset"], row["split"], row["model"]) for row in rows})
        panels = len({(row["dataset"], row["split"], row["panel"]) for row in rows})
        pictures = len(list(plots.rglob("*.png")))
        counts = [(models, "model"), (panels, "panel"), (pictures, "picture")]
        said = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts]
        out.append(f"Made: {said[0]} compared on {said[1]}, {said[2]}")
        out.append(f"Look at {text} (for people), {table} (for programs), {plots}/ (pictures)")
    return out


def losses(tables: Iterable[str | Path], since: float, share: float) -> list[str]:
    """A warning for each stage that drops more than a `share` of its input, from the tables of stages (`rows.stages`)
    written after `since` (seconds, as `time.time`), and a line for each of their notes."""
    lines = []
    for path in map(Path, tables):
        if not path.is_file() or path.stat().st_mtime < since:
            continue
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row.get("note"):
                    lines.append(f"{path}: {row['note']}")
                # no removal is reported for what the study asks for, nor for parts
                left, removed = int(row["rows"] or 0), int(row["removed"] or 0)
                if removed > share * (left + removed):
                    lines.append(
                        f"{path}: {row['stage']}: {removed:,} of {left + removed:,} dropped "
                        f"({100 * removed / (left + removed):.0f} %), more than warn_dropped: {share:g}"
                    )
    return lines


def failures(logs: Iterable[str | Path], since: float) -> list[str]:
    """What went wrong, from the `logs` of jobs written after `since`: of each that ends with an error, its path and the
    error, which stands above much else on the terminal."""
    lines = []
    for path in map(Path, logs):
        if not path.is_file() or path.stat().st_mtime < since:
            continue
        text = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        starts = [number for number, line in enumerate(text) if line.startswith(("error: ", "Traceback (most recent"))]
        if starts:
            error = text[starts[-1] :] if text[starts[-1]].startswith("error: ") else [f"error: {text[-1]}"]
            lines.append("\n".join([f"{path}:", *(f"  {line}" for line in error)]))
    return ["What went wrong, by the log of each job:", *lines] if lines else []


def lost_models(runs: Iterable[Run], results: Path) -> list[str]:
    """A warning if models are missing whose metrics are there: their training was started again, and failed or was
    killed. Snakemake removes what a failed job was to make, but does not plan it again while all that was made from
    it is there."""
    folders = [results / run.folder for run in runs]
    lost = [path for path in folders if not (path / "best_model").exists() and (path / "metrics.tsv").is_file()]
    if not lost:
        return []
    return [
        f"{lost[0] / 'best_model'} is missing, but metrics made with it are there ({len(lost)} such model"
        f"{'s' * (len(lost) > 1)}): a training failed or was killed, and tables are old. Give the same command again "
        "with --forcerun and the path of the model at its end"
    ]


def scored(tables: Iterable[str | Path], since: float) -> list[str]:
    """A line for each table of scores, `{name}.tsv`, written after `since`: how many lines it has, and how many lines
    of input were not scored, by reason, from the `{name}.skipped.tsv` beside it."""
    lines = []
    for path in map(Path, tables):
        if not path.is_file() or path.stat().st_mtime < since:
            continue
        with path.open("rb") as stream:
            count = sum(1 for _ in stream) - 1
        with path.with_suffix(".skipped.tsv").open(newline="", encoding="utf-8") as stream:
            reasons = Counter(row["reason"] for row in csv.DictReader(stream, delimiter="\t"))
        skipped = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
        lines.append(f"{path}: {count:,} scores" + (f"; not scored: {skipped}" if skipped else ""))
    return lines


def _seconds(path: Path) -> float:
    """Wall seconds of the last run of a job; 0 if it was too short to be measured."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        return float(rows[-1]["s"])
    except (IndexError, KeyError, ValueError):
        return 0.0


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s" if seconds >= 60 else f"{seconds:.0f} s"
