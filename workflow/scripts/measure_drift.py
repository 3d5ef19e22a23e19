"""Measure how far fine-tuning moved each layer of an encoder, on validation sequences (linear CKA, IsoScore)."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.arguments import Parser
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import InputError, run
from s2f.common.provenance import derived_seed
from s2f.common.tables import write_table
from s2f.models.checkpoint import read_record
from s2f.rows.canonical import read_rows, sequences_sha256
from s2f.sequences.constructs import Construct
from s2f.sequences.dna import one_hot
from s2f.splits.table import parts_of

Layers = tuple[list[str], list[bool], Callable[[np.ndarray], list[list[np.ndarray]]]]


def main():
    """Draw sequences, encode them with the start and with the fine-tuned encoder, write a line for each layer."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--model", required=True, type=Path, help="folder best_model of a fine-tuned model")
    parser.add_argument("--count", required=True, type=int, help="largest number of validation rows")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study, for drawing the rows")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    from s2f.representation import drift  # NumPy reads the thread count once

    log_device()
    record = read_record(arguments.model)
    layers = of_blocks if "stage2" in record else of_language_model
    names, trained, encode = layers(arguments.model, record)
    val = parts_of(read_rows(arguments.rows), arguments.split)["val"]
    seed = derived_seed(arguments.study_seed, "drift", record["dataset"], record["split"])
    order = np.random.default_rng(seed).permutation(len(val))[: arguments.count]
    rows = val.iloc[np.sort(order)]
    print(
        f"{arguments.model}: {len(rows)} of {len(val)} validation rows, forward strand, {len(names)} layers", flush=True
    )
    start, tuned = encode(Construct.from_spec(record["construct"]).assemble(list(rows["sequence"])))
    stands_on = record["stage2"]["stands_on"] if "stage2" in record else record["encoder_before"]
    about = {
        "model": record["model"], "seed": record["seed"], "stands_on": stands_on, "licence": record["licence"],
        "sequences_sha256": sequences_sha256(rows["row_id"], rows["sequence"]),
    }  # fmt: skip
    table = pd.DataFrame(drift.table_of(names, trained, start, tuned, about))
    print(table[["stage", "trained", "cka", "cka_debiased", "isoscore_start", "isoscore"]].to_string(index=False))
    write_table(arguments.out, table)


def of_blocks(folder: Path, record: dict[str, Any]) -> Layers:
    """(names, which are trained, function of codes (n, L)) for the blocks of a stage-2 model: the function returns the
    pooled output of each block at the start and after training, float32 (n, l, C)."""
    import jax

    from s2f.embeddings import encoders
    from s2f.heads.tuned import load_encoder

    spec = record["encoder_spec"]
    encoder, changes = load_encoder(folder, record, spec)
    tunable, size = encoders.tunable(spec), encoder.batch_size
    blocks = kinds.facts("encoders", spec["kind"])["blocks"]

    @jax.jit
    def stages(weights: dict[str, Any], x: Any) -> list[Any]:
        found = []
        for number in range(len(blocks)):
            x = tunable.apply(weights, x, number, number)
            found.append(x)
        return found

    def encode(codes: np.ndarray) -> list[list[np.ndarray]]:
        padded = np.pad(codes, ((0, -len(codes) % size), (0, 0)))
        batches = [one_hot(padded[first : first + size]) for first in range(0, len(padded), size)]
        found = []
        for weights in (tunable.weights, {**tunable.weights, **(changes or {})}):
            held = jax.device_put(weights)
            parts = [[np.asarray(stage, np.float32) for stage in stages(held, batch)] for batch in batches]
            found.append([np.concatenate(stage)[: len(codes)] for stage in zip(*parts, strict=True)])
        return found

    moved = {tunable.block_of[name] for name in changes or ()}
    return blocks, [block in moved for block in blocks], encode


def of_language_model(folder: Path, record: dict[str, Any]) -> Layers:
    """The same for the layers of a fine-tuned language model, whose outputs are means over tokens (n, 1, C)."""
    if record["kind"] not in kinds.names("baselines") or not kinds.facts("baselines", record["kind"])["weights_of"]:
        raise InputError(
            f"{folder}: {record['model']} is not fine-tuned, so its encoder cannot have changed; "
            "expected a fine-tuned model"
        )
    from s2f.baselines import _finetuned, _lora
    from s2f.embeddings import encoders

    kind, settings = kinds.facts("baselines", record["kind"])["weights_of"], record["settings"]
    known = kinds.schema("encoders", kind)["properties"]
    shared = {key: settings[key] for key in ("size", "tokenizer", "licence") if settings.get(key) and key in known}
    exact = {"kind": kind, **shared, "pooling": "mean", "precision": "float32"}
    layers = range(kinds.facts("encoders", kind)["layers"][settings["size"]] + 1)
    start = _lora.base(folder, settings["weights"]) if settings.get("lora") else settings["weights"]

    def encode(codes: np.ndarray) -> list[list[np.ndarray]]:
        with tempfile.TemporaryDirectory() as place:
            tuned = folder
            if settings.get("lora"):
                tuned = Path(place) / "merged"
                _finetuned.merge(folder, tuned)
            return [
                [encoders.build({**exact, "weights": weights, "layer": layer}).encode(codes) for layer in layers]
                for weights in (start, {"path": str(tuned)})
            ]

    learns = [not settings["freeze"] and not (settings.get("lora") and layer == 0) for layer in layers]
    return [f"layer{layer:02d}" for layer in layers], learns, encode


if __name__ == "__main__":
    run(main)
