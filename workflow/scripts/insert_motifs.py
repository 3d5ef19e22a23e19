"""Insert a model's patterns into shuffled sequences, and measure their effect on its predictions."""

import os

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device
from s2f.common.errors import run
from s2f.common.tables import write_table


def main():
    """Shuffle the explained sequences, score them without and with each pattern, write one table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--patterns", required=True, help="patterns (HDF5)")
    parser.add_argument("--attributions", required=True, help="attributions, whose sequences are shuffled")
    parser.add_argument("--model", required=True, help="folder best_model")
    parser.add_argument("--encoder-spec", type=json_option, help="for heads: encoder section of the study (JSON)")
    parser.add_argument("--backgrounds", required=True, type=int, help="number of shuffled sequences")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX and torch share one GPU
    from s2f.interpretation import attributions
    from s2f.interpretation.motifs import insertion, patterns
    from s2f.interpretation.scorer import load

    found, _ = patterns.read(arguments.patterns)
    arrays, _ = attributions.read(arguments.attributions)
    around = insertion.backgrounds(arrays["row_id"], arrays["sequence"], arguments.backgrounds, arguments.study_seed)
    scorer = load(arguments.model, arguments.encoder_spec, len(around))  # imports JAX or torch
    log_device()
    print(f"{len(found)} patterns in {len(around)} backgrounds of {around.shape[1]} bp")
    write_table(arguments.out, insertion.insert(scorer, found, around, arguments.study_seed))


if __name__ == "__main__":
    run(main)
