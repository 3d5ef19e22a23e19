"""The command line of programs: the command is the first line of the log, and options of JSON also take a file."""

import json
import shlex

import pytest

from s2f.common.arguments import Parser, json_option


@pytest.fixture
def parser(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/embed.py"])
    made = Parser(description="A program.")
    made.add_argument("--spec", type=json_option, help="a section")
    made.add_argument("--name")
    return made


def test_the_command_can_be_run_again_from_its_log(parser, capsys):
    words = ["--spec", '{"kind": "it\'s"}', "--name", "two words"]
    assert parser.parse_args(words).spec == {"kind": "it's"}
    (line,) = capsys.readouterr().out.splitlines()
    assert shlex.split(line) == ["python", "-P", "-m", "embed", *words]


def test_help_is_help_alone(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert capsys.readouterr().out.startswith("usage: python -P -m embed [-h] [--spec JSON|@FILE]")


def test_json_from_a_file(parser, tmp_path):
    (tmp_path / "spec.json").write_text(json.dumps({"kind": "onehot"}))
    assert parser.parse_args(["--spec", f"@{tmp_path}/spec.json"]).spec == {"kind": "onehot"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"kind": onehot}',
            "argument --spec: is not JSON (Expecting value at character 10, near '{\"kind\": onehot}')",
        ),
        ("@nowhere.json", "argument --spec: nowhere.json: no such file"),
    ],
)
def test_what_is_no_json_is_named_with_its_option(parser, capsys, text, message):
    with pytest.raises(SystemExit):
        parser.parse_args(["--spec", text])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@example.org/a.gz", "https://***@example.org/a.gz"),
        ("https://example.org/a.gz?token=secret", "https://example.org/a.gz?***"),
        ("https://example.org/a.gz", "https://example.org/a.gz"),
    ],
)
def test_credentials_stay_out_of_logs(parser, capsys, url, shown):
    parser.parse_args(["--name", url])
    out = capsys.readouterr().out
    assert shown in out and "secret" not in out
