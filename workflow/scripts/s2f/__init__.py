"""Sequence-to-function library: one module per noun, imported in the order rows -> encoder -> head -> comparison."""

import os

# Arrow's own allocator asks for huge pages. Where memory is fragmented, the system spends most of the time of reading a
# table on making room for them: a file of 800,000 rows took 2.1 s of CPU, and 0.9 s with the allocator of the C library
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
