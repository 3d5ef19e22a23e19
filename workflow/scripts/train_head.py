"""Train heads on the embedding caches that the augmentation reads: one head, or several of one family together."""

import argparse
import importlib
import json

from s2f.common.devices import keep_to_share, memory_for_data, print_report, report
from s2f.common.errors import InputError, run
from s2f.common.files import atomic
from s2f.common.provenance import derived_seed
from s2f.common.tables import write_table
from s2f.heads import augmentations
from s2f.models.checkpoint import head_name, write_record
from s2f.models.validation import check_classes
from s2f.rows.canonical import TASKS, read_rows, sequences_sha256
from s2f.sequences.constructs import Construct
from s2f.splits.table import parts_of


def main():
    """Check the caches against rows and construct, train, write `best_model/` and the table of epochs of each head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--construct", required=True, type=json.loads, help="construct section of the study (JSON)")
    parser.add_argument("--caches", required=True, nargs="+", help="embedding caches that the augmentation reads")
    for name in ("dataset", "split-name", "encoder", "augmentation"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--mode", required=True, type=json.loads, help="augmentation section of the study (JSON)")
    parser.add_argument("--encoder-spec", type=json.loads, help="encoder section (JSON), for modes that encode")
    parser.add_argument("--heads", required=True, nargs="+", help="slugs of one family")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="number of the replicate run, per head")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--training", required=True, type=json.loads, help="training settings (JSON)")
    parser.add_argument("--strand-rule", required=True, choices=["mean", "forward"], help="how the model will predict")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--memory-mb", required=True, type=int, help="memory of the job in MB")
    parser.add_argument("--models", required=True, nargs="+", help="folder best_model to write, per head")
    parser.add_argument("--histories", required=True, nargs="+", help="table of epochs to write, per head")
    a = parser.parse_args()
    keep_to_share(a.threads, a.gpus)
    # these load JAX, which reads the thread count once
    from s2f.heads.examples import Examples, open_views
    from s2f.heads.training import PACKAGES, TrainingSpec, train_heads
    from s2f.heads.weights import save_head

    print_report()
    rows = read_rows(a.rows)
    parts, construct = parts_of(rows, a.split), Construct.from_spec(a.construct)
    if a.task == "classification":
        check_classes(parts, a.split)
    expected = {
        "encoder": a.encoder, "construct": construct.spec(),
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
    }  # fmt: skip
    encoder, stretches = None, None
    if augmentations.encodes(a.mode):
        # by name: heads on caches do not depend on the code of encoders
        encoder = importlib.import_module("s2f.embeddings.encoders").build(a.encoder_spec)
        expected["encoder_fingerprint"] = encoder.fingerprint
        reach = a.mode.get("reach", 0)
        construct.check_inserts(parts["train"], a.rows, (-reach, reach))
        stretches = construct.stretches(parts["train"]["sequence"], a.mode.get("reach"))
        low, high = stretches[1].min(), stretches[2].max()
        print(f"windows are cut at shifts from {low:+d} to {high:+d} bp")
        if low == high:
            raise InputError(f"augmentation {a.augmentation!r}: the construct leaves no room to shift the window")
    places = list(zip(a.heads, a.seeds, strict=True))
    seeds = [
        derived_seed(a.study_seed, "head", a.dataset, a.split_name, a.encoder, a.augmentation, *head) for head in places
    ]
    with open_views(a.caches, **expected) as caches:
        train = Examples.of(caches, augmentations.views(a.mode), parts["train"], stretches)
        val = Examples.of(caches, (augmentations.CANONICAL,), parts["val"])
        heads = list(zip(a.heads, seeds, strict=True))
        spec, memory = TrainingSpec(**a.training), memory_for_data(a.memory_mb)
        trained = train_heads(heads, a.mode, train, val, spec, encoder, construct.length, memory, task=a.task)
        cache = caches[augmentations.CANONICAL].manifest
    for (slug, seed), derived, best, model, history in zip(places, seeds, trained, a.models, a.histories, strict=True):
        with atomic(model) as folder:
            folder.mkdir()
            save_head(folder, best.variables)
            write_record(
                folder, parts, PACKAGES, name=head_name(cache, slug), kind="head", task=a.task, dataset=a.dataset,
                split=a.split_name, model=f"{a.encoder}/{a.augmentation}/{slug}", encoder=a.encoder,
                augmentation=a.augmentation, mode=a.mode, head=slug, seed=seed, derived_seed=derived,
                strand_rule=a.strand_rule, construct=cache["construct"], spec=a.training, tokens=cache["tokens"],
                channels=cache["channels"], encoder_fingerprint=cache["encoder_fingerprint"],
                provenance=f"head trained here; encoder {cache['provenance']}",
                licence=cache["licence"], parameters=best.size, device=report(),
                validation={"metric": best.metric, "strand": "forward", "value": best.score, "epoch": best.epoch},
            )  # fmt: skip
        write_table(history, best.history)


if __name__ == "__main__":
    run(main)
