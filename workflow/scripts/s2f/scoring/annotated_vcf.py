"""The VCF that was scored, with the effects in INFO."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.sequences import vcf
from s2f.sequences.vcf import Field

# for each column of the scores: the field of INFO and what it is; several cells have a field each
FIELDS = {
    "ref": ("S2F_REF", "prediction for REF"),
    "alt": ("S2F_ALT", "prediction for ALT"),
    "delta": ("S2F_DELTA", "effect: S2F_ALT minus S2F_REF"),
    "sd": ("S2F_SD", "standard deviation of the effect over the members of the ensemble"),
    "low": ("S2F_LOW", "lower end of the interval of the effect"),
    "high": ("S2F_HIGH", "upper end of the interval of the effect"),
    "percentile": ("S2F_PERCENTILE", "percentage of measured effects that are not larger"),
}
STRAND = ("S2F_STRAND", "strand of the genome that was read; of_both: the strand with the larger effect")


def check(source: Path, cells: Sequence[str], ensemble: bool = False) -> None:
    """Raise `InputError` for a VCF to which the effects for `cells` cannot be added: its header already has one of the
    fields, or two cells have the same field."""
    fields = _fields(cells, "", ensemble)
    names = [field.name for field in fields]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise InputError(f"{source}: two cells would become the same INFO field {twice}; write only a table (--out)")
    vcf.refuse_known(vcf.read_header(source), fields)


def write(
    source: Path,
    out: Path,
    tables: Iterable[Path],
    cells: Sequence[str],
    unit: str,
    about: str,
    ensemble: bool = False,
) -> None:
    """Write the VCF `source` again with the scores in `tables`, the files of one table, with lines in the order of the
    records; the first file has the table's header. `unit` is the unit of the predictions, `about` a line on the model
    for the VCF header. Variants without a score get a dot. Raises `InputError` as `vcf.written`."""
    header, added = vcf.read_header(source), _fields(cells, unit, ensemble)
    scores = _Scores(tables)
    with vcf.written(out, header, added, [f"##s2f_model={about}"]) as writer:
        for batch in vcf.read_vcf(source):
            variants = batch.variants
            known = scores.up_to(int(variants.line[-1]))
            place: dict[tuple[int, str], int] = {}  # if an ALT is written twice, the first was scored
            for row, key in enumerate(zip(variants.line.tolist(), variants.alt, strict=True)):
                place.setdefault(key, row)
            rows = np.array([place[key] for key in zip(known["line"], known["alt_allele"], strict=True)], int)
            values: dict[str, np.ndarray] = {}
            for cell in cells:
                own = (known["cell"] == cell).to_numpy() if cell else np.full(len(known), True)
                for column, (field, _) in _columns(ensemble).items():
                    filled = np.full(len(variants), np.nan)
                    filled[rows[own]] = known[column].to_numpy(float)[own]
                    values[_name(field, cell)] = filled
                strand = np.full(len(variants), "", object)
                read = known["strand"] if "strand" in known else pd.Series("+", known.index)
                strand[rows[own]] = read.str.replace(" (larger of both)", "_of_both", regex=False)[own]
                values[_name(STRAND[0], cell)] = strand
            writer.write(batch, values)


def _columns(ensemble: bool) -> dict[str, tuple[str, str]]:
    """`FIELDS` of a model; a single model has no spread over members."""
    return {column: field for column, field in FIELDS.items() if ensemble or column != "sd"}


def _fields(cells: Sequence[str], unit: str, ensemble: bool) -> list[Field]:
    found = []
    for cell in cells:
        found += [Field(_name(FIELDS[column][0], cell), _text(column, cell, unit)) for column in _columns(ensemble)]
        found.append(Field(_name(STRAND[0], cell), STRAND[1], "String"))
    return found


class _Scores:
    """The lines of some tables, read as they are needed."""

    def __init__(self, tables: Iterable[Path]) -> None:
        self.frames = _frames(tables)
        self.ahead = pd.DataFrame({"line": [], "alt_allele": []})

    def up_to(self, line: int) -> pd.DataFrame:
        """The next lines: those for the records up to a line of the VCF."""
        found = []
        while True:
            now = self.ahead["line"] <= line
            found.append(self.ahead[now])
            self.ahead = self.ahead[~now]
            if len(self.ahead):
                break
            following = next(self.frames, None)
            if following is None:
                break
            self.ahead = following
        whole = [part for part in found if len(part)] or found[-1:]
        return pd.concat(whole, ignore_index=True)


def _frames(tables: Iterable[Path]) -> Iterator[pd.DataFrame]:
    columns: list[str] | None = None
    for path in tables:
        if not path.stat().st_size:  # a block in which nothing could be scored
            continue
        frame = pd.read_csv(
            path, sep="\t", names=columns, dtype={"alt_allele": str, "cell": str, "strand": str}, keep_default_na=False,
            na_values={column: [""] for column in FIELDS},
        )  # fmt: skip
        columns = list(frame.columns)
        yield frame


def _name(field: str, cell: str) -> str:
    return f"{field}_{re.sub(r'[^0-9A-Za-z_.]', '_', cell)}" if cell else field


def _text(column: str, cell: str, unit: str) -> str:
    return f"{FIELDS[column][1]}{f', {cell}' if cell else ''}{'' if column == 'percentile' else f' ({unit})'}"
