"""The embeddings of a job that trains several heads, moved to the device once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from s2f.embeddings.cache import Cache
from s2f.heads import augmentations
from s2f.heads.augmentations import View
from s2f.heads.examples import Examples
from s2f.heads.training import Loaded, Shared


class Embeddings:
    """Embeddings of the rows in `labelled` ({"train", "val": rows}), in all views that the `modes` (sections of
    augmentations) read in training, and on the `strands` with which a trained head predicts, the forward one first.

    If the views of several modes together take more than `memory` bytes, they are `apart`: those of one mode at a time
    are on the device. Raises `InputError` for a view that is not among the open `caches`, and for a row that is in no
    cache.
    """

    def __init__(
        self,
        caches: Mapping[View, Cache],
        modes: Sequence[Mapping[str, Any]],
        strands: Sequence[str],
        labelled: Mapping[str, Any],
        stretches: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        memory: float | None = None,
    ) -> None:
        self.val = Loaded(Examples.of(caches, [(0, strand) for strand in strands], labelled["val"]))
        self.views = list(dict.fromkeys(view for mode in modes for view in augmentations.views(mode)))
        self.train = Loaded(Examples.of(caches, self.views, labelled["train"], stretches))
        self.strands = list(strands)
        needed = self.train.bytes + self.val.bytes
        self.apart = len(modes) > 1 and memory is not None and needed > memory
        self.mode: Mapping[str, Any] | None = None  # the one whose views are on the device if they are `apart`
        self.shared = Shared(self.train, self.val, [])

    def of(self, mode: Mapping[str, Any]) -> tuple[Examples, Examples, Shared]:
        """What a `Trainer` of a mode reads: rows to train on, rows to validate, and where their embeddings are."""
        places = [self.views.index(view) for view in augmentations.views(mode)]
        every, val = self.train.examples, self.val.examples
        train = replace(every, tables=tuple(every.tables[place] for place in places))
        if not self.apart:
            self.shared = Shared(self.train, self.val, places)
        elif mode != self.mode:
            if self.mode is not None:  # a trainer of theirs may still hold them
                self.shared.train.release()
            self.mode, self.shared = mode, Shared(Loaded(train), self.val, range(len(places)))
        return train, replace(val, tables=val.tables[:1]), self.shared

    def validation(self, strand: str) -> tuple[Any, np.ndarray] | None:
        """The table on the device with the rows to validate, and the index of these on a strand; None if they are not
        on the device."""
        return self.val.view(self.strands.index(strand)) if self.val.there else None
