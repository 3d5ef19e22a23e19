"""Sequence-to-function library: one package per stage, each built on those below it."""

import os

# Arrow's own allocator asks for huge pages, which a virtual machine can be slow to give: a file of 800,000 rows was
# read in 2.1 s of CPU time, nearly all of it the system's, and with the allocator of the C library in 0.9 s
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
