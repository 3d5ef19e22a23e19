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
    source = parser.add_argument_group("what to score, one of these").add_mutually_exclusive_group(required=True)
    source.add_argument("--fasta", type=Path, help="sequences: FASTA, plain or compressed")
    source.add_argument("--table", type=Path, help="sequences: table with a column of them")
    source.add_argument("--pairs", type=Path, help="variants: table with a column for the sequence of each allele")
    source.add_argument("--vcf", type=Path, help="variants: VCF, plain or compressed")
    source.add_argument("--variants", type=Path, help="variants: table of chrom, pos, ref, alt, or keys chr7:123:G:T")
    source.add_argument("--bed", type=Path, help="regions: BED, with --genome")
    source.add_argument(
        "--satmut", type=Path, help="saturation mutagenesis: table of measured variants, with --elements"
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        help="for --table: column of the sequence (default: sequence); for --pairs: columns of ref and alt",
    )
    parser.add_argument(
        "--id-column",
        help="for --table and --pairs: column of names of the lines (default: id if there is one, else line numbers)",
    )
    parser.add_argument("--separator", default="\t", help="separator of cells in tables (default: a tab)")
    parser.add_argument(
        "--genome", type=Path, help="FASTA, plain or compressed, of the build of the variants or regions"
    )
    parser.add_argument(
        "--length",
        type=int,
        help="window around a variant or region, in bp (default: the length of most training inserts)",
    )
    parser.add_argument("--offsets", type=int, nargs="+", default=[], help="positions of the variant in the window, "
                        "counted from 0, over which values are averaged (default: the middle)")  # fmt: skip
    parser.add_argument(
        "--shifts",
        type=int,
        nargs="+",
        default=[0],
        help="shifts of the construct in bp, over which values are averaged",
    )
    parser.add_argument("--strand", choices=("+", "-", "both", "file"), help="strand of the genome that is read; "
                        "`file`: as in the column strand; `both`: the one with the larger effect counts")  # fmt: skip
    parser.add_argument("--genes", type=Path, help="GTF: read the strand of the gene at each variant")
    parser.add_argument(
        "--tile", type=int, default=0, help="read longer sequences and regions in windows, this many bp apart"
    )
    parser.add_argument(
        "--longest", type=int, default=20, help="largest number of bases that a variant may add, remove or replace"
    )
    parser.add_argument(
        "--elements", type=Path, help="for --satmut: table of the elements, with the genome around them"
    )
    parser.add_argument(
        "--experiments", nargs="+", default=EXPERIMENTS, help="for --satmut: experiments, one for each element"
    )
    parser.add_argument("--barcodes", type=int, default=BARCODES, help="for --satmut: fewest barcodes of a variant")
    parser.add_argument("--measured", nargs=2, type=Path, metavar=("PREDICTIONS", "PANEL"),
                        help="measured effects: predictions for a panel of pairs, and the panel")  # fmt: skip
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of the intervals")
    parser.add_argument("--name", help="name of the model in the column model (default: its name in the study)")
    parser.add_argument(
        "--encoder-spec",
        type=json_option,
        help="encoder section to use instead of that in training (JSON; for an ensemble a list)",
    )
    parser.add_argument("--encoder-weights", nargs="+", default=[], help="where the weights of the encoder are on "
                        f"this machine, or ENCODER=FOLDER for each encoder of an ensemble (default: what {WEIGHTS} "
                        "says, else as in training)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, type=Path, help="table to write")
    parser.add_argument("--skipped", type=Path, help="table to write: lines that cannot be scored, and why")
    parser.add_argument(
        "--vcf-out",
        type=Path,
        help="for --vcf: the same VCF with the effects in INFO to write; indexed if it ends in .gz",
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
