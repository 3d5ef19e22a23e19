"""A small study in a folder, for the tests of the comparison."""

import copy

import numpy as np
import pandas as pd

from s2f.common.tables import write_table
from s2f.evaluation.comparison import compare
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measure import measure
from s2f.evaluation.measured_runs import Comparison
from s2f.models.predictions import prediction_table
from s2f.rows.canonical import canonical, write_rows

KINDS = {"id": "rows", "snv": "pairs"}


class Study:
    """A study in a folder: `add` writes predictions and metrics of a run and lists it in `spec`."""

    def __init__(self, folder, labels, task="regression", groups=None):
        self.folder, self.task = folder, task
        n = len(labels)
        table = {
            "row_id": [f"r{i}" for i in range(n)],
            "sequence": ["ACGT"] * n,
            "label": np.asarray(labels, float),
            "allele": ["ref", "alt"] * (n // 2) + ["ref"] * (n % 2),
        }
        self.rows = canonical(pd.DataFrame(table), "test", task)
        write_rows(folder / "rows.parquet", self.rows)
        groups = groups or [f"g{i}" for i in range(n)]
        write_table(folder / "id.tsv", pd.DataFrame({"row_id": self.rows["row_id"], "group": groups}))
        ref, alt = (self.rows["row_id"][self.rows["allele"] == a].to_numpy()[: n // 2] for a in ("ref", "alt"))
        pairs = {"pair_id": ref, "ref_row_id": ref, "alt_row_id": alt, "group": groups[: 2 * (n // 2) : 2]}
        write_table(folder / "snv.tsv", pd.DataFrame(pairs))
        panels = {name: {"kind": k, "path": str(folder / f"{name}.tsv")} for name, k in KINDS.items()}
        if task == "classification":
            del panels["snv"]
        dataset = {"rows": str(folder / "rows.parquet"), "task": task, "panels": {"chrom": panels}, "baseline": "A"}
        self.spec = {"study": "by hand", "datasets": {"toy": dataset}, "runs": [], "resamples": 200, "seed": 5}

    def add(self, model, seed, predictions, rule="mean", panels=None, **keys):
        panels = panels or list(self.spec["datasets"]["toy"]["panels"]["chrom"])
        stem = f"{model.replace('/', '-')}.{seed}"
        both = {"forward": np.asarray(predictions, float), "reverse": np.asarray(predictions, float)}
        write_table(self.folder / f"{stem}.tsv", prediction_table(self.rows, both, rule))
        run = {"dataset": "toy", "split": "chrom", "model": model, "seed": seed, **keys}
        run["predictions"] = dict.fromkeys(panels, str(self.folder / f"{stem}.tsv"))
        run["metrics"] = str(self.folder / f"{stem}.metrics.tsv")
        self.spec["runs"].append(run)
        self.measure(run)

    def measure(self, run):
        specs = self.spec["datasets"]["toy"]["panels"]["chrom"]
        panels = {
            name: {"kind": specs[name]["kind"], "panel": specs[name]["path"], "predictions": path}
            for name, path in run["predictions"].items()
        }
        write_table(run["metrics"], measure(self.rows, panels, self.task))

    def compare(self, **changes):
        spec = copy.deepcopy(self.spec)
        spec.update(changes)
        comparison = Comparison.parse(spec, "spec.json")
        table, clusters = compare(comparison)
        return table, markdown(table, clusters, comparison)
