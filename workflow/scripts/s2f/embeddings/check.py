"""Verify embedding caches in full: every checksum, every value, and the manifest beside each."""

import argparse
import sys

from s2f.common.errors import InputError
from s2f.embeddings.cache import check


def main() -> None:
    """Name each broken cache on stderr; exit status 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("caches", nargs="+", help="embedding caches (HDF5)")
    broken = 0
    for path in parser.parse_args().caches:
        try:
            manifest = check(path)
        except InputError as error:
            broken += 1
            print(f"BROKEN {error}", file=sys.stderr, flush=True)
        else:
            print(f"intact {path}: {manifest['unique']:,} embeddings, content {manifest['content_sha256']}", flush=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
