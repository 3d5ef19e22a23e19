"""Progress of long work: how much is done out of the total, and how fast."""

import sys
import time

from tqdm import tqdm


class Progress:
    """A bar on a terminal; in a log, one line per tenth with the rate. `done` of `total` (1 or more) are done."""

    def __init__(self, total: int, done: int = 0, unit: str = "windows") -> None:
        self.bar = tqdm(total=total, initial=done, unit=f" {unit}", unit_scale=True, disable=None, file=sys.stderr)
        self.total, self.done, self.first, self.begin = total, done, done, time.monotonic()
        self.unit = unit

    def update(self, count: int) -> None:
        """Count `count` more as done."""
        before, self.done = self.done, self.done + count
        self.bar.update(count)
        if self.bar.disable and count and 10 * before // self.total < 10 * self.done // self.total:
            rate = (self.done - self.first) / max(time.monotonic() - self.begin, 1e-9)
            print(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} per second", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the bar and leave it as it is."""
        self.bar.close()
