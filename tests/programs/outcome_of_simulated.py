"""Check the finished embedded study against the simulation behind its rows.

    PYTHONPATH=workflow/scripts python tests/programs/outcome_of_simulated.py results

The truth is known: the noise-free activity of each row, and the positions of the planted motifs.
"""

import contextlib
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from s2f.rows.sources.simulated import simulate

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "config" / "config.yaml"
SHARE = 0.4  # of the variance of the noise-free activity, explained by a head on 5-mer counts
# mutagenesis: average precision for planted positions above that of rotated attributions, and the largest p value
MARGINS = {"malinois-1cell-narrow": (0.15, 1e-3), "onehot/none/chip-cnn": (0.1, 1e-2)}


def main(results):
    """Print each check; exit 1 when one fails."""
    failed = []

    def check(what, good):
        print(("ok    " if good else "FAIL  ") + what)
        failed.extend([] if good else [what])

    study = yaml.safe_load(STUDY.read_text())
    source = {k: v for k, v in study["datasets"]["simulated_k562"]["source"].items() if k != "kind"}
    truth = simulate(source).set_index("row_id")["activity"]
    for seed in study["seeds"]:
        head = f"simulated_k562/chromosome/kmer5/no_shift/boda-mean-512-512/seed{seed}"
        found = pd.read_csv(Path(results, head, "predictions", "chromosome.tsv"), sep="\t", index_col="row_id")
        r = np.corrcoef(found["prediction"], truth[found.index])[0, 1]
        check(f"boda-mean on 5-mers, seed {seed}: {r**2:.2f} of the variance of the truth >= {SHARE}", r**2 >= SHARE)
    table = pd.read_csv(Path(results, "interpretation_truth.tsv"), sep="\t")
    for model, (margin, p_value) in MARGINS.items():
        line = table[(table["model"] == model) & (table["method"] == "ism")].iloc[0]
        what = f"{model}: mutagenesis finds planted positions, AUPRC {line['value']:.2f}, chance {line['random']:.2f}"
        check(f"{what} + {margin}", line["value"] > line["random"] + margin and line["p_value"] < p_value)
    compared = pd.read_csv(Path(results, "compare.tsv"), sep="\t", keep_default_na=False, na_values=[""])
    rows = compared[compared["n"].notna()].groupby(["dataset", "split", "panel"])["rows_sha256"].nunique()
    check("one set of rows for all models of a panel", (rows == 1).all())
    collapsed = sorted(set(compared.loc[compared["collapsed"].notna(), "model"]))
    check(f"no collapsed run: {', '.join(collapsed) or 'none'}", not collapsed)
    seeds = [Path(path).parts[-2] for path in Path(results).glob("simulated_k562/**/boda-max-512-512/*/metrics.tsv")]
    check(f"the maximum over tokens was trained with {len(seeds)} seeds", len(seeds) == len(study["seeds"]))
    check("docs/library.md: its examples run on these results", examples_run(results))
    page = Path(results, "compare.html").read_text()
    pictures = len(list(Path(results, "plots").glob("*/*/*.comparison.png")))
    check(
        f"compare.html shows {pictures} pictures, loads nothing",
        page.count("src=") == page.count('src="data:') == pictures > 0,
    )
    sys.exit(f"{len(failed)} checks failed" if failed else 0)


def examples_run(results):
    """Whether the code of docs/library.md runs as it is, except for the module of another workflow."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(), re.DOTALL)
    blocks = [block for block in blocks if "snakefile:" not in block]
    names = {}
    with contextlib.chdir(Path(results).resolve().parent):
        for block in blocks:
            exec(compile(block, "docs/library.md", "exec"), names)
    return len(blocks) == 3 and len(names["result"]["importance"]) == names["inserts"].shape[1]


if __name__ == "__main__":
    main(sys.argv[1])
