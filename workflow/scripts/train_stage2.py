"""Fine-tune an encoder together with a head, starting from the checkpoint of that head."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, memory_for_data, report
from s2f.common.errors import InputError, run
from s2f.common.files import atomic, remove
from s2f.common.provenance import code_fingerprint, derived_seed, versions
from s2f.common.seen import Seen
from s2f.common.tables import write_table
from s2f.heads import augmentations, networks
from s2f.heads.augmentations import BOTH
from s2f.models.checkpoint import read_record, write_record
from s2f.models.predictions import VALIDATION, predict_rows, with_labels
from s2f.models.validation import check_cells, validation_score
from s2f.rows.canonical import (
    TASKS,
    errors_of,
    labels_of,
    labels_sha256,
    of_first_cell,
    read_rows,
    sequences_sha256,
)
from s2f.sequences.constructs import Construct
from s2f.sequences.dna import reverse_complement
from s2f.splits.table import parts_of


def main():
    """Check the start against the run, train, write `best_model/` and the table of epochs.

    A killed run continues from its checkpoint.
    """
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--construct", required=True, type=json_option, help="construct section of the study (JSON)")
    for name in ("dataset", "split-name", "encoder", "stage2", "head"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--encoder-spec", required=True, type=json_option, help="encoder section of the study (JSON)")
    parser.add_argument("--settings", required=True, type=json_option, help="stage2 section of the study (JSON)")
    parser.add_argument("--unfrozen", required=True, nargs="+", help="blocks of the encoder that are trained")
    parser.add_argument("--start", required=True, help="folder best_model of the run to start from")
    parser.add_argument(
        "--caches", nargs="*", default=[], help="embedding caches of what the first unfrozen block reads; without them "
        "the whole encoder runs in every step",
    )  # fmt: skip
    parser.add_argument("--seed", required=True, type=int, help="number of the replicate run")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument(
        "--strand-rule", required=True, choices=["mean", "forward"], help="strands from which the model will predict"
    )
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--memory-mb", required=True, type=int, help="memory of the job in MB")
    parser.add_argument("--model", required=True, help="folder best_model to write")
    parser.add_argument("--history", required=True, help="table of epochs to write")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    # these load JAX, which reads the thread count once
    import jax

    from s2f.embeddings import encoders
    from s2f.embeddings.cache import DTYPES
    from s2f.heads.examples import Examples, open_views
    from s2f.heads.locon import Locon
    from s2f.heads.resume import Resume
    from s2f.heads.stage2 import Finetuner, Stage2Settings, blocks_below, told_what_to_lower
    from s2f.heads.trained_head import Head
    from s2f.heads.training import PACKAGES
    from s2f.heads.tuned import Tuned
    from s2f.heads.weights import load_head, save_changes, save_head

    log_device()
    rows = read_rows(arguments.rows)
    parts, construct = parts_of(rows, arguments.split), Construct.from_spec(arguments.construct)
    spec, section = arguments.encoder_spec, kinds.section_settings("heads/stage2", arguments.settings)
    start = read_record(
        arguments.start, kind="head", task=arguments.task, dataset=arguments.dataset, split=arguments.split_name,
        encoder=arguments.encoder, augmentation=section["start"], head=arguments.head, seed=arguments.seed,
        strand_rule=arguments.strand_rule, construct=construct.spec(), train_rows_sha256=labels_sha256(parts["train"]),
    )  # fmt: skip
    base = encoders.build(spec)
    refuse_start(arguments.start, start, base.fingerprint)
    labelled, cells = parts, start.get("cells", [])
    if start["spec"].get("outputs") == "first":
        labelled = {part: of_first_cell(own) for part, own in parts.items()}
    check_cells(parts, cells, arguments.split)
    mode, by_mean = section["augmentation"], section["validation_strand"] == "mean"
    first = blocks_below(kinds.facts("encoders", spec["kind"])["blocks"], arguments.unfrozen) if arguments.caches else 0

    def windows(part: str, views: Sequence[tuple[int, str]]) -> Any:
        """Examples whose tables are codes of windows (N, L, 1)."""
        own = labelled[part]
        tables = []
        for shift, strand in views:
            codes = construct.assemble(own["sequence"], shift)
            tables.append((reverse_complement(codes) if strand == "reverse" else codes)[..., None])
        index = np.arange(len(own), dtype=np.int32)
        return Examples(tuple(tables), index, labels_of(own).astype(np.float32), None, errors_of(own))

    if first:
        block = kinds.facts("encoders", spec["kind"])["blocks"][first - 1]
        expected = {
            "encoder_fingerprint": encoders.build({**spec, "until": block}).fingerprint, "construct": construct.spec(),
            "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
        }  # fmt: skip
        opened = open_views(arguments.caches, **expected)
    else:
        opened = nullcontext({})
    checkpoint = Path(arguments.model).with_name(f".{Path(arguments.model).name}.checkpoint")
    seed = derived_seed(
        arguments.study_seed, "stage2", arguments.dataset, arguments.split_name, arguments.encoder, arguments.stage2,
        arguments.head, arguments.seed,
    )  # fmt: skip
    with opened as caches:
        views, validated = augmentations.views(mode), BOTH if by_mean else (augmentations.CANONICAL,)
        if first:
            train = Examples.of(caches, views, labelled["train"])
            val = Examples.of(caches, validated, labelled["val"])
        else:
            train, val = windows("train", views), windows("val", validated)
        if augmentations.encodes(mode):
            reach = mode.get("reach")
            construct.check_inserts(labelled["train"], arguments.rows, (-(reach or 0), reach or 0))
            stretches = construct.stretches(labelled["train"]["sequence"], reach)
            train = Examples(train.tables, train.index, train.labels, stretches, train.errors)
        head, tunable = load_head(arguments.start, Head.template(start)), encoders.tunable(spec)
        locon, settings = Locon.of(section["unfrozen"]), Stage2Settings.of(section, start["spec"])
        what = (f"adapters of rank {locon.rank} in " if locon else "") + ", ".join(arguments.unfrozen)
        devices = jax.local_devices()[: max(1, arguments.gpus)]
        tuner = Finetuner(
            arguments.head, seed, mode, train, val, tunable, arguments.unfrozen, head,
            DTYPES[start["embedding_dtype"]], first, construct.length, memory_for_data(arguments.memory_mb),
            task=arguments.task, locon=locon, devices=devices,
        )  # fmt: skip
        tuner.resume = Resume(
            checkpoint,
            identity(
                head, spec, section, arguments.unfrozen, seed, base.fingerprint, start["spec"], arguments.task,
                construct.spec(), labels_sha256(labelled["train"]), labels_sha256(labelled["val"]),
                versions(*PACKAGES), report()["device"], len(devices), first,
                code_fingerprint(
                    "train_stage2", networks.module_of(arguments.head), kinds.module_name("encoders", spec["kind"]),
                    augmentations.module_of(mode),
                ),
            ),
        )  # fmt: skip
        with told_what_to_lower(
            settings, arguments.unfrozen, kinds.settings("encoders", spec["kind"], spec)["precision"]
        ):
            before = validation_score(arguments.task, val.labels, tuner.validation())
            below = "read from caches" if first else "computed in every step"
            print(f"trained: the head and {what}; the frozen part below them is {below}")
            print(f"on {len(devices)} devices; validation score of the start: {before}", flush=True)
            (best,) = tuner.train(settings)
    trained, state = best.variables
    changes = locon.merged(tunable, trained["encoder"]) if locon else trained["encoder"]
    tuned = encoders.build(spec, changes)
    with atomic(arguments.model) as folder:
        folder.mkdir()
        save_head(folder, (trained["head"], state))
        save_changes(folder, trained["encoder"])
        seen = Seen.of_record(start["seen_before"])
        write_record(
            folder, parts, PACKAGES, labelled, name=f"{start['name']}_{arguments.stage2}", kind="head",
            task=arguments.task, dataset=arguments.dataset, split=arguments.split_name, encoder=arguments.encoder,
            model=f"{arguments.encoder}/{arguments.stage2}/{arguments.head}", augmentation=arguments.stage2, mode=mode,
            head=arguments.head, seed=arguments.seed, derived_seed=seed, strand_rule=arguments.strand_rule,
            stochastic=True, one_draw=start["one_draw"], drawn_per_seed=start["drawn_per_seed"],
            construct=construct.spec(), spec=section, tokens=start["tokens"], channels=start["channels"],
            encoder_spec=spec, encoder_fingerprint=tuned.fingerprint, embedding_dtype=start["embedding_dtype"],
            stage2={
                "unfrozen": arguments.unfrozen, "stands_on": base.fingerprint, "start": start["model"],
                "frozen_part": "cached" if first else "computed",
                **({"locon": asdict(locon)} if locon else {}),
            },
            provenance=f"head and encoder ({what}) fine-tuned here; encoder {base.provenance}",
            seen=seen.with_training("encoder"), seen_before=start["seen_before"], licence=base.licence,
            parameters=best.size, device=report(),
            validation={
                "metric": best.metric, "strand": section["validation_strand"], "value": best.score, "epoch": best.epoch,
                "ended": best.ended, "start": before,
                **({"cells": dict(zip(cells, best.by_output, strict=True))} if best.by_output else {}),
            },
            **({"cells": cells} if cells else {}),
        )  # fmt: skip
        model = Tuned.load(folder, read_record(folder), spec)
        val_rows = with_labels(parts["val"], labelled["val"])
        predicted = predict_rows(
            val_rows, lambda chosen, strand: model.predict(list(chosen["sequence"]), strand), arguments.strand_rule,
            cells,
        )  # fmt: skip
        write_table(folder / VALIDATION, predicted)
    write_table(arguments.history, best.history)
    remove(checkpoint)


def identity(head: Any, *others: Any) -> str:
    """What must be equal for a run to continue from a checkpoint, as text for JSON: the variables of the head from
    which training started, and everything else that the result depends on."""
    import jax

    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(head):
        digest.update(np.asarray(leaf).tobytes())
    return json.dumps([digest.hexdigest(), *others], sort_keys=True)


def refuse_start(path: str, record: Mapping[str, Any], fingerprint: str) -> None:
    """Raise `InputError` for a start that is itself fine-tuned, or was trained on an encoder without this
    fingerprint."""
    if "stage2" in record:
        raise InputError(f"{path}: this model is already fine-tuned; start from a head on a frozen encoder")
    if record["encoder_fingerprint"] != fingerprint:
        raise InputError(
            f"{path}/model.json: encoder_fingerprint is {record['encoder_fingerprint']!r}, but encoder "
            f"{record['encoder']!r} has {fingerprint!r} here: the start was trained on another encoder; train it again "
            "(--forcerun)"
        )


if __name__ == "__main__":
    run(main)
