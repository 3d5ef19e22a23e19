"""How a program ends: bad input and unusable paths of the user in one line, faults of our own with their traceback."""

import pytest

from s2f.common.errors import InputError, run


def test_bad_input_and_a_path_of_the_user_end_in_one_line(tmp_path, monkeypatch):
    def refused():
        raise InputError("t.tsv: line 3: no")

    with pytest.raises(SystemExit, match=r"^error: t.tsv: line 3: no$"):
        run(refused)
    for given in (str(tmp_path), f'{{"path": "{tmp_path}"}}', str(tmp_path.parent)):
        monkeypatch.setattr("sys.argv", ["program", "--option", given])
        with pytest.raises(SystemExit, match=r"^error: .*: Is a directory$"):
            run(tmp_path.read_text)


def test_a_path_of_our_own_keeps_its_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["program", "--one-draw", "", "--seed", "1"])
    with pytest.raises(IsADirectoryError):
        run(tmp_path.read_text)
    monkeypatch.setattr("sys.argv", ["program", "--out", str(tmp_path)])
    with pytest.raises(FileNotFoundError):  # one that is missing is named before, if it is the user's
        run((tmp_path / "no").read_text)
