"""Check the RBP sample study: its models against known floors, and as variant scorers.

python tests/programs/outcome_of_rbp_sample.py results/compare.tsv DATA
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
from scored import scored

CNN = "onehot/none/chip-cnn"
# published sets: test AUROC of GC content, logistic regression on 1- to 4-mers and a one-hot CNN, one run each
KNOWN = {
    "qki_k562.published": {"gc": 0.674, "kmer-logistic": 0.959, CNN: 0.948},
    "gtf2f1_k562.published": {"gc": 0.890, "kmer-logistic": 0.956, CNN: 0.970},
    "ptbp1_hepg2.published": {"gc": 0.550, "kmer-logistic": 0.977, CNN: 0.988},
}
MARGIN = 0.015
# goals on the published set of QKI
GOALS = {CNN: 0.94, "kmer-logistic": 0.95}
NEGATIVES = ("other_rbp", "flank")
PEAKS = ("qki_k562", "ptbp1_k562", "tardbp_k562", "pum2_k562")
CLEAR = ("qki_k562", "pum2_k562")  # proteins with one clear motif


# models of QKI that score variants of ClinVar, one per kind
SCORERS = ("kmer-logistic", CNN, "lamar-random.layer04/none/linear-probe")


def main(path, data):
    """Print each check; exit 1 when one fails. `data` is the folder of the real peaks and variants."""
    table = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])
    auroc = table[table["metric"] == "auroc"].set_index(["dataset", "model"])["value"]
    failed = []

    def check(what, good):
        print(("ok    " if good else "FAIL  ") + what)
        failed.extend([] if good else [what])

    for dataset, known in KNOWN.items():
        for model, value in known.items():
            found = auroc[dataset, model]
            check(f"{dataset}: {model} AUROC {found:.3f}, known {value} - {MARGIN}", found >= value - MARGIN)
    for model, goal in GOALS.items():
        check(f"qki_k562.published: {model} AUROC {auroc['qki_k562.published', model]:.3f} >= {goal}",
              auroc["qki_k562.published", model] >= goal)  # fmt: skip
    for rbp in PEAKS:
        for kind in NEGATIVES:
            own = auroc[f"{rbp}.{kind}"]
            best = own.drop("gc").max()
            check(f"{rbp}.{kind}: best AUROC {best:.3f} > GC content {own['gc']:.3f}", best > own["gc"])
    probes = [
        (dataset, auroc[dataset, f"{tapt}/none/linear-probe"], auroc[dataset, "lamar-random.layer04/none/linear-probe"])
        for dataset, tapt in [
            *((f"{rbp}.{kind}", "lamar-tapt.layer04") for rbp in PEAKS for kind in NEGATIVES),
            ("qki_k562.published", "lamar-tapt-published.layer04"),
        ]
    ]
    for dataset, adapted, untrained in probes:
        print(f"      {dataset}: linear probe, adapted {adapted:.3f}, untrained {untrained:.3f}")
    better = sum(adapted > untrained for _, adapted, untrained in probes)
    check(f"the adapted encoder beats the untrained one by linear probe on {better} of {len(probes)} sets", better >= 6)
    for pooling in ("mean", "bases"):
        value = auroc["qki_k562.published", f"dnabert2-random-{pooling}.layer04/none/linear-probe"]
        what = f"qki_k562.published: linear probe on untrained DNABERT-2, {pooling}: AUROC {value:.3f} >= 0.88"
        check(what, value >= 0.88)
    records = sorted(Path(path).parent.glob("tapt/*/model.json"))
    check("two encoders were adapted here", len(records) == 2)
    for record in records:
        adapted = json.loads(record.read_text())
        letters, losses = adapted["frequencies_loss"], [step["val_loss"] for step in adapted["history"]]
        what = f"tapt {record.parent.name}: validation loss {losses[-1]:.3f} < {letters:.3f} of letters alone - 0.03"
        check(what, losses[-1] < letters - 0.03 < losses[0])
    rows = table[table["n"].notna()].groupby(["dataset", "split", "panel"])["rows_sha256"].nunique()
    check("one set of rows for all models of a panel", (rows == 1).all())
    motifs = pd.read_csv(Path(path).parent / "motifs_truth.tsv", sep="\t").set_index("dataset")
    for rbp in PEAKS:
        line = motifs.loc[f"{rbp}.other_rbp"]
        what = f"motifs of {rbp}: {line['true']} of {line['patterns']} patterns are the protein's, rank {line['rank']}"
        if rbp in CLEAR:
            check(what, line["rank"] == 1)
        else:
            print(f"      {what}")
    effects_of_clinvar(Path(path).parent / "qki_k562.flank" / "chromosome", Path(data), check)
    sys.exit(f"{len(failed)} checks failed" if failed else 0)


def effects_of_clinvar(runs, data, check):
    """ClinVar variants on the strand of their genes, scored by models with windows of 51 bases."""
    known = pd.read_csv(data / "vcf" / "clinvar_in_pieces.hg38.tsv", sep="\t", dtype=str, keep_default_na=False)
    fits = known["state"].isin(["fits_51", "fits_101"])
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "variants.tsv"
        columns = known[["id", "chrom", "pos", "ref", "alt"]].assign(strand=known["gene_strand"])
        columns.to_csv(table, sep="\t", index=False)
        for model in SCORERS:
            found, skipped = scored(
                runs / model / "seed1" / "best_model", "--variants", table, "--strand", "file", "--longest", "100",
                "--genome", data / "eclip" / "genome_pieces.hg38.fa.gz",
            )  # fmt: skip
            reasons = skipped["reason"].value_counts().to_dict()
            check(
                f"ClinVar: {model} scores {len(found)} of {len(known)} variants, {fits.sum()} have 25 bases on both "
                f"sides; skipped: {reasons}",
                len(found) == fits.sum() and "ref_mismatch" not in reasons and found["delta"].abs().max() > 0.1,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
