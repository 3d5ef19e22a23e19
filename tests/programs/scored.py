"""The program `score`, run directly on the models of a finished study, for the checks of the sample studies."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def scored(model, *options):
    """The tables of scores and of skipped items from ``python -m score --model MODEL OPTIONS``."""
    with tempfile.TemporaryDirectory() as folder:
        out, skipped = Path(folder) / "out.tsv", Path(folder) / "skipped.tsv"
        command = [sys.executable, "-P", "-m", "score", "--model", model, *options, "--out", out, "--skipped", skipped]
        subprocess.run(list(map(str, command)), env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, check=True)
        return [pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""]) for path in (out, skipped)]
