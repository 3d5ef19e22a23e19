"""The table of figures that `bench.gpu` keeps: a benchmark adds what it measured, if a table is being kept."""

from pathlib import Path

COLUMNS = ("part", "what", "measured", "unit", "usual", "limit", "limited_by", "fraction", "remark")
TITLES = ("what", "measured", "the usual way, same card", "limit", "fraction of the limit")
_kept = {}


def keep(path, part):
    """From here on, figures of this process are rows of the table at `path`, made by this `part`."""
    _kept.update(path=Path(path), part=part)


def note(what, measured, unit, usual=None, limit=None, limited_by="", remark=""):
    """Add a row and print it, if a table is being kept.

    `usual` and `limit` are in the unit of `measured`: what the usual way reaches, and what the hardware allows
    (`limited_by` says which part of it). In seconds less is better, in any other unit more is.
    """
    fraction = limit and (limit / measured if unit == "s" else measured / limit)
    numbers = ["" if number is None else f"{number:.6g}" for number in (measured, usual, limit, fraction)]
    _add([what, numbers[0], unit, *numbers[1:3], limited_by, numbers[3], remark])


def missing(what, reason):
    """Add a row for what could not be measured."""
    _add([what, "", "", "", "", "", "", f"not measured: {reason}"])


def attempt(what, run):
    """Call `run`; if it fails, what it was to measure becomes a row with the error, and the part goes on."""
    try:
        run()
    except Exception as error:  # of whatever library: the row says which
        lines = str(error).strip().splitlines() or [""]
        missing(what, f"{type(error).__name__}: {lines[0][:200]}")


def _add(cells):
    if not _kept:
        return
    cells = [" ".join(cell.split()) for cell in (_kept["part"], *cells)]
    with _kept["path"].open("a") as file:
        file.write("\t".join(cells) + "\n")  # in one write: a killed part leaves no half row
    print("  |  ".join(line_of(dict(zip(COLUMNS, cells, strict=True)))), flush=True)


def read(path):
    """(lines of the head without their mark, rows as {column: text}) of a table."""
    lines = Path(path).read_text().splitlines()
    head = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    rows = [line.split("\t") for line in lines[len(head) + 1 :]]
    return head, [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def begin(path, head, rows=()):
    """Write a table with the lines `head` and the `rows`."""
    lines = [f"# {line}" for line in head] + ["\t".join(row) for row in (COLUMNS, *(row.values() for row in rows))]
    Path(path).write_text("\n".join(lines) + "\n")


def line_of(row):
    """The cells of a row for people, under `TITLES`."""
    what = row["what"] + (f" ({row['remark']})" if row["remark"] and row["measured"] else "")
    if not row["measured"]:
        return [what, row["remark"], "", "", ""]
    unit = row["unit"]
    limit = f"{_number(row['limit'], unit)} ({row['limited_by']})" if row["limit"] else ""
    share = f"{float(row['fraction']):.1%}" if row["fraction"] else ""
    return [what, _number(row["measured"], unit), _number(row["usual"], unit), limit, share]


def _number(text, unit):
    if not text:
        return ""
    number = float(text)
    shown = f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
    return f"{shown} {unit}"


def markdown(path):
    """The table at `path` as Markdown, its head before it."""
    head, rows = read(path)
    lines = [" | ".join(cells) for cells in (TITLES, ["---"] * len(TITLES), *(map(_escaped, map(line_of, rows))))]
    return "\n".join([*(f"* {line}" for line in head), "", *(f"| {line} |" for line in lines)]) + "\n"


def _escaped(cells):
    return [cell.replace("|", "\\|") for cell in cells]
