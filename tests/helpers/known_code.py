"""The library's code, read for its fingerprints before Snakemake is forked: half of the time of a plan.

What is known of a file is keyed by path, time and size (`provenance.behaviour_of`): a file that changes later is read
again.
"""

import sys

from s2f.common import provenance


def read():
    """Read every program and module."""
    paths = (path.relative_to(provenance.SCRIPTS) for path in provenance.SCRIPTS.rglob("*.py"))
    provenance.behaviour_of(*(".".join(path.with_suffix("").parts) for path in paths if path.stem != "__init__"))


def forget_unless_of(snakefiles):
    """Forget the modules of the library, unless it belongs to one of these Snakefiles: a copy has its own."""
    if str(provenance.SCRIPTS.parent / "Snakefile") not in snakefiles:
        for name in [name for name in sys.modules if name.partition(".")[0] == "s2f"]:
            del sys.modules[name]


read()
