"""The embeddings of a job that trains several heads, moved to the device once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from s2f.embeddings.cache import Cache
from s2f.heads import augmentations
from s2f.heads.augmentations import View
from s2f.heads.examples import Examples


class Loaded:
    """`examples` whose embeddings are moved to the device once, when they are first needed, for all that read them."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    @cached_property
    def arrays(self) -> tuple[jax.Array, jax.Array]:
        """The result of `Examples.on_device`."""
        return self.examples.on_device()

    @property
    def there(self) -> bool:
        """Whether the embeddings are on the device."""
        return "arrays" in vars(self)

    def release(self) -> None:
        """Give their memory on the device back at once; they cannot be used again."""
        if self.there:
            self.arrays[0].delete()

    @cached_property
    def bytes(self) -> int:
        """Bytes of the embeddings."""
        return self.examples.bytes

    @property
    def shapes(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of `arrays`, known before anything is read."""
        (count, shape), dtype = self._sizes, self.examples.tables[0].dtype
        table = jax.ShapeDtypeStruct((count * len(self.examples.tables), *shape), dtype)
        return table, jax.ShapeDtypeStruct((len(self.examples.index),), jnp.int32)

    def view(self, place: int) -> tuple[jax.Array, np.ndarray]:
        """The table, and the index (N,) into it for the view at a `place` among those of the examples."""
        table, index = self.arrays
        return table, np.asarray(index) + place * self._sizes[0]

    @cached_property
    def _sizes(self) -> tuple[int, tuple[int, ...]]:
        """Number of rows of one view that are used, and the shape of a row."""
        examples = self.examples
        return self.bytes // (examples.row_bytes * len(examples.tables)), examples.tables[0].shape[1:]


class Shared(NamedTuple):
    """Embeddings that several trainers read: of the rows to `train` on, in all views that any of the modes reads, with
    the `places` of this trainer's own views among them; and of the rows to validate (`val`), whose first view is the
    canonical one."""

    train: Loaded
    val: Loaded
    places: Sequence[int]


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
