"""Map which letters of a sequence a language model uses to predict which other letters."""

from s2f.common.arguments import Parser, json_option
from s2f.common.devices import limit_to_job_resources, log_device, report
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import TASKS, read_rows
from s2f.rows.stages import Stages, beside
from s2f.splits.table import panel_rows


def main():
    """Choose rows of the panel, map them, write the maps and the influence of every variant."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--panel", required=True, help="table of the panel")
    parser.add_argument(
        "--first",
        type=int,
        default=3,
        help="number of rows to map: those with the largest labels, or the first positives",
    )
    parser.add_argument("--ids", nargs="*", default=[], help="rows to map instead")
    parser.add_argument("--encoder", required=True, help="name in the study")
    parser.add_argument("--encoder-spec", required=True, type=json_option, help="encoder section of the study (JSON)")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, help="file to write (HDF5)")
    parser.add_argument("--stages", help="table to write: rows kept by each stage (default: beside --out)")
    arguments = parser.parse_args()
    limit_to_job_resources(arguments.threads, arguments.gpus)
    from tqdm import tqdm

    from s2f.common import provenance
    from s2f.representation import dependency_map, map_files  # torch reads the thread count once

    rows = panel_rows(read_rows(arguments.rows, ["row_id", "sequence", "label"]), read_table(arguments.panel))
    stages = Stages()
    rows = map_files.select(rows, arguments.task, arguments.first, arguments.ids, stages)
    print(f"rows: {stages}")
    model = dependency_map.build(arguments.encoder_spec)
    log_device()
    forwards = int((3 * rows["sequence"].str.len() + 1).sum())
    print(f"{len(rows)} sequences, {forwards:,} forward passes; {arguments.encoder} ({model.provenance})", flush=True)
    write_table(arguments.stages or beside(arguments.out), stages.table())
    maps = dependency_map.maps(model, rows["sequence"].tolist(), rows["row_id"].tolist())
    map_files.write(
        arguments.out, rows, tqdm(maps, total=len(rows), unit="sequence", mininterval=5),
        encoder=arguments.encoder, fingerprint=model.fingerprint, licence=model.licence, provenance=model.provenance,
        precision=model.precision, device=report(), versions=provenance.versions("torch", "transformers", "numpy"),
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
