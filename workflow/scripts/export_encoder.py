"""Write the encoder of a stage-2 model in the layout of published weights, for the key `weights` of an encoder."""

from pathlib import Path

from s2f.common import kinds
from s2f.common.arguments import Parser
from s2f.common.devices import limit_to_job_resources
from s2f.common.errors import InputError, run
from s2f.common.files import atomic, write_json
from s2f.common.seen import of_checkpoint
from s2f.models.checkpoint import read_record


def main():
    """Merge the trained arrays with the weights they are based on, write the result, and read it again."""
    parser = Parser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="folder best_model of a stage-2 run")
    parser.add_argument(
        "--encoder-weights", help="where the published weights are on this machine (default: as in training)"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    arguments = parser.parse_args()
    if arguments.out.exists():
        raise InputError(f"{arguments.out}: exists already, and everything in it would be replaced; name a new folder")
    record = read_record(arguments.model, kind="head")
    if "stage2" not in record:
        raise InputError(
            f"{arguments.model}: is a head on a frozen encoder, so there is nothing to merge; expected a stage-2 model"
        )
    spec, kind = record["encoder_spec"], record["encoder_spec"]["kind"]
    if arguments.encoder_weights:
        if "path" not in spec["weights"]:
            raise InputError(
                f"--encoder-weights: {arguments.model} is based on {spec['weights']}, which need no "
                "folder; omit this option"
            )
        spec = {**spec, "weights": {"path": arguments.encoder_weights}}
    if of_checkpoint(kind, arguments.out):
        raise InputError(
            f"{arguments.out}: has the name of published weights, from which tables would take what it has seen; "
            "choose another name"
        )
    limit_to_job_resources(arguments.threads, 0)
    from s2f.embeddings import encoders
    from s2f.embeddings.encoders._towers import EXPORTED, RECORD
    from s2f.heads.tuned import load_encoder

    encoder, changes = load_encoder(arguments.model, record, spec)
    about = {
        "kind": EXPORTED, "encoder_kind": kind, "encoder_fingerprint": encoder.fingerprint,
        "precision": kinds.settings("encoders", kind, spec)["precision"],
        "provenance": f"fine-tuned on the training rows of {record['dataset']}, split {record['split']} "
        f"({record['model']}, seed {record['seed']}), from {encoders.build(spec).provenance}",
        "licence": record["licence"], "seen": record["seen"], "stage2": record["stage2"],
        **{key: record[key] for key in ("dataset", "split", "model", "seed", "train_rows_sha256", "versions")},
    }  # fmt: skip
    with atomic(arguments.out) as folder:
        kinds.module("encoders", kind).save(folder, spec, changes)
        write_json(folder / RECORD, about)
        merged = {**spec, "weights": {"path": str(folder)}}
        if encoders.build(merged).fingerprint != record["encoder_fingerprint"]:
            raise RuntimeError(f"{folder}: the encoder as written differs from that of {arguments.model}")
    entry = {key: value for key, value in spec.items() if key not in ("weights", "seen")}
    print(f"{arguments.out}: {encoder.channels} channels, {about['provenance']}")
    print(f"licence: {encoder.licence}")
    print(f"in a study: { ({**entry, 'weights': {'path': str(arguments.out)}}) }")


if __name__ == "__main__":
    run(main)
