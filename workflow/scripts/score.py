"""Predict sequences, or the effects of variants, with one trained model."""

import os
from dataclasses import fields
from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources
from s2f.common.errors import run
from s2f.scoring.options import BARCODES, EXPERIMENTS, INPUTS

WEIGHTS = "S2F_ENCODER_WEIGHTS"  # where the encoder's weights are on a machine other than that of the training


def main():
    """Pass the options to `s2f.scoring.request.score`."""
    parser = Parser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="folder best_model of a run")
    source = parser.add_argument_group("what is scored, one of these").add_mutually_exclusive_group(required=True)
    source.add_argument("--fasta", type=Path, help="sequences: FASTA, plain or compressed")
    source.add_argument("--table", type=Path, help="sequences: table with a column of them")
    source.add_argument("--pairs", type=Path, help="variants: table with a column of each allele's sequence")
    source.add_argument("--vcf", type=Path, help="variants: VCF, plain or compressed")
    source.add_argument("--variants", type=Path, help="variants: table of chrom, pos, ref, alt, or keys chr7:123:G:T")
    source.add_argument("--bed", type=Path, help="regions: BED, with --genome")
    source.add_argument(
        "--satmut", type=Path, help="saturation mutagenesis: table of measured variants, with --elements"
    )
    parser.add_argument("--columns", nargs="+", help="of --table: its sequence (sequence); of --pairs: ref and alt")
    parser.add_argument(
        "--id-column", help="of --table and --pairs: names of the lines; by default id, or their numbers"
    )
    parser.add_argument("--separator", default="\t", help="of tables; a tab by default")
    parser.add_argument(
        "--genome", type=Path, help="FASTA, plain or compressed, of the build of the variants or regions"
    )
    parser.add_argument(
        "--length", type=int, help="window around a variant or region, in bp; that of most training inserts"
    )
    parser.add_argument("--offsets", type=int, nargs="+", default=[], help="places of the variant in the window, from "
                        "0; values are means over them; the middle by default")  # fmt: skip
    parser.add_argument(
        "--shifts", type=int, nargs="+", default=[0], help="shifts of the construct in bp, means likewise"
    )
    parser.add_argument("--strand", choices=("+", "-", "both", "file"), help="of the genome that is read; `file`: the "
                        "column strand; of `both` the one with the larger effect counts")  # fmt: skip
    parser.add_argument("--genes", type=Path, help="GTF: the strand of the gene over each variant is read")
    parser.add_argument(
        "--tile", type=int, default=0, help="read longer sequences and regions in windows so many bp apart"
    )
    parser.add_argument("--longest", type=int, default=20, help="most bases that a variant may add, remove or replace")
    parser.add_argument("--elements", type=Path, help="of --satmut: table of the elements, with the genome around them")
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS, help="of --satmut: one for each element")
    parser.add_argument("--barcodes", type=int, default=BARCODES, help="of --satmut: fewest for a variant")
    parser.add_argument("--measured", nargs=2, type=Path, metavar=("PREDICTIONS", "PANEL"),
                        help="measured effects: predictions for a panel of pairs, and the panel")  # fmt: skip
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the intervals")
    parser.add_argument("--name", help="what the column model says; that of the study by default")
    parser.add_argument(
        "--encoder-spec",
        type=json_option,
        help="encoder section (JSON), of an ensemble a list, instead of that of the training",
    )
    parser.add_argument("--encoder-weights", nargs="+", default=[], help="where the weights of the encoder are "
                        "here, or ENCODER=FOLDER for each encoder of an ensemble; by default what "
                        f"{WEIGHTS} says, else as in the training")  # fmt: skip
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, type=Path, help="table to write")
    parser.add_argument("--skipped", type=Path, help="table to write of what cannot be scored, and why")
    parser.add_argument(
        "--vcf-out", type=Path, help="of --vcf: the same VCF with the effects in INFO; with .gz indexed"
    )
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX and torch share one GPU
    from s2f.scoring.request import Request, score

    kind = next(name for name in INPUTS if getattr(arguments, name))
    named = {field.name: getattr(arguments, field.name) for field in fields(Request) if hasattr(arguments, field.name)}
    lists = {name: tuple(value) for name, value in named.items() if isinstance(value, list)}
    request = Request(**{**named, **lists, "kind": kind, "path": getattr(arguments, kind)})
    # in a study, the encoder's section says where the weights are
    here = [] if arguments.encoder_spec else [*filter(None, [os.environ.get(WEIGHTS)])]
    score(request, arguments.encoder_spec, arguments.encoder_weights or here)


if __name__ == "__main__":
    run(main)
