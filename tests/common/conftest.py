"""Fixtures of the tests of files and tables."""

import pytest


@pytest.fixture
def saved(tmp_path):
    """Function that writes text or bytes to a file and returns its path."""

    def save(content, name="table.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save
