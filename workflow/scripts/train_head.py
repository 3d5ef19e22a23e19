"""Train heads on the embedding caches that their augmentations read: one head, several of a family together, or all
heads of an encoder one family after the other, on embeddings that are loaded once."""

import importlib
import json
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from s2f.common import kinds
from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, memory_for_data, memory_of_job, report
from s2f.common.errors import InputError, run
from s2f.common.files import atomic, remove, sha256_file, write_text
from s2f.common.provenance import code_fingerprint, derived_seed, versions
from s2f.common.seen import Seen
from s2f.common.tables import write_table
from s2f.heads import augmentations, networks
from s2f.models.checkpoint import head_name, read_record, write_record
from s2f.models.predictions import VALIDATION, predict_rows, strands, with_labels
from s2f.models.search import Outcome, Search, search
from s2f.models.validation import DivergedError, check_cells, check_classes
from s2f.rows.canonical import TASKS, cells_of, labels_sha256, of_first_cell, read_rows, sequences_sha256
from s2f.sequences.constructs import Construct
from s2f.splits.table import parts_of


class Run(NamedTuple):
    """A head to train: its slug, the number of the replicate run, the name and section of its augmentation, its
    settings, and the folder and table to write."""

    head: str
    seed: int
    augmentation: str
    mode: dict[str, Any]
    training: dict[str, Any]
    model: str
    history: str

    @property
    def kept(self) -> Path:
        """Folder of the run until all runs of the job are finished. A job that is run again, because it was killed or
        because another head diverged, takes it from there."""
        return Path(self.model).with_name(".trained")

    def finish(self) -> None:
        """Put the results where they belong. If the job is killed meanwhile, the next one does not take the rest for a
        kept run."""
        (self.kept / "identity.json").unlink()
        for name, path in (("best_model", self.model), ("history.tsv", self.history)):
            remove(path)
            (self.kept / name).rename(path)
        remove(self.kept)


def families(runs: list[Run]) -> list[list[Run]]:
    """Runs by the program that trains them: those that differ in seed or, within a family, in head."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for each in runs:
        key = each.augmentation, networks.family(each.head), json.dumps(each.training, sort_keys=True)
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def main():
    """Check the caches against rows and construct, train, write `best_model/` and the table of epochs of each head."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--construct", required=True, type=json_option, help="construct section of the study (JSON)")
    parser.add_argument(
        "--caches", required=True, nargs="+", help="embedding caches that the augmentations and the strand rule read"
    )
    for name in ("dataset", "split-name", "encoder"):
        parser.add_argument(f"--{name}", required=True, help="name in the study")
    parser.add_argument("--encoder-spec", type=json_option, help="encoder section (JSON), for modes that encode")
    parser.add_argument(
        "--one-draw", nargs="?", const="", default="", help="what is random in the encoder and shared by all seeds"
    )
    parser.add_argument("--drawn-per-seed", action="store_true", help="the encoder is drawn anew for each seed")
    parser.add_argument("--heads", required=True, nargs="+", help="slug of each head")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="number of the replicate run, per head")
    parser.add_argument("--augmentations", required=True, nargs="+", help="name of the augmentation, per head")
    parser.add_argument("--modes", required=True, nargs="+", type=json_option, help="its section (JSON), per head")
    parser.add_argument("--training", required=True, nargs="+", type=json_option, help="settings (JSON), per head")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--strand-rule", required=True, choices=["mean", "forward"], help="how the model will predict")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--memory-mb", required=True, type=int, help="memory of the job in MB")
    parser.add_argument("--models", required=True, nargs="+", help="folder best_model to write, per head")
    parser.add_argument("--histories", required=True, nargs="+", help="table of epochs or penalties to write, per head")
    parser.add_argument(
        "--search", type=json_option, help="settings to try, of one head (JSON); without it those of --training alone"
    )
    arguments = parser.parse_args()
    runs = [
        Run(*each)
        for each in zip(
            arguments.heads, arguments.seeds, arguments.augmentations, arguments.modes, arguments.training,
            arguments.models, arguments.histories, strict=True,
        )
    ]  # fmt: skip
    groups, modes = families(runs), {each.augmentation: each.mode for each in runs}
    if arguments.search and len(runs) > 1:
        parser.error("--search is for one head: each tries settings of its own")
    if len(groups) > 1 and any(map(augmentations.encodes, modes.values())):
        parser.error("--modes: heads whose augmentation encodes share no job with others")
    first = {each.training.get("outputs") == "first" for each in runs}
    if len(first) > 1:
        parser.error("--training: heads of one job learn the same labels: `outputs` is not the same for all")
    limit_to_job_resources(arguments.threads, arguments.gpus)
    # these load JAX, which reads the thread count once
    from concurrent.futures import ThreadPoolExecutor

    from s2f.heads.embeddings import Embeddings
    from s2f.heads.examples import open_views
    from s2f.heads.trained_head import Head
    from s2f.heads.training import PACKAGES, trainer_of
    from s2f.heads.weights import save_head

    log_device()
    rows = read_rows(arguments.rows)
    parts, construct = parts_of(rows, arguments.split), Construct.from_spec(arguments.construct)
    if arguments.task == "classification":
        check_classes(parts, arguments.split)
    labelled, cells = parts, cells_of(rows)
    cells = cells[:1] if True in first else cells
    check_cells(parts, cells, arguments.split)
    if True in first:
        labelled = {part: of_first_cell(own) for part, own in parts.items()}
    expected = {
        "encoder": arguments.encoder, "construct": construct.spec(),
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
    }  # fmt: skip
    encoder, stretches = None, None
    if augmentations.encodes(runs[0].mode):
        # imported by name: heads on caches do not depend on the code of encoders
        encoder = importlib.import_module("s2f.embeddings.encoders").build(arguments.encoder_spec)
        expected["encoder_fingerprint"] = encoder.fingerprint
        reach = runs[0].mode.get("reach", 0)
        construct.check_inserts(labelled["train"], arguments.rows, (-reach, reach))
        stretches = construct.stretches(labelled["train"]["sequence"], runs[0].mode.get("reach"))
        low, high = stretches[1].min(), stretches[2].max()
        print(f"windows are cut at shifts from {low:+d} to {high:+d} bp")
        if low == high:
            name = runs[0].augmentation
            raise InputError(f"augmentation {name!r}: the construct leaves no room to shift the window")
    place, failed = (arguments.dataset, arguments.split_name, arguments.encoder), []

    def derived(each: Run) -> int:
        return derived_seed(arguments.study_seed, "head", *place, each.augmentation, each.head, each.seed)

    with open_views(arguments.caches, **expected) as caches, ExitStack() as stack:
        memory, host_memory = memory_for_data(arguments.memory_mb), memory_of_job(arguments.memory_mb)
        embeddings = Embeddings(
            caches, list(modes.values()), strands(arguments.strand_rule), labelled, stretches, memory
        )
        manifest, val_rows = caches[augmentations.CANONICAL].manifest, with_labels(parts["val"], labelled["val"])

        @cache  # takes a second, and waits for the end of a training
        def of_rows() -> dict[str, str]:
            return {f"{part}_rows_sha256": labels_sha256(parts[part]) for part in ("train", "val")}

        files = [sha256_file(path) for path in (arguments.rows, arguments.split)]

        def identity(group: list[Run]) -> str:
            """Everything that the runs of a family depend on, as text. It is taken before the training, because code
            and packages may change meanwhile."""
            own = group[0]
            modules = {networks.module_of(own.head), augmentations.module_of(own.mode)}
            if augmentations.encodes(own.mode):
                modules.add(kinds.module_name("encoders", arguments.encoder_spec["kind"]))
            read = [*augmentations.views(own.mode), *((0, strand) for strand in strands(arguments.strand_rule))]
            return json.dumps(
                [
                    [(each.head, each.seed) for each in group], own.augmentation, own.mode, own.training, place,
                    arguments.task, construct.spec(), arguments.encoder_spec, arguments.one_draw,
                    arguments.drawn_per_seed, arguments.strand_rule, arguments.study_seed, arguments.search, files,
                    [caches[view].manifest for view in read], code_fingerprint("train_head", *sorted(modules)),
                    versions(*PACKAGES), report()["device"],
                ],
                sort_keys=True,
            )  # fmt: skip

        def trainer(group: list[Run]) -> Any:
            own, lanes = group[0], [(each.head, derived(each)) for each in group]
            train, val, shared = embeddings.of(own.mode)
            return trainer_of(
                lanes, own.mode, train, val, encoder, construct.length, memory, host_memory, task=arguments.task,
                shared=shared, ahead=None if embeddings.apart else (threads, own.training),
            )  # fmt: skip

        waiting = []
        for group in groups:
            kept, text = [each.kept / "identity.json" for each in group], identity(group)
            if all(path.is_file() for path in kept) and {path.read_text() for path in kept} == {text}:
                names = ", ".join(f"{each.head} (seed {each.seed})" for each in group)
                print(f"{names}: kept from an earlier attempt")
            else:
                waiting.append((group, text))
        threads = ThreadPoolExecutor(2)
        stack.callback(threads.shutdown, cancel_futures=True)  # what is queued after an error is not compiled
        # all are made at once, and their programs compiled ahead, unless their embeddings would not fit together
        trainers = map(trainer, (group for group, _ in waiting))
        for (group, text), train_by in zip(waiting, trainers if embeddings.apart else list(trainers), strict=True):
            spec, found = group[0].training, None
            try:
                if arguments.search is None:
                    trained = train_by(spec)
                else:

                    def attempt(spec: dict[str, Any], train_by: Any = train_by) -> Outcome[Any]:
                        (best,) = train_by(spec)
                        return Outcome(best, best.metric, best.score, best.epoch, best.tried)

                    # not by encoder: models of one kind try the same settings, whatever encoder they read
                    kind = networks.kind_of(group[0].head)
                    draws = derived_seed(arguments.study_seed, "search", *place[:2], kind, group[0].seed)
                    found = search(Search(**arguments.search), spec, draws, attempt)
                    trained, spec = [found.model], found.spec
            except DivergedError as error:
                if len(groups) == 1:
                    raise
                failed.append(str(error))
                print(f"error: {error}; the job continues with its other heads", flush=True)
                continue
            for each, best in zip(group, trained, strict=True):
                with atomic(each.kept) as kept:
                    folder = kept / "best_model"
                    folder.mkdir(parents=True)
                    save_head(folder, best.variables)
                    searched = {} if found is None else found.write(folder)
                    drawn = found is not None and found.record["drawn"]
                    write_record(
                        folder, parts, PACKAGES, labelled, name=head_name(manifest, each.head), kind="head",
                        task=arguments.task, dataset=arguments.dataset, split=arguments.split_name,
                        encoder=arguments.encoder, model=f"{arguments.encoder}/{each.augmentation}/{each.head}",
                        augmentation=each.augmentation, mode=each.mode, head=each.head, seed=each.seed,
                        derived_seed=derived(each), strand_rule=arguments.strand_rule,
                        stochastic=arguments.drawn_per_seed or networks.facts(each.head)["stochastic"] or drawn,
                        one_draw=arguments.one_draw, construct=manifest["construct"], spec=spec,
                        tokens=manifest["tokens"], channels=manifest["channels"], encoder_spec=manifest["encoder_spec"],
                        encoder_fingerprint=manifest["encoder_fingerprint"], embedding_dtype=manifest["dtype"],
                        provenance=f"head trained here; encoder {manifest['provenance']}",
                        drawn_per_seed=arguments.drawn_per_seed,
                        seen=Seen.of_record(manifest["seen"]).with_training("encoder"), seen_before=manifest["seen"],
                        licence=manifest["licence"], parameters=best.size, device=report(),
                        validation={
                            "metric": best.metric, "strand": "forward", "value": best.score, "epoch": best.epoch,
                            "ended": best.ended,
                            **({"cells": dict(zip(cells, best.by_output, strict=True))} if best.by_output else {}),
                        },
                        **({"cells": cells} if cells else {}), **searched, **of_rows(),
                    )  # fmt: skip
                    head = Head(read_record(folder), best.variables)

                    def predict(rows: Any, strand: str, head: Head = head) -> Any:
                        there = embeddings.validation(strand)  # of the same rows
                        return (
                            head.predict(caches[0, strand], rows["row_id"])
                            if there is None
                            else (head.predict_from(*there))
                        )

                    write_table(folder / VALIDATION, predict_rows(val_rows, predict, arguments.strand_rule, cells))
                    write_table(kept / "history.tsv", best.history)
                    write_text(kept / "identity.json", text)
    if failed:
        raise DivergedError(
            f"{'; '.join(failed)}; the other families of heads in this job are kept: change the settings of these and "
            "run snakemake again, and only what is missing or changed is trained"
        )
    for each in runs:
        each.finish()


if __name__ == "__main__":
    run(main)
