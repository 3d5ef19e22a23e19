"""Fetch a published file, resuming an interrupted download, and check its checksum."""

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import InputError, run
from s2f.rows.downloads import fetch


def main():
    """Fetch the file `--name` of the section `downloads`."""
    parser = Parser(description=__doc__)
    parser.add_argument("--name", required=True, help="name of the file in the section downloads")
    parser.add_argument("--downloads", required=True, type=json_option, help="section downloads of the study (JSON)")
    parser.add_argument("--mirror", default="", help="folder or URL of a folder that may hold the file")
    parser.add_argument("--out", required=True, help="file to write")
    arguments = parser.parse_args()
    if arguments.name not in arguments.downloads:
        raise InputError(
            f"downloads: there is no file {arguments.name!r}; known: {', '.join(sorted(arguments.downloads))}"
        )
    fetch(arguments.name, arguments.downloads[arguments.name], arguments.out, arguments.mirror)


if __name__ == "__main__":
    run(main)
