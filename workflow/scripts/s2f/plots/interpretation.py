"""Pictures of attributions: logos, the effect of every substitution, reference and alternate allele side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from s2f.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILLION, YELLOW, save
from s2f.sequences import dna

COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILLION, "N": GREY}
NAMES = {
    "ism": "saturation mutagenesis", "window": "sliding-window mutagenesis",
    "saliency": "gradient, corrected", "ig": "integrated gradients",
}  # fmt: skip
PER_BASE, LEAST, MOST = 0.085, 5.0, 26.0  # inches
LOGO, MAP = 1.25, 0.75  # inches


def _outlines() -> dict[str, Any]:
    """Each letter as a path in the unit square, from 0 to 1 in both directions."""
    out, font = {}, FontProperties(family="DejaVu Sans", weight="bold")
    for letter in dna.ALPHABET:
        path = TextPath((0, 0), letter, size=1, prop=font)
        box = path.get_extents()
        out[letter] = path.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))
    return out


def logo(axes: Axes, sequence: str, heights: Sequence[float] | np.ndarray) -> None:
    """Draw each letter of a sequence as high as its number, (L,) in data units; below the line if that is negative.

    The letter of position i extends from i - 0.45 to i + 0.45.
    """
    outlines = _outlines()
    patches, colours = [], []
    for position, (letter, height) in enumerate(zip(sequence, heights, strict=True)):
        if height:
            patches.append(
                PathPatch(outlines[letter].transformed(Affine2D().scale(0.9, height).translate(position - 0.45, 0)))
            )
            colours.append(COLOURS[letter])
    axes.add_collection(PatchCollection(patches, facecolors=colours, linewidths=0))
    axes.axhline(0, color=BLACK, linewidth=0.6)
    axes.set_xlim(-0.5, len(sequence) - 0.5)


def stacks(axes: Axes, heights: np.ndarray) -> None:
    """Draw the four letters of each position as high as their numbers, (L, 4) in data units, the largest outermost;
    letters with negative numbers are below the line."""
    outlines = _outlines()
    patches, colours = [], []
    for position, row in enumerate(heights):
        for sign in (1, -1):
            base = 0.0
            for k in np.argsort(np.abs(row)):
                if row[k] * sign > 0:
                    shape = Affine2D().scale(0.9, row[k]).translate(position - 0.45, base)
                    patches.append(PathPatch(outlines[dna.ALPHABET[k]].transformed(shape)))
                    colours.append(COLOURS[dna.ALPHABET[k]])
                    base += row[k]
    axes.add_collection(PatchCollection(patches, facecolors=colours, linewidths=0))
    axes.axhline(0, color=BLACK, linewidth=0.6)
    axes.set_xlim(-0.5, len(heights) - 0.5)
    low, high = np.minimum(heights, 0).sum(axis=1).min(), np.maximum(heights, 0).sum(axis=1).max()
    axes.set_ylim(1.05 * low, 1.05 * high if high > 0 else 0.05 * -low)


def substitutions(axes: Axes, sequence: str, changes: np.ndarray, limit: float) -> AxesImage:
    """Heat map of changes (L, 4) by substitution, coloured from -limit to limit; dots mark the sequence's own bases."""
    image = axes.imshow(
        changes.T, aspect="auto", cmap="RdBu_r", norm=TwoSlopeNorm(0, -limit, limit), interpolation="nearest"
    )
    axes.plot(np.arange(len(sequence)), dna.encode(sequence), ".", color=BLACK, markersize=2.5)
    axes.set_yticks(range(4), list("ACGT"), fontsize=7)
    axes.tick_params(axis="y", length=0)
    return image


def explained(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    about: Mapping[str, Any],
    selection: Any,
    title: str,
    most: int = 6,
) -> None:
    """One field per chosen sequence, pairs side by side with the differing base marked; at most `most` of each role.

    `arrays` and `about` as `attributions.read`, `selection` as `selection.select` (as text). A logo shows how much each
    base raises the score; for method ism, the effect of every substitution is below it.
    """
    index_of = {row: index for index, row in enumerate(arrays["row_id"])}
    singles = selection[selection["role"] != "pair"].drop_duplicates("row_id").groupby("role", sort=False).head(most)
    fields = [[(index_of[line.row_id], line)] for line in singles.itertuples()]
    pairs = selection[selection["role"] == "pair"].groupby("pair_id", sort=False)
    fields += [[(index_of[line.row_id], line) for line in pair.itertuples()] for _, pair in list(pairs)[:most]]
    columns = max(map(len, fields))
    longest = max(len(arrays["sequence"][i]) for field in fields for i, _ in field)
    with_map = about["method"] == "ism"
    height = LOGO + MAP * with_map + 0.45
    width = float(np.clip(PER_BASE * longest * columns, LEAST, MOST)) + 1.4

    def draw(figure):
        total = len(selection["row_id"].unique())
        shown = len({line.row_id for field in fields for _, line in field})
        caption = f"{NAMES[about['method']]}, strands: {about['strand_rule']}, {shown} of {total} sequences"
        figure.suptitle(f"{title}\n{caption}", x=0.01, ha="left", fontsize=11)
        parts = figure.subfigures(len(fields), 1, squeeze=False)[:, 0]
        for part, field in zip(parts, fields, strict=True):
            _field(part, field, arrays, with_map, columns, about["score_unit"])
        figure.supxlabel("position in the insert (bp, counted from 0)", fontsize=9)

    save(path, draw, width, 0.9 + height * len(fields))


def _field(
    figure: Any,
    field: Sequence[tuple[int, Any]],
    arrays: Mapping[str, np.ndarray],
    with_map: bool,
    columns: int,
    unit: str,
) -> None:
    ratios = [LOGO, MAP] if with_map else [LOGO]
    grid = figure.subplots(
        len(ratios), len(field), squeeze=False, sharex="col", sharey="row", gridspec_kw={"height_ratios": ratios}
    )
    sequences = [arrays["sequence"][i] for i, _ in field]
    importances = [arrays["importance"][i][: len(s)] for (i, _), s in zip(field, sequences, strict=True)]
    changes = [arrays["attribution"][i][: len(s)] for (i, _), s in zip(field, sequences, strict=True)]
    low, high = min(0, *(x.min() for x in importances)), max(0, *(x.max() for x in importances))
    margin = 0.06 * (high - low) or 1.0
    limit = max(np.abs(x).max() for x in changes) or 1.0
    differ = [k for k, letters in enumerate(zip(*sequences, strict=False)) if len(set(letters)) > 1]
    for column, (i, line) in enumerate(field):
        axes = grid[0, column]
        for k in differ:
            axes.axvspan(k - 0.5, k + 0.5, color=YELLOW, alpha=0.6, linewidth=0, zorder=0)
        logo(axes, sequences[column], importances[column])
        axes.set_ylim(low - margin, high + margin)
        role = line.allele if line.role == "pair" else line.role
        measured = f"measured {float(line.label):.2f}, " if line.label else ""
        text = f"{line.row_id}, {role}: {measured}score {arrays['score'][i]:.2f}"
        axes.set_title(text, loc="left", fontsize=9)
        axes.tick_params(labelsize=8)
        if with_map:
            image = substitutions(grid[1, column], sequences[column], changes[column], limit)
            grid[1, column].tick_params(axis="x", labelsize=8)
    grid[0, 0].set_ylabel(f"importance,\n{unit}", fontsize=8)
    if with_map:
        bar = figure.colorbar(image, ax=list(grid[1]), aspect=6, pad=0.01)
        bar.set_label("change", fontsize=8)
        bar.ax.tick_params(labelsize=7)
