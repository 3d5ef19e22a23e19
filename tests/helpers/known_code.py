"""The library's code as its fingerprints know it, read before Snakemake is forked: half of what a plan takes.

What is known of a file holds for that path, time and size (`provenance.behaviour_of`): one that is changed later is
read again.
"""

import sys

from s2f.common import provenance


def read():
    """Read every program and module."""
    paths = (path.relative_to(provenance.SCRIPTS) for path in provenance.SCRIPTS.rglob("*.py"))
    provenance.behaviour_of(*(".".join(path.with_suffix("").parts) for path in paths if path.stem != "__init__"))


def forget_unless_of(snakefiles):
    """Without the modules of the library, unless it is that of one of these Snakefiles: a copy has its own."""
    if str(provenance.SCRIPTS.parent / "Snakefile") not in snakefiles:
        for name in [name for name in sys.modules if name.partition(".")[0] == "s2f"]:
            del sys.modules[name]


read()
