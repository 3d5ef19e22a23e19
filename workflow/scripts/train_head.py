"""Train one head with one seed on cached embeddings and keep the model of the best validation Pearson r."""

import argparse
import json

from s2f.checkpoint import head_name, write_record
from s2f.construct import Construct
from s2f.devices import report, use_threads
from s2f.files import atomic, run, write_table
from s2f.provenance import derived_seed
from s2f.rows import read_rows, sequences_sha256
from s2f.splits import parts_of


def main():
    """Train on the rows of the split; write best_model/ and history.tsv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--construct", required=True, type=json.loads, help="construct section of the study (JSON)")
    parser.add_argument("--caches", required=True, nargs="+", help="embedding caches that the augmentation reads")
    for name in ("dataset", "split-name", "encoder", "augmentation", "head"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--seed", required=True, type=int, help="number of the replicate run")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--training", required=True, type=json.loads, help="training settings (JSON)")
    parser.add_argument("--strand-rule", required=True, choices=["mean", "forward"], help="how the model will predict")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--model", required=True, help="folder best_model to write")
    parser.add_argument("--history", required=True, help="table of epochs to write")
    a = parser.parse_args()
    use_threads(a.threads)
    # these load JAX, which reads the thread count once
    from s2f.training import PACKAGES, Examples, TrainingSpec, open_views, train_head
    from s2f.weights import save_head

    print(json.dumps(report()))
    rows = read_rows(a.rows)
    parts = parts_of(rows, a.split)
    spec = TrainingSpec(**a.training)
    seed = derived_seed(a.study_seed, "head", a.dataset, a.split_name, a.encoder, a.augmentation, a.head, a.seed)
    expected = {
        "encoder": a.encoder, "construct": Construct.from_spec(a.construct).spec(), "shift": 0,
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
    }  # fmt: skip
    with open_views(a.caches, **expected) as caches:
        train, val = (Examples.load(caches, parts[part]["row_id"], parts[part]["label"]) for part in ("train", "val"))
        cache = caches["forward"].manifest
    trained = train_head(a.head, a.augmentation, train, val, spec, seed)
    with atomic(a.model) as folder:
        folder.mkdir()
        save_head(folder, trained.parameters)
        write_record(
            folder, parts, PACKAGES, name=head_name(cache, a.head), kind="head", dataset=a.dataset,
            split=a.split_name, model=f"{a.encoder}/{a.augmentation}/{a.head}", encoder=a.encoder,
            augmentation=a.augmentation, head=a.head, seed=a.seed, derived_seed=seed, strand_rule=a.strand_rule,
            construct=cache["construct"], spec=a.training, tokens=cache["tokens"], channels=cache["channels"],
            encoder_fingerprint=cache["encoder_fingerprint"],
            provenance=f"head trained here; encoder {cache['provenance']}",
            licence=cache["licence"], parameters=trained.size, device=report(),
            validation={"metric": "pearson", "strand": "forward", "value": trained.pearson, "epoch": trained.epoch},
        )  # fmt: skip
    write_table(a.history, trained.history)


if __name__ == "__main__":
    run(main)
