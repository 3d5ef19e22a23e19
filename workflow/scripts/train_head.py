"""Train a head, or several of one family and their seeds together, on caches that the augmentation reads."""

import importlib
from typing import Any

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, memory_for_data, memory_of_job, report
from s2f.common.errors import InputError, run
from s2f.common.files import atomic
from s2f.common.provenance import derived_seed
from s2f.common.seen import Seen
from s2f.common.tables import write_table
from s2f.heads import augmentations, networks
from s2f.models.checkpoint import head_name, read_record, write_record
from s2f.models.predictions import VALIDATION, predict_rows, strands, with_labels
from s2f.models.search import Outcome, Search, search
from s2f.models.validation import check_cells, check_classes
from s2f.rows.canonical import TASKS, cells_of, of_first_cell, read_rows, sequences_sha256
from s2f.sequences.constructs import Construct
from s2f.splits.table import parts_of


def main():
    """Check the caches against rows and construct, train, write `best_model/` and the table of epochs of each head."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--construct", required=True, type=json_option, help="construct section of the study (JSON)")
    parser.add_argument(
        "--caches", required=True, nargs="+", help="embedding caches that the augmentation and the strand rule read"
    )
    for name in ("dataset", "split-name", "encoder", "augmentation"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--mode", required=True, type=json_option, help="augmentation section of the study (JSON)")
    parser.add_argument("--encoder-spec", type=json_option, help="encoder section (JSON), for modes that encode")
    parser.add_argument(
        "--one-draw", nargs="?", const="", default="", help="what is random in the encoder and shared by all seeds"
    )
    parser.add_argument("--drawn-per-seed", action="store_true", help="the encoder is drawn anew for each seed")
    parser.add_argument("--heads", required=True, nargs="+", help="slugs of one family")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="number of the replicate run, per head")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--training", required=True, type=json_option, help="settings of the heads (JSON)")
    parser.add_argument("--strand-rule", required=True, choices=["mean", "forward"], help="how the model will predict")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--memory-mb", required=True, type=int, help="memory of the job in MB")
    parser.add_argument("--models", required=True, nargs="+", help="folder best_model to write, per head")
    parser.add_argument("--histories", required=True, nargs="+", help="table of epochs or penalties, per head")
    parser.add_argument(
        "--search", type=json_option, help="settings to try, of one head (JSON); without it those of --training alone"
    )
    arguments = parser.parse_args()
    if arguments.search and len(arguments.heads) > 1:
        parser.error("--search is for one head: each tries settings of its own")
    limit_to_job_resources(arguments.threads, arguments.gpus)
    # these load JAX, which reads the thread count once
    from s2f.heads.examples import Examples, open_views
    from s2f.heads.trained_head import Head
    from s2f.heads.training import PACKAGES, trainer_of
    from s2f.heads.weights import save_head

    log_device()
    rows = read_rows(arguments.rows)
    parts, construct = parts_of(rows, arguments.split), Construct.from_spec(arguments.construct)
    if arguments.task == "classification":
        check_classes(parts, arguments.split)
    labelled, cells = parts, cells_of(rows)
    first = arguments.training.get("outputs") == "first"
    cells = cells[:1] if first else cells
    check_cells(parts, cells, arguments.split)
    if first:
        labelled = {part: of_first_cell(own) for part, own in parts.items()}
    expected = {
        "encoder": arguments.encoder, "construct": construct.spec(),
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
    }  # fmt: skip
    encoder, stretches = None, None
    if augmentations.encodes(arguments.mode):
        # imported by name: heads on caches do not depend on the code of encoders
        encoder = importlib.import_module("s2f.embeddings.encoders").build(arguments.encoder_spec)
        expected["encoder_fingerprint"] = encoder.fingerprint
        reach = arguments.mode.get("reach", 0)
        construct.check_inserts(labelled["train"], arguments.rows, (-reach, reach))
        stretches = construct.stretches(labelled["train"]["sequence"], arguments.mode.get("reach"))
        low, high = stretches[1].min(), stretches[2].max()
        print(f"windows are cut at shifts from {low:+d} to {high:+d} bp")
        if low == high:
            name = arguments.augmentation
            raise InputError(f"augmentation {name!r}: the construct leaves no room to shift the window")
    places = list(zip(arguments.heads, arguments.seeds, strict=True))
    names = (arguments.dataset, arguments.split_name, arguments.encoder, arguments.augmentation)
    seeds = [derived_seed(arguments.study_seed, "head", *names, *head) for head in places]
    with open_views(arguments.caches, **expected) as caches:
        Examples.of(
            caches, [(0, strand) for strand in strands(arguments.strand_rule)], labelled["val"]
        )  # all are there
        train = Examples.of(caches, augmentations.views(arguments.mode), labelled["train"], stretches)
        val = Examples.of(caches, (augmentations.CANONICAL,), labelled["val"])
        heads = list(zip(arguments.heads, seeds, strict=True))
        memory, host_memory = memory_for_data(arguments.memory_mb), memory_of_job(arguments.memory_mb)

        train_by = trainer_of(
            heads, arguments.mode, train, val, encoder, construct.length, memory, host_memory, task=arguments.task
        )

        def attempt(spec: dict[str, Any]) -> Outcome[Any]:
            (best,) = train_by(spec)
            return Outcome(best, best.metric, best.score, best.epoch, best.tried)

        spec, found = arguments.training, None
        if arguments.search is None:
            trained = train_by(spec)
        else:
            ((slug, seed),) = places
            # not by encoder: models of one kind try the same settings, whatever encoder they read
            draws = derived_seed(arguments.study_seed, "search", *names[:2], networks.kind_of(slug), seed)
            found = search(Search(**arguments.search), spec, draws, attempt)
            trained, spec = [found.model], found.spec
        cache, val_rows = caches[augmentations.CANONICAL].manifest, with_labels(parts["val"], labelled["val"])
        for (slug, seed), derived, best, model, history in zip(
            places, seeds, trained, arguments.models, arguments.histories, strict=True
        ):
            with atomic(model) as folder:
                folder.mkdir()
                save_head(folder, best.variables)
                searched = {} if found is None else found.write(folder)
                drawn = found is not None and found.record["drawn"]
                write_record(
                    folder, parts, PACKAGES, labelled, name=head_name(cache, slug), kind="head", task=arguments.task,
                    dataset=arguments.dataset, split=arguments.split_name, encoder=arguments.encoder,
                    model=f"{arguments.encoder}/{arguments.augmentation}/{slug}", augmentation=arguments.augmentation,
                    mode=arguments.mode, head=slug, seed=seed, derived_seed=derived, strand_rule=arguments.strand_rule,
                    stochastic=arguments.drawn_per_seed or networks.facts(slug)["stochastic"] or drawn,
                    one_draw=arguments.one_draw, construct=cache["construct"], spec=spec,
                    tokens=cache["tokens"], channels=cache["channels"], encoder_spec=cache["encoder_spec"],
                    encoder_fingerprint=cache["encoder_fingerprint"], embedding_dtype=cache["dtype"],
                    provenance=f"head trained here; encoder {cache['provenance']}",
                    drawn_per_seed=arguments.drawn_per_seed,
                    seen=Seen.of_record(cache["seen"]).with_training("encoder"), seen_before=cache["seen"],
                    licence=cache["licence"], parameters=best.size, device=report(),
                    validation={
                        "metric": best.metric, "strand": "forward", "value": best.score, "epoch": best.epoch,
                        "ended": best.ended,
                        **({"cells": dict(zip(cells, best.by_output, strict=True))} if best.by_output else {}),
                    },
                    **({"cells": cells} if cells else {}), **searched,
                )  # fmt: skip
                head = Head(read_record(folder), best.variables)

                def predict(rows: Any, strand: str, head: Head = head) -> Any:
                    return head.predict(caches[0, strand], rows["row_id"])

                write_table(folder / VALIDATION, predict_rows(val_rows, predict, arguments.strand_rule, cells))
            write_table(history, best.history)


if __name__ == "__main__":
    run(main)
