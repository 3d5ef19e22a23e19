"""What was dropped before models were compared: a line for each dataset, split and panel, from their tables of
stages."""

from collections.abc import Mapping
from pathlib import Path

from s2f.evaluation.measured_runs import ComparedDataset
from s2f.rows.stages import beside, dropped, notes

MOST_NAMED = 4  # stages in a line
WORDS = {"label measured": "no label"}  # a stage says what it keeps; here it is said what is missing


def left_out(datasets: Mapping[str, ComparedDataset]) -> dict[tuple[str, str, str], str]:
    """{(dataset, split, panel): a line for people}; split and panel are "" for the rows, panel for a split.

    The tables of stages are beside the rows, splits and panels of the datasets, where the workflow writes them. Rows or
    panels from elsewhere have no such table, and no line.
    """
    tables = {}
    for name, dataset in datasets.items():
        rows = Path(dataset.rows)
        tables[name, "", ""] = beside(rows)
        for split, panels in dataset.panels.items():
            tables[name, split, ""] = beside(rows.parent / "splits" / f"{split}.tsv")
            for panel, spec in panels.items():
                tables[name, split, panel] = beside(spec["path"])
    return {place: _line(path) for place, path in tables.items() if path.is_file()}


def _line(path: Path) -> str:
    """How many of the items at the start of a table of stages were dropped, and at which stages, largest loss first;
    with the table's notes."""
    total, removed = dropped(path)
    noted = "".join(f" {note}." for note in notes(path))
    if not removed:
        return f"none of {total:,} left out.{noted}"
    removed.sort(key=lambda item: -item[1])
    named = [f"{count:,} of {before:,} ({WORDS.get(stage, stage)})" for stage, count, before in removed[:MOST_NAMED]]
    named += [f"fewer at {len(removed) - MOST_NAMED} more stages"] if len(removed) > MOST_NAMED else []
    return f"left out {', '.join(named)}.{noted}"
