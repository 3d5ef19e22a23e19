"""The commands of jobs: what the study leaves empty or writes with braces reaches the programs as it is."""

import functools
import shlex

import pytest
import yaml

from helpers.forked_snakemake import snakemake
from helpers.minimal_study import changed
from helpers.programs import parser_of
from s2f.common.errors import InputError

WORDS = "heads {on} {} {wildcards.dataset} 'x' \"y\" $HOME"
HEAD = "onehot/no_shift/boda-mean-512-512"
parsers = functools.cache(parser_of)


@pytest.fixture(scope="module")
def options(root, tmp_path_factory):
    """{program: the options of each of its commands}, of a study whose texts are empty in one dataset, and hold what
    Snakemake and the shell would take for theirs in another. It has no model to compare with. A third dataset, with
    baselines alone, has one strand."""
    study = changed(["description"], WORDS)
    dataset = study["datasets"]["simulated_d"]
    study["datasets"] |= {"simulated_d": dataset | {"measured": ""}, "simulated_e": dataset | {"measured": WORDS}}
    study["models"][0]["datasets"] = list(study["datasets"])
    study["datasets"]["simulated_f"] = dataset | {"measured": WORDS, "strand_rule": "forward"}
    study["baselines"]["ridge"] = {"kind": "kmer_ridge"}
    study["models"][1]["baselines"] = ["mean", "ridge"]
    study["interpretation"] = [{"panel": "chromosome", "models": [HEAD], "methods": ["ism"]}]
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    output = snakemake(root, folder, "--dry-run", "--printshellcmds", "--configfile", folder / "study.yaml")
    found = {}
    for line in output.splitlines():
        if "python -P -m" in line:
            words = shlex.split(line.partition(" > ")[0])
            program, *rest = words[words.index("-m") + 1 :]
            found.setdefault(program, []).append(parsers(program).parse_args(rest))
    return found


def test_every_command_is_one_that_its_program_takes(options):
    assert {"compare", "plot_split", "plot_comparison", "interpret", "train_head", "train_baseline"} <= set(options)


def test_no_model_to_compare_with_is_an_empty_name(options):
    assert [plot.baseline for plot in options["plot_comparison"]] == ["", "", ""]
    (compare,) = options["compare"]
    assert {dataset["baseline"] for dataset in compare.study["datasets"].values()} == {""}


def test_texts_reach_programs_as_they_are(options):
    (compare,) = options["compare"]
    assert compare.study["description"] == WORDS
    for program in ("plot_split", "interpret"):
        assert {job.unit for job in options[program]} == {"", WORDS}


def test_a_baseline_is_trained_on_the_strands_that_each_dataset_is_predicted_from(options):
    ridges = [job for job in options["train_baseline"] if job.baseline == "ridge"]
    found = {job.dataset: (job.strand_rule, job.spec["reverse_complement"]) for job in ridges}
    both, one = ("mean", True), ("forward", False)
    assert found == {"simulated_d": both, "simulated_e": both, "simulated_f": one}


def test_every_output_of_every_program_is_refused_below_a_file(root, tmp_path):
    """Before anything is read or computed."""
    (tmp_path / "file").touch()
    outputs, below = 0, str(tmp_path / "file" / "x")
    for path in sorted((root / "workflow" / "scripts").glob("*.py")):
        parser = parser_of(path.stem)  # not the parser of other tests: here no option is required
        for part in (*parser._actions, *parser._mutually_exclusive_groups):
            part.required = False
        for action in parser._actions:
            if "to write" in (action.help or ""):
                outputs += 1
                with pytest.raises(InputError, match=r"file/x: no file can be written in .*file \(Not a directory\); "):
                    parser.parse_args([action.option_strings[0], below])
    assert outputs > 75
