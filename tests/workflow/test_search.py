"""What rules tell the programs that train of a search, and what they tell them without one."""

from types import SimpleNamespace

import pytest

from helpers.parsed_workflow import parsed_rules

RUN = SimpleNamespace(encoder="kmer5", augmentation="no_shift", head="boda-sum-512-512", baseline="kmer-ridge")
RUN.dataset = "simulated_k562"
RUN.get = lambda name, default=None: getattr(RUN, name, default)
NEVER = "train_stage2"  # a study with a search has no stage 2


def told(root, **config):
    """{rule that trains: its parameter `search`}."""
    parsed = parsed_rules(root, train_together=False, **config)  # one rule for all heads
    rules = {name: rule for name, rule in parsed.items() if name.startswith("train_") and name != NEVER}
    return {name: rule.params.get("search")(RUN) for name, rule in rules.items()}


def test_without_a_search_nothing_is_said(root):
    assert told(root) == {"train_head": "null", "train_baseline": "null"}


def test_a_job_hears_of_the_ranges_of_its_kind(root):
    found = told(root, search={"trials": 4, "ranges": {"boda": {"dropout": {"from": 0, "to": 0.5}}}})
    dropout = '{"from": 0, "scale": "linear", "to": 0.5, "whole": false}'
    assert found["train_head"] == f'{{"grid": "", "ranges": {{"dropout": {dropout}}}, "trials": 4}}'
    assert '"grid": "alphas"' in found["train_baseline"] and '"trials": 4' in found["train_baseline"]


@pytest.mark.parametrize(("trials", "minutes"), [(None, 240), (3, 720), (8, 1920), (40, 2880)])
def test_a_search_is_a_job_for_each_run_with_the_time_of_its_trials(root, trials, minutes):
    """Also where heads would train together: a job of a family would have the trials of all of its heads and seeds."""
    search = {} if trials is None else {"search": {"trials": trials}}
    rules = parsed_rules(root, train_together=trials is not None, **search)
    assert {name for name in rules if name.startswith("train_")} == {"train_head", "train_baseline", NEVER}

    def asked(rule, attempt):
        return rules[rule].resources["runtime"].evaluate(RUN, attempt=attempt).value

    assert [asked("train_head", attempt) for attempt in (1, 2)] == [minutes, 2 * minutes]
    assert asked("train_baseline", 1) == 720  # k-mers are solved for all penalties at once
