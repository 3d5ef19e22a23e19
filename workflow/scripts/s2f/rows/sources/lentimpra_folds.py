"""Agarwal 2025 lentiMPRA: the large library of one cell type, with the ten folds that MPRALegNet was trained on.

files: `rows`, a TSV in one of two forms, recognised by its columns:

* MPRA-MNIST, Agarwal_{cell}.tsv from Zenodo record 17453603 (autosome-imtf/MPRA-MNIST): seq_id, chromosome, start, end
  (hg38, from 0, half-open), strand, seq (the insert), expression, averaged_expression, fold;
* human_legnet, datasets/original/{cell}.tsv (autosome-ru/human_legnet): seq_id, seq (the insert between its 15-bp
  adapters), mean_value, fold, rev. Rows with rev other than 0 repeat other rows as reverse complements (issue 1 of that
  repository) and are dropped, because they are not measurements.

spec: `label`, the column of the activity, log2(RNA/DNA); null (default) is expression or mean_value.
averaged_expression is the mean over both orientations of an element.

`published` is fold1 ... fold10, empty for a row without a fold. An element measured in both orientations has two
names, one or both of which end in _F, _R or _Reversed...: `group` is the name without that suffix, so the two
orientations are never separated by a split.
"""

from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, numbers, read_table, refuse
from s2f.rows import placement
from s2f.rows.sources import file_of
from s2f.rows.stages import Stages
from s2f.sequences.flanks import LENTIMPRA_DOWNSTREAM, LENTIMPRA_UPSTREAM

FOLDS = 10
ADAPTERS = LENTIMPRA_UPSTREAM, LENTIMPRA_DOWNSTREAM[:15]
PLACED = ["seq_id", "chromosome", "start", "end", "strand", "seq", "expression", "averaged_expression", "fold"]
LEGNET = ["seq_id", "seq", "mean_value", "fold", "rev"]
LABELS = {"expression": PLACED, "averaged_expression": PLACED, "mean_value": LEGNET}
ORIENTATION = r"_(?:F|R|Reversed.*)$"


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[Any, Stages]:
    """Rows and stages, as in the module's docstring.

    Raises `InputError` with the file, line and column for a table in neither form, a label from the other form, a cell
    that is not a number, a fold other than 1 to 10 and a sequence without its adapters.
    """
    label = kinds.settings("sources", "lentimpra_folds", spec)["label"]
    path = file_of(files, "rows", "lentimpra_folds")
    raw = read_table(path, ["seq_id", "seq", "fold"], "lentiMPRA table with folds", numbered=True)
    form = next((form for form in (PLACED, LEGNET) if set(form) <= set(raw)), None)
    if form is None:
        raise InputError(
            f"{path}: columns are {', '.join(raw)}, expected the columns of MPRA-MNIST ({', '.join(PLACED)}) or of "
            f"human_legnet ({', '.join(LEGNET)})"
        )
    label = label or form[-3]
    if LABELS.get(label) is not form:
        known = [name for name, of in LABELS.items() if of is form]
        raise InputError(
            f"source lentimpra_folds: label is {label!r}, expected one of {', '.join(known)}, which {path} has"
            f"{kinds.near(label, known)}"
        )

    fold = numbers(raw, "fold", path)
    refuse(fold.notna() & ~fold.isin(range(1, FOLDS + 1)), raw, ["fold"], path, f"a whole number from 1 to {FOLDS}")
    table = raw[["seq_id", "seq"]].set_axis(["row_id", "sequence"], axis=1)
    table["label"] = numbers(raw, label, path)
    table["group"] = raw["seq_id"].str.replace(ORIENTATION, "", regex=True)
    table["published"] = ("fold" + fold.astype("Int64").astype("str")).where(fold.notna(), "")
    stages = Stages()
    stages.keep("read", table)
    if form is LEGNET:
        left, right = ADAPTERS
        bare = ~(raw["seq"].str.startswith(left) & raw["seq"].str.endswith(right))
        turned = numbers(raw, "rev", path) != 0
        refuse(bare & ~turned, raw, ["seq"], path, f"an insert between the adapters {left} and {right}")
        table["sequence"] = raw["seq"].str[len(left) : -len(right)]
        table = stages.keep("measured orientation", table, ~turned)
    else:
        table["chrom"] = raw["chromosome"]
        for name in ("start", "end"):
            coordinate = numbers(raw, name, path)
            refuse(coordinate.notna() & (coordinate % 1 != 0), raw, [name], path, "a whole number")
            table[name] = coordinate.astype("Int64")
        table["strand"] = raw["strand"].mask(raw["strand"].isin([*MISSING, "."]), "")
    table = stages.keep("label measured", table, table["label"].notna())
    placement.check(table, path, slack=2 * len(ADAPTERS[1]))  # with or without the adapters
    return table, stages
