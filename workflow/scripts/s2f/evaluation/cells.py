"""What is evaluated in a dataset with cells: each cell, and the difference of each cell from the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f.rows.canonical import cells_of

COMBINED: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max}


@dataclass(frozen=True)
class View:
    """A cell, or a *pseudo-cell*: the difference of the cell `target` from the mean or the largest of the `others`.

    `combined` says which of the two. Labels and predictions are formed in the same way, so it measures how well a model
    predicts how specific an insert is.
    """

    name: str
    target: str
    others: tuple[str, ...] = ()
    combined: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that must be measured and predicted."""
        return (self.target, *self.others)

    def of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Values (N,) of the view from the values of its cells {cell: (N,)}; NaN where one of them is NaN."""
        if not self.others:
            return values[self.target]
        others = np.stack([values[cell] for cell in self.others])
        return values[self.target] - COMBINED[self.combined](others, axis=0)


def views(cells: Sequence[str]) -> list[View]:
    """The cells, then for each cell its difference from the mean and from the largest of the others. With two cells
    both are the same difference, which is one view."""
    found = [View(cell, cell) for cell in cells]
    if len(cells) == 2:
        return [*found, View(f"{cells[0]}-{cells[1]}", cells[0], (cells[1],), "mean")]
    for cell in cells:
        others = tuple(other for other in cells if other != cell)
        found += [View(f"{cell}-{combined}", cell, others, combined) for combined in COMBINED]
    return found


def labelled(rows: pd.DataFrame, view: View) -> pd.DataFrame:
    """Rows with the label of a view as `label`, NaN where it is missing."""
    return rows.assign(label=view.of({cell: rows[f"label.{cell}"].to_numpy(np.float64) for cell in view.cells}))


def views_of(rows: pd.DataFrame) -> list[View]:
    """The views of rows with cells; none if rows have a single label."""
    return views(cells_of(rows))
