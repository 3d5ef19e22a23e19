"""Adapt a language model to the training windows of datasets by predicting masked tokens, without labels."""

from pathlib import Path

import pandas as pd

from s2f.common import kinds, seen
from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, report
from s2f.common.errors import run
from s2f.common.files import atomic, remove
from s2f.common.provenance import derived_seed
from s2f.common.tables import write_table
from s2f.rows.canonical import read_rows, rows_sha256


def main():
    """Write the folder of weights and the table of losses; a killed run continues from its checkpoint."""
    parser = Parser(description=__doc__)
    for part in ("train", "val"):
        parser.add_argument(f"--{part}", required=True, help=f"windows of {part} (parquet)")
    parser.add_argument(
        "--datasets", required=True, nargs="+", help="names in the study of the datasets of these windows"
    )
    parser.add_argument("--name", required=True, help="name in the study")
    parser.add_argument("--spec", required=True, type=json_option, help="section of the study (JSON)")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--history", required=True, help="table of losses to write")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    from s2f.language_model import folder, tapt  # torch reads the thread count once

    log_device()
    settings = tapt.Settings.from_spec(arguments.spec)
    parts = {part: read_rows(getattr(arguments, part)) for part in ("train", "val")}
    print(*[f"{part}: {len(rows):,} windows" for part, rows in parts.items()], sep="; ", flush=True)
    texts = {part: rows["sequence"].tolist() for part, rows in parts.items()}
    checkpoint = arguments.out.with_name(f".{arguments.out.name}.checkpoint")
    seed = derived_seed(arguments.study_seed, "tapt", arguments.name)
    trained = tapt.train(texts["train"], texts["val"], settings, seed, checkpoint, _print)
    fingerprints = {f"{part}_rows_sha256": rows_sha256(rows) for part, rows in parts.items()}
    about = {"name": arguments.name, "study_seed": arguments.study_seed, "device": report()}
    spec = kinds.section_settings("language_model/tapt", {**arguments.spec, "datasets": arguments.datasets})
    about["seen"] = seen.of_adaptation(spec).record()
    record = {**trained.record, **fingerprints, **about}
    with atomic(arguments.out) as temporary:
        folder.save(temporary, trained.model, trained.tokens, record)
    write_table(arguments.history, pd.DataFrame(trained.history))
    remove(checkpoint)


def _print(line):
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
