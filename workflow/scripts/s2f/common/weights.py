"""Weight files as users have them: clones without large files, dangling links, names with a wrapper's prefix."""

from collections.abc import Collection, Iterable
from pathlib import Path

from s2f.common.contents import POINTER
from s2f.common.errors import InputError

# what DistributedDataParallel, torch.compile and Lightning put before the names of all tensors of a network
WRAPPERS = ("module.", "_orig_mod.", "model.", "network.")


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Raise `InputError` for a git-lfs pointer, and for a link to a file that does not exist."""
    for path in paths:
        if path.is_symlink() and not path.exists():
            raise InputError(
                f"{path}: is a link to {path.readlink()}, which does not exist; fetch that file, or copy it here"
            )
        if not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise InputError(
                    f"{path}: is a pointer of git-lfs, not the weights themselves; fetch them with `git lfs pull` in "
                    "its clone"
                )


def no_folder(path: str | Path) -> str:
    """What is wrong with a path that is not a folder, for the middle of a message."""
    return "is a file, expected the folder that holds it" if Path(path).is_file() else "no such folder"


def wrapper_of(names: Collection[str]) -> str:
    """The prefix that wrappers have put before all names; empty if there is none."""
    prefix, bare = "", list(names)
    while bare:
        found = next((wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in bare)), "")
        if not found:
            break
        prefix, bare = prefix + found, [name.removeprefix(found) for name in bare]
    return prefix


def listed(missing: list[str], unexpected: list[str], other: list[str]) -> str:
    """Problems with names and tensors in one line: some of each type, as a wrong prefix shows in the names found."""
    first = [*missing[:3], *unexpected[:2]]
    first += other[: max(2, 5 - len(first))]
    more = len(missing) + len(unexpected) + len(other) - len(first)
    return "; ".join(first) + (f"; and {more} more" if more else "")
