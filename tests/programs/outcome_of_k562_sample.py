"""Check the K562 sample study against known floors.

python tests/programs/outcome_of_k562_sample.py results/compare.tsv
"""

import sys

import pandas as pd

# test Pearson r of a 3/5/6-mer ridge regression on the same rows; another implementation may differ by the margin
FLOORS = {("gosai_sample", "id"): 0.469, ("mattioli", "chromosome"): 0.571, ("lentimpra_k562", "id"): 0.566}
MARGIN = 0.04
# The epoch is chosen by Pearson r, which a wrong scale does not touch. The sum of five standardised tokens starts five
# times as wide as their mean, and 2,000 rows do not bring it to the scale of the labels: MSE 1.10 with seed 1. Nor is a
# model on it that the table marks as not trained to the end, as Malinois is after the two epochs of CI: MSE 1.0 to 2.7.
MSE_NOT_CHECKED = "boda-sum-512-512"


def main(path):
    """Print each check; exit 1 when one fails."""
    table = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])
    failed = []

    def check(what, good):
        print(("ok    " if good else "FAIL  ") + what)
        failed.extend([] if good else [what])

    for (dataset, panel), floor in FLOORS.items():
        own = table[(table["dataset"] == dataset) & (table["panel"] == panel)]
        r = own[own["metric"] == "pearson"].set_index("model")["value"]
        mse = own[own["metric"] == "mse"].set_index("model")["value"]
        ended = own[own["metric"] == "mse"].set_index("model")["ended"].fillna("")
        ridge = r["kmer-ridge"]
        check(f"{dataset} {panel}: k-mer ridge r {ridge:.3f}, known floor {floor} - {MARGIN}", ridge >= floor - MARGIN)
        trained = r.drop(["mean", "kmer-ridge"])
        for model in trained.index:
            check(f"{dataset} {panel}: {model} r {r[model]:.3f} > 0.1", r[model] > 0.1)
            limited = ended[model].startswith("limit")
            if limited:  # on the way: Malinois has 0.33 to 0.51 after the epochs of CI
                check(f"{dataset} {panel}: {model}, not trained to the end, r {r[model]:.3f} > 0.25", r[model] > 0.25)
            whole = not model.endswith(MSE_NOT_CHECKED) and not limited
            if dataset == "gosai_sample" and whole:
                better = mse[model] < mse["mean"]
                check(f"{dataset} {panel}: {model} mse {mse[model]:.3f} < mean predictor's {mse['mean']:.3f}", better)
        heads = [model for model in trained.index if "/" in model]
        check(f"{dataset} {panel}: no head ended at its limit", not any(ended[heads].str.startswith("limit")))
        print(f"      {dataset} {panel}: best trained model {trained.idxmax()} r {trained.max():.3f}, floor {floor}")
        check(f"{dataset} {panel}: one set of rows for all models", own["rows_sha256"].nunique() == 1)
    own = table[(table["dataset"] == "gosai_sample") & (table["metric"] == "pearson")].set_index("model")["value"]
    best = own.drop(["mean", "kmer-ridge"]).max()
    check(
        f"gosai_sample id: the best trained model ({best:.3f}) beats the k-mer floor",
        best > FLOORS["gosai_sample", "id"],
    )
    pairs = table[(table["dataset"] == "gosai_sample") & (table["panel"] == "snv")]
    check("gosai_sample snv: 468 one-base pairs", set(pairs["n"]) == {468})
    check(
        "mean predictor has no correlation",
        table[(table["model"] == "mean") & table["metric"].str.startswith("pearson")]["value"].isna().all(),
    )
    sys.exit(f"{len(failed)} checks failed" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1])
