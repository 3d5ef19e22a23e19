"""Fault drill: what can go wrong in use, tried through the real commands; prints a table of expected and actual
results.

    PYTHONPATH=workflow/scripts:tests python tests/programs/faults.py [--quick | --slow] [--only WORD] [--verbose]

Rows are named by kind of fault: A is silently wrong, B misleads, C annoys, K is a kill, a lock, a full disk or a
damaged file, P is bad input to a program. Exits with status 1 if a case is not as expected.
"""

import argparse
import fcntl
import gzip
import json
import os
import random
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from helpers import shims
from helpers.fault_drill import ROOT, Case, fits, found, preload
from helpers.minimal_study import MINIMAL, changed
from helpers.programs import parser_of
from s2f.common.arguments import json_option

PLASMID = json.dumps({"flanks": "gosai_episomal", "length": 600})
NONE = {"flanks": "none"}
NAMES = {"row_id": "name", "sequence": "seq", "label": "log2FC", "chrom": "chrom"}
SNAKEFILE = ROOT / "workflow" / "Snakefile"


# --- Inputs


def letters(seed, length=20):
    return "".join(random.Random(seed).choices("ACGT", k=length))


def lines_of(count=3, note=None, header="name\tseq\tlog2FC\tchrom"):
    """Lines of a table; `note` {line: text} are cells of a fifth column."""
    rows = [f"r{n}\t{letters(n)}\t{n / 4}\tchr{(7, 19, 2)[n % 3]}" for n in range(count)]
    if note is None:
        return [header, *rows]
    return [f"{header}\tnote", *(f"{row}\t{note.get(n, f'gene{n}')}" for n, row in enumerate(rows))]


def text(lines, end="\n"):
    return end.join(lines) + end


def make_rows(kind, files, spec, task="regression", construct=PLASMID):
    return [
        "make_rows", "--kind", kind, "--files", json.dumps(files), "--spec", json.dumps(spec), "--task", task,
        "--construct", construct, "--rows", "rows.parquet", "--stages", "rows.stages.tsv",
    ]  # fmt: skip


def table(content, name="t.tsv", columns=NAMES, **spec):
    """Case input: a table of the source `table`, as text or bytes."""

    def make():
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return [make_rows("table", {"rows": name}, {"columns": columns, **spec})]

    return make


def rows_read():
    import pyarrow.parquet

    return f"{pyarrow.parquet.read_metadata('rows.parquet').num_rows} rows"


def zipped(name, content):
    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr(name, content)
    return Path("x.zip").read_bytes()


def container(name, content):
    def make():
        return table(zipped(name, content))()

    return make


def parquet():
    import pandas as pd

    pd.DataFrame({"name": ["a"], "seq": ["ACGT"], "log2FC": [1.0]}).to_parquet("p")
    return table(Path("p").read_bytes())()


PEAKS = [("chr1", 500, "+", 4.5), ("chr1", 1200, "-", 5.5), ("chr2", 490, "+", 6.5), ("chr2", 1500, "-", 7.5)]


def peak_lines(columns=10, signal=None, name="QKI_K562_IDR"):
    cells = [
        [chrom, start, start + 30, name, 1000, strand, signal or value, 10, -1, -1, 7]
        for chrom, start, strand, value in PEAKS
    ]
    return ["\t".join(map(str, row[:columns])) for row in cells]


def fasta(headers=("chr1", "chr2"), seed=5, width=60):
    """Text of a FASTA; the sequence of a record depends on its place."""
    lines = []
    for place, header in enumerate(headers):
        sequence = letters(seed + place, 3000)
        lines += [f">{header}", *(sequence[start : start + width] for start in range(0, 3000, width))]
    return text(lines)


def eclip(peaks=None, genome=None, index=None, **spec):
    """Case input: peaks and a genome of the source `encode_eclip`, whose label is the signal."""

    def make():
        Path("p.bed").write_bytes(peaks if isinstance(peaks, bytes) else (peaks or text(peak_lines())).encode())
        Path("g.fa").write_bytes(genome if isinstance(genome, bytes) else (genome or fasta()).encode())
        if index is not None:
            Path("g.fa.fai").write_text(index)
            os.utime("g.fa.fai", (1e9, 1e9))
        options = {"rbp": "QKI", "length": 21, "label": "signal"} | spec
        construct = json.dumps({"flanks": "none", "length": 21})
        return [make_rows("encode_eclip", {"peaks": "p.bed", "genome": "g.fa"}, options, construct=construct)]

    return make


def windows_read():
    """The windows of the four peaks, which are the same with any index."""
    import pandas as pd

    read = pd.read_parquet("rows.parquet").set_index(["chrom", "start"])
    sequence = {"chr1": letters(5, 3000), "chr2": letters(6, 3000)}
    if ">chr2" in Path("g.fa").read_text().split("\n")[0]:
        sequence = {"chr2": letters(5, 3000), "chr1": letters(6, 3000)}
    forward = read[read["strand"] == "+"]
    right = [row.sequence == sequence[chrom][start : start + 21] for (chrom, start), row in forward.iterrows()]
    return f"{len(read)} rows, {sum(right)} of {len(right)} sequences are right"


def study(*path_and_value, **more):
    """Case input: a dry run of the minimal study with one key changed."""

    def make():
        import yaml

        config = changed(*path_and_value) if path_and_value else dict(MINIMAL)
        Path("study.yaml").write_text(yaml.safe_dump(config | more))
        return [plan("--configfile", "study.yaml")]

    return make


def study_text(old, new, *more):
    """Case input: a dry run of the minimal study with its text changed."""

    def make():
        import yaml

        content = yaml.safe_dump(MINIMAL, sort_keys=False)
        assert old in content, old
        Path("study.yaml").write_text(content.replace(old, new))
        return [plan("--configfile", "study.yaml", *more)]

    return make


def plan(*arguments):
    return ["snakemake", "--snakefile", SNAKEFILE, "--dry-run", "--quiet", "all", *arguments]


def two_files():
    study()()
    Path("changes.yaml").write_text("seeds: [1, 2]\n")
    return [plan("--configfile", "study.yaml", "--configfile", "changes.yaml")]


def hosted(content):
    def make():
        Path("Snakefile").write_text(content)
        return [["snakemake", "--dry-run", "--quiet", "all"]]

    return make


def unlucky_names():
    study()()
    for name in ("make_rows", "random", "json", "pandas", "s2f", "statistics"):
        Path(f"{name}.py").write_text("raise SystemExit('the file of the user was run')")
    rows = "results/simulated_d/rows.parquet"
    return [
        [
            "snakemake",
            "--snakefile",
            SNAKEFILE,
            "--cores",
            1,
            "--quiet",
            "all",
            "--configfile",
            "study.yaml",
            "--",
            rows,
        ]
    ]


def simulated(count=120):
    return make_rows("simulated", {}, {"rows": count})


def split(spec):
    return [
        "make_split", "--rows", "rows.parquet", "--spec", json.dumps(spec), "--seed", 0, "--out", "split.tsv",
    ]  # fmt: skip


UNITS = ["make_units", "--rows", "rows.parquet", "--identity", "0.3", "--out", "units.tsv"]
CHROMOSOME = {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
EMBED = [
    "embed", "--rows", "rows.parquet", "--encoder", "kmer2", "--encoder-spec", '{"kind": "kmer", "k": 2}', "--construct",
    PLASMID, "--threads", 1, "--gpus", 0, "--out", "c.h5", "--manifests", "c.json",
]  # fmt: skip
CHECK = ["s2f.embeddings.check", "c.h5"]


def cut(path, share=0.5):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(len(content) * share)])


def flip(path, place=0.9):
    content = bytearray(Path(path).read_bytes())
    content[int(len(content) * place)] ^= 1
    Path(path).write_bytes(bytes(content))


def shim(code, **more):
    """Environment of programs on a file system that fails."""
    return lambda: {"LD_PRELOAD": str(shims.built(Path.cwd(), code)), **more}


def cache(change):
    """Case input: a cache, changed, and checked in full."""
    return lambda: [simulated(), EMBED, change, CHECK]


def locked():
    """Case input: a cache that another process is writing."""

    def hold():
        journal = Path(".c.h5.journal")
        file = journal.open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        HELD.append(file)

    return [simulated(), hold, EMBED]


def shards(change, name="model-00001-of-00001.safetensors"):
    """Case input: weights of a language model in one shard, changed, and a command that reads them."""
    import torch
    from safetensors.torch import save_file

    from s2f.language_model import configuration, loading

    torch.set_num_threads(1)
    model = loading.from_seed(configuration.make("lamar-mini"), 1, "masked_lm")
    state = change({key: tensor.contiguous() for key, tensor in model.state_dict().items()})
    Path("w").mkdir()
    save_file(state, f"w/{name}")
    if name != "model.safetensors":
        index = {"weight_map": dict.fromkeys(state, name)}
        Path("w/model.safetensors.index.json").write_text(json.dumps(index))


TOWER = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}}
LAMAR = {"kind": "lamar", "size": "lamar-mini", "weights": {"path": "w"}, "layer": 1}


def weights(change, name="model.safetensors", after=lambda: None):
    def make():
        import multiprocessing

        maker = multiprocessing.get_context("fork").Process(target=shards, args=(change, name))
        maker.start()  # torch has threads, which must not be there in a later fork
        maker.join()
        spec, construct = json.dumps(LAMAR), json.dumps({"flanks": "none", "length": 20})
        files = {"rows": "t.tsv"}
        Path("t.tsv").write_text(text(lines_of()))
        command = [
            spec if word == '{"kind": "kmer", "k": 2}' else construct if word == PLASMID else word for word in EMBED
        ]
        return [make_rows("table", files, {"columns": NAMES}, construct=construct), after, command]

    return make


def program(name, **given):
    """Case input of a program: a file that it cannot read, in place of every file that it reads."""

    def make():
        Path("broken").write_bytes(bytes(range(256)) * 8)
        words = [name]
        for action in parser_of(name)._actions:
            option = action.option_strings[-1]
            key = option.removeprefix("--").replace("-", "_")
            if not (action.required or key in given) or key == "help":
                continue
            value = given.get(key)
            if value is None:
                value = "{}" if action.type is json_option else next(iter(action.choices)) if action.choices else None
            if value is None:
                value = 1 if action.type is int else 0.3 if action.type is float else "broken"
            if key in WRITTEN:
                value = f"out/{key}"
            words += [option, *(value if isinstance(value, list) else [value])]
        return [words]

    return make


def below_a_file(*words):
    """Case input of a program whose output would be below the file t.tsv, which is a table."""

    def make():
        Path("t.tsv").write_text(TAB)
        return [list(words)]

    return make


BELOW_A_FILE = (
    ("s2f.study.new", "t.tsv", "--out", "t.tsv/my.yaml"), ("s2f.study.document", "t.tsv/README.md"),
    ("bench.gpu", "--quick", "--parts", "rows", "--folder", "t.tsv"),
    ("plot_calibration", "--calibration", "c.tsv", "--dataset", "d", "--split", "s", "--out", "t.tsv/x.png"),
    ("download", "--name", "x", "--downloads", "{}", "--out", "t.tsv/x"),
)  # fmt: skip
HELD = []  # files that are locked, until the process ends
WRITTEN = {"out", "text", "plot", "stages", "models", "histories", "history", "predictions", "metrics_out", "manifests"}


# --- Cases: row, what goes in, how, what must come of it (`ok: …`, or the message)

TAB = text(lines_of())
LIST = [
    # tables
    Case("A1", "a quote at the start of a cell that nothing closes", table(text(lines_of(10, {2: '"unclosed'}))), r"ok: 10 rows|line 4\b.*quot", rows_read),
    Case("A1", "two such cells, lines between them", table(text(lines_of(10, {2: '"Alu-like', 7: '"x'}))), r"ok: 10 rows|line 4\b.*quot", rows_read),
    Case("A1", "a quote within a cell", table(text(lines_of(10, {2: '5" end'}))), "ok: 10 rows", rows_read),
    Case("A1", "a quoted cell with a separator in it", table(text(lines_of(10, {2: '"a\tb"'}))), r"ok: 10 rows|line 4\b", rows_read),
    Case("B2", "a table of UTF-16, as spreadsheets write Unicode text", table(TAB.encode("utf-16")), "ok: 3 rows|UTF-16", rows_read),
    Case("B2", "a table of UTF-16 without its mark", table(TAB.encode("utf-16-le")), "ok: 3 rows|UTF-16|NUL|byte", rows_read),
    Case("B2", "a gzip file without .gz", table(gzip.compress(TAB.encode())), "ok: 3 rows|gzip", rows_read),
    Case("B2", "a zip archive", container("t.tsv", TAB), "ok: 3 rows|zip", rows_read),
    Case("B2", "an Excel workbook", container("xl/workbook.xml", "<x/>"), "error: .*Excel", rows_read),
    Case("B2", "a Parquet file as a table", parquet, "ok: 1 rows|Parquet", rows_read),
    Case("B2", "a table with a byte order mark and CRLF", table(b"\xef\xbb\xbf" + text(lines_of(), "\r\n").encode()), "ok: 3 rows", rows_read),
    Case("B2", "a table with the line ends of old Macs", table(text(lines_of(), "\r")), "ok: 3 rows|error: .*line", rows_read),
    Case("B3", "line breaks in quoted cells, a small table", table(text(lines_of(8, {n: '"one\ntwo"' for n in range(8)}))), "ok: 8 rows", rows_read),
    Case("B3", "line breaks in quoted cells, 2 MB", table(text(lines_of(30000, {n: '"one\ntwo"' for n in range(30000)}))), "ok: 30000 rows", rows_read, quick=False),
    Case("B10", "a label of 1e300", table(text([*lines_of(), f"x\t{letters(9)}\t1e300\tchr7"])), r"error: .*(1e\+?300|row 'x'|line 5)", rows_read),
    Case("B10", "a row_id twice", table(text([*lines_of(), f"r1\t{letters(9)}\t1\tchr7"])), "error: .*t.tsv.*r1", rows_read),
    Case("C", "two empty header cells at the end", table(text([f"{line}\t\t" for line in lines_of()])), "ok: 3 rows", rows_read),
    Case("C", "a comment above the header", table("# made by R\n" + TAB), "ok: 3 rows|error: .*(comment|#)", rows_read),
    Case("C", "a VCF as a table", table("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n1\t2\t.\n"), "error: .*VCF", rows_read),
    Case("C", "a word for a missing label that is not known", table(TAB.replace("\t0.25\t", "\tN/A\t")), "ok: 2 rows|error: .*N/A", rows_read),
    Case("C", "a row without label and sequence", table(text([*lines_of(), "x\t\t\tchr7"])), "ok: 3 rows", rows_read),
    Case("C", "a file without a header, columns by number", table(text(lines_of()[1:]), columns={"row_id": 1, "sequence": 2, "label": 3, "chrom": 4}), "ok: 3 rows", rows_read),
    Case("P", "an empty table", table(""), "error: t.tsv.*([Ee]mpty|no )"),
    Case("P", "a header alone", table(text(lines_of()[:1])), "error: t.tsv.*(no row|no line|0 rows|empty)"),
    Case("P", "a column that is not there", table(TAB.replace("log2FC", "score")), "error: t.tsv.*'log2FC'"),
    Case("P", "a column twice", table(text(["name\tseq\tseq\tlog2FC\tchrom", f"a\t{letters(1)}\t{letters(2)}\t1\tchr7"])), "error: .*'seq'"),
    Case("P", "a letter that is no base", table(TAB.replace(letters(1), "ACGTXACGT")), "error: .*(r1|line 3).*X"),
    Case("P", "a label that is no number", table(TAB.replace("\t0.25\t", "\tabc\t")), "error: .*(r1|line 3).*'abc'"),
    Case("P", "a line of too few cells", table(text([*lines_of(), "x\tACGT"])), r"error: t.tsv: line 5\b"),
    Case("P", "a gzip file that was cut", table(gzip.compress(text(lines_of(500)).encode())[:2000], "t.tsv.gz"), "error: t.tsv.gz"),
    Case("P", "a table that is not there", lambda: [make_rows("table", {"rows": "no.tsv"}, {"columns": NAMES})], "error: no.tsv: no such file"),
    Case("P", "a folder in the place of a table", lambda: [Path("t.tsv").mkdir, make_rows("table", {"rows": "t.tsv"}, {"columns": NAMES})], "error: t.tsv"),
    *(Case("P", f"{words[0]}: an output below a file", below_a_file(*words), f"error: .*{words[-1]}") for words in BELOW_A_FILE),
    Case("P", "a name with a zero-width space", table(TAB.replace("r1\t", "r1\u200b\t")), r"error: .*U\+200B \(ZERO WIDTH SPACE\)"),
    Case("P", "labels that are all the same", table(text([lines_of()[0], *(f"r{n}\t{letters(n)}\t0.5\tchr7" for n in range(9))])), "error: t.tsv: the label is 0.5 in all 9 rows"),
    Case("P", "a chromosome with a band, 7p12, in a split by chromosome", lambda: [*table(text([lines_of()[0], *(f"r{n}\t{letters(n)}\t{n}\t{c}" for n, c in enumerate(["7", "19", "1", "7p12", "2", "3"]))]))(), split(CHROMOSOME)], "ok: 1 of 6 rows lie on names that are not whole chromosomes .*: chr7p12 1; of these rows 1 train", lambda: Path("split.stages.tsv").read_text().split("note")[-1].strip()),
    Case("P", "an insert longer than the window", table(text([*lines_of(), f"x\t{letters(1, 700)}\t1\tchr7"])), "error: .*x.*700"),
    # coordinates, pairs, splits
    Case("A9", "coordinates that do not fit the insert", table(text([f"{line}\t{e}" for line, e in zip(lines_of(), ["s\te", "0\t500", "100\t600", "0\t20"], strict=True)]), columns=NAMES | {"start": "s", "end": "e"}), "error: .*r0.*500.*20|error: .*500.*20.*r0"),
    Case("A4", "coordinates from 1", table(text([f"{line}\t{e}" for line, e in zip(lines_of(), ["s\te", "1\t20", "101\t120", "1\t20"], strict=True)]), columns=NAMES | {"start": "s", "end": "e"}), "error: .*(19|from 1|0-based|1-based)"),
    Case("A9", "all rows of one sequence", lambda: [*table(text([lines_of()[0], *(f"r{n}\t{letters(1)}\t{n}\tchr7" for n in range(20))]))(), split({"kind": "random", "val": 0.2, "test": 0.2})], "error: .*(one|same|cluster|hold together|locus)"),
    Case("P", "a split by a chromosome that no row is on", lambda: [*table(TAB)(), split(CHROMOSOME | {"test": ["chr13"]})], "error: .*test"),
    Case("A10", "2,000 inserts of (GT)n: units", lambda: [*table(text([lines_of()[0], *(f"r{n}\t{('GT' * 60)[n % 7:][:100 + n % 9]}{letters(n, 6)}\t{n}\tchr{n % 5 + 1}" for n in range(2000))]))(), UNITS], "ok: done", quick=False),
    # peaks, genomes, indices
    Case("A2", "peaks with the line ends of old Macs", eclip(text(peak_lines(), "\r")), "ok: 4 rows|error: .*line", windows_read),
    Case("A2", "broadPeak, of 9 columns", eclip(text(peak_lines(9))), "ok: 4 rows, 2 of 2|error: .*9 columns|error: .*broadPeak", windows_read),
    Case("A2", "narrowPeak with 11 columns", eclip(text(peak_lines(11))), "ok: 4 rows, 2 of 2|error: .*11", windows_read),
    Case("A2", "narrowPeak with a tab at the end", eclip(text([f"{line}\t" for line in peak_lines()])), "ok: 4 rows, 2 of 2|error: .*(11|tab)", windows_read),
    Case("A2", "a signal that is the same for all peaks, as a label", eclip(text(peak_lines(signal=3))), "error: .*every peak has the signal 3", windows_read),
    Case("A2", "peaks with a byte order mark", eclip(b"\xef\xbb\xbf" + text(peak_lines()).encode()), "ok: 4 rows, 2 of 2", windows_read),
    Case("A2", "peaks with header lines of a browser", eclip("track name=x\n" + text(peak_lines())), "ok: 4 rows, 2 of 2|error: .*track", windows_read),
    Case("P", "no peak", eclip("\n"), "error: p.bed", windows_read),
    Case("P", "peaks of another protein", eclip(text(peak_lines(name="PUM2_K562_IDR"))), "error: .*PUM2", windows_read),
    Case("B4", "contigs of HLA alleles", eclip(genome=fasta(("chr1", "chr2", "HLA-A*01:01:01:01", "gi|123|ref|NC_1.1|"))), "ok: 4 rows, 2 of 2", windows_read),
    Case("B4", "chrM and chrMT", eclip(genome=fasta(("chr1", "chr2", "chrM", "chrMT"))), "ok: 4 rows, 2 of 2", windows_read),
    Case("B10", "a tab in a FASTA header", eclip(genome=fasta(("chr1\tx", "chr2"))), "ok: 4 rows, 2 of 2|error: g.fa", windows_read),
    Case("B10", "a FASTA header in UTF-8", eclip(genome=fasta(("chr1", "chr2", "chr3 größe"))), "ok: 4 rows, 2 of 2", windows_read),
    Case("P", "a genome without a chromosome of the peaks", eclip(genome=fasta(("chr1",))), "error: .*chr2", windows_read),
    Case("P", "a FASTA of protein", eclip(genome=f">chr1\n{'MKLV' * 1000}\n>chr2\n{'MKLV' * 1000}\n"), "error: g.fa", windows_read),
    Case("A3", "an index of records in the other order", eclip(genome=fasta(("chr2", "chr1")), index="chr1\t3000\t6\t60\t61\nchr2\t3000\t3062\t60\t61\n"), "ok: 4 rows, 2 of 2|error: .*fai", windows_read),
    Case("A3", "an empty index", eclip(index=""), "ok: 4 rows, 2 of 2|error: .*fai", windows_read),
    Case("A3", "an index without a chromosome", eclip(index="chr1\t3000\t6\t60\t61\n"), "ok: 4 rows, 2 of 2|error: .*fai", windows_read),
    Case("A3", "an index of longer headers", eclip(index="chr1\t3000\t26\t60\t61\nchr2\t3000\t3102\t60\t61\n"), "ok: 4 rows, 2 of 2|error: .*fai", windows_read),
    # the workflow
    Case("A5", "files of the user named as programs and libraries", unlucky_names, "ok: True", lambda: Path("results/simulated_d/rows.parquet").exists(), quick=False),
    Case("A7", "two flags --configfile, of which the last names no study", two_files, "error: .*changes.yaml: no study, .* --configfile study.yaml changes.yaml"),
    Case("A8", "fasta_pairs without strand_rule: forward", study(["datasets"], {"d": MINIMAL["datasets"]["simulated_d"] | {"task": "classification", "source": {"kind": "fasta_pairs", "files": {"positives": "p.fa", "negatives": "n.fa"}}}}), "error: .*strand_rule.*forward"),
    Case("B5", "no comparison.against, measured empty", study(["datasets", "simulated_d", "measured"], ""), "ok: done"),
    Case("B6", "a lone file of the workflow, as github() fetches", hosted(SNAKEFILE.read_text()), r"error: .*cannot be used by github\(\).*clone"),
    Case("B7", "a dataset named 2024", study_text("simulated_d", "2024"), "error: .*study.yaml: line \\d+: YAML takes the name 2024 for a number; write it in quotes: '2024'"),
    Case("B7", "a dataset named no", study_text("simulated_d", "no"), "error: .*the name no for true or false; write it in quotes: 'no'"),
    Case("B7", "a panel named 1", study_text("      chromosome:\n        kind: rows", "      1:\n        kind: rows"), "error: .*the name 1 for a number"),
    Case("B7", "braces in the description", study(description="heads {on} x"), "ok: done", quick=False),
    Case("B7", "{datadir} in the name of a file", study(["datasets", "simulated_d", "source"], {"kind": "lentimpra", "files": {"rows": "{datadir}/x.tsv"}}), r"error: .*files.rows: '\{datadir\}/x.tsv': \{datadir\} is not a known placeholder; known: \{data_dir\}"),
    Case("B7", "learning_rate: 1e-3", study_text("models:", "training: {learning_rate: 1e-3}\nmodels:"), "error: .*learning_rate: '1e-3' is not of type 'number', because YAML reads it as text; write 1.0e-3"),
    Case("B7", "a key that is misspelt", study(trainning={}), "error: .*'trainning' is unknown; did you mean 'training'", quick=False),
    Case("B7", "a key twice", study_text("study: tiny", "study: tiny\nseeds: [1]\nseeds: [2]"), "error: .*line 3: key 'seeds' is already on line 2", quick=False),
    Case("B7", "seeds: [1.0]", study(seeds=[1.0]), "error: .*seeds.0: 1.0 is not of type 'integer'; write 1"),
    Case("B7", "seed: 010", study_text("models:", "seed: 010\nmodels:"), "error: .*YAML takes 010 for the number 8; write that number, or put text in quotes", quick=False),
    Case("B7", "CHR19 in a split", study(["splits", "chromosome"], {"kind": "chromosome", "val": ["CHR19"]}), "error: .*'CHR19' is not the name of a chromosome; write chr19", quick=False),
    Case("B8", "--config with lists, true and mappings", study_text("study", "study", "--config", "seeds=[1,2]", "train_together=true", "training={epochs: 3, learning_rate: 1e-3}"), "ok: done"),
    Case("B8", "--config study=x alone", lambda: [plan("--config", "study=x")], "ok: done", quick=False),
    Case("B8", "--config seeds=[a]", study_text("study", "study", "--config", "seeds=[a]"), "error: .*seeds.0: 'a' is not of type 'integer'", quick=False),
    Case("C", "a container of a study in which rules have no job", lambda: [lambda: Path("study.yaml").write_text(json.dumps(MINIMAL | {"encoders": {}, "models": [{"baselines": ["mean"]}]})), ["snakemake", "--snakefile", SNAKEFILE, "--configfile", "study.yaml", "--containerize"]], "ok: done|conda info", quick=False),
    # locks, disks, caches, weights
    Case("B1", "a cache is written and read without locks", lambda: [simulated(), EMBED, CHECK], "ok: done", quick=False, environment=shim(shims.NO_LOCKS)),
    Case("B1", "locks that the environment asks for and that are not there", lambda: [simulated(), EMBED], "error: .*HDF5_USE_FILE_LOCKING=FALSE", quick=False, environment=shim(shims.NO_LOCKS, HDF5_USE_FILE_LOCKING="TRUE")),
    Case("K", "a full disk: rows", lambda: [simulated()], "error: .*disk of . is full; free some space and run it again", environment=shim(shims.FULL_DISK)),
    Case("K", "a cache that was cut", cache(lambda: cut("c.h5")), "error: c.h5: the file is truncated.*delete it and run again"),
    Case("K", "a bit of a cache's embeddings that has flipped", cache(lambda: flip("c.h5")), "error: c.h5: chunk .* checksum"),
    Case("K", "a bit of a cache's index that has flipped", cache(lambda: flip("c.h5", 0.2)), "error: c.h5: "),
    Case("K", "an empty cache", cache(lambda: cut("c.h5", 0)), "error: c.h5: the file is truncated"),
    Case("K", "a cache without its manifest", cache(lambda: Path("c.json").unlink()), "error: c.json: no such file"),
    Case("K", "a second writer of a cache", locked, "error: .*another process is writing this cache"),
    Case("K", "a part of a file that a kill has left", lambda: [lambda: Path(".rows.parquet.tmp").write_text("half"), simulated()], "ok: 1", lambda: len(list(Path().glob("*rows.parquet*")))),
    Case("B9", "weights in shards with an index", weights(lambda state: state, "model-00001-of-00001.safetensors"), "ok: done", quick=False),
    Case("B9", "names of weights that begin with module.", weights(lambda state: {f"module.{name}": state[name] for name in state}), "ok: done", quick=False),
    Case("B9", "a pointer of git-lfs", weights(lambda state: state, after=lambda: Path("w/model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n")), "error: w/model.safetensors: is a pointer of git-lfs", quick=False),
    Case("B9", "weights that were cut", weights(lambda state: state, after=lambda: cut("w/model.safetensors")), "error: w/model.safetensors: is broken", quick=False),
    Case("B9", "a link to weights that are not there", weights(lambda state: state, after=lambda: (Path("w/model.safetensors").unlink(), Path("w/model.safetensors").symlink_to("blob"))), "error: .*is a link to blob, which does not exist", quick=False),
]  # fmt: skip
# every program, on files that it cannot read
QUICK = (
    "make_units make_split make_panel audit_split select_sequences adaptation_windows compare compare_across plot_audit "
    "plot_comparison comparison_page plot_split plot_isoscore plot_drift plot_interpretation plot_dependency_map "
    "isoscore measure_dependency_map summarise_interpretation interpretation_truth summarise_designs design_truth "
    "plot_design make_rows download embed find_motifs plot_motifs motifs_truth"
)
SLOW = (
    "train_baseline evaluate_baseline train_head evaluate_head train_stage2 evaluate_stage2 interpret dependency_map tapt "
    "export_encoder measure_drift design_sequences insert_motifs"
)
GIVEN = {
    "make_rows": {
        "kind": "table",
        "files": '{"rows": "broken"}',
        "spec": json.dumps({"columns": NAMES}),
        "construct": PLASMID,
    },
    "make_split": {"spec": json.dumps(CHROMOSOME)},
    "make_panel": {"spec": '{"kind": "rows"}'},
    "compare": {"study": '{"datasets": {}}'},
    "compare_across": {"study": '{"study": "x", "series": {}}'},
    "embed": {"encoder_spec": '{"kind": "kmer", "k": 2}', "construct": PLASMID},
    "train_head": {"construct": PLASMID, "mode": '{"kind": "no_shift"}', "heads": ["boda-mean-8"]},
    "train_stage2": {"construct": PLASMID, "encoder_spec": json.dumps(TOWER), "settings": "{}", "caches": []},
    "evaluate_stage2": {"encoder_spec": json.dumps(TOWER)},
    "train_baseline": {"kind": "mean", "construct": PLASMID},
    "download": {"downloads": '{"broken": {"urls": ["file:///nowhere/x"]}}'},
    "dependency_map": {"encoder_spec": json.dumps(LAMAR)},
    "design_sequences": {"random": "2"},
    "plot_split": {
        "rows": "broken",
        "task": "regression",
        "names": ["p"],
        "kinds": ["rows"],
        "panels": ["broken"],
        "models": ["m"],
        "seeds": ["1"],
        "predictions": ["broken"],
        "prediction_pictures": ["out/p.png"],
    },
    "tapt": {"spec": '{"size": "lamar-mini"}', "datasets": ["d"]},
}
LIST += [
    Case(
        "P",
        f"{name} on files that are none",
        program(name, **GIVEN.get(name, {})),
        "error: ",
        quick=name in QUICK.split(),
    )
    for name in (QUICK + " " + SLOW).split()
]
CASES = [case for case in LIST if case.environment is dict or shims.can_be_built()]
# bad input to single programs has separate tests: these cases are not among the quick ones of CI
CASES = [replace(case, quick=case.quick and case.row != "P") for case in CASES]


def main():
    """Run the cases, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="those that CI runs")
    which.add_argument("--slow", action="store_true", help="the others")
    parser.add_argument("--only", default="", help="those with this word in row or name")
    parser.add_argument(
        "--verbose", action="store_true", help="what commands printed, of those that are not as expected"
    )
    arguments = parser.parse_args()
    chosen = [case for case in CASES if arguments.only in f"{case.row} {case.name}"]
    chosen = [
        case for case in chosen if not (arguments.quick and not case.quick) and not (arguments.slow and case.quick)
    ]
    preload()
    wrong, total = 0, 0.0
    for case in chosen:
        result, output, seconds = found(case)
        right = fits(case, result)
        wrong, total = wrong + (not right), total + seconds
        print(f"{'   ' if right else '!! '}{case.row:<4} {case.name}  [{seconds:.1f} s]")
        if not right:
            print(f"        expected {case.expected}")
        print(f"        found    {result[:300]}", flush=True)
        if arguments.verbose and not right:
            print(output[-3000:])
    print(f"{len(chosen)} cases, {wrong} not as expected, {total:.0f} s of CPU")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
