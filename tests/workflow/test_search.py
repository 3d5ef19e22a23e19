"""What rules tell the programs that train of a search, and what they tell them without one."""

from types import SimpleNamespace

from helpers.parsed_workflow import parsed_rules

RUN = SimpleNamespace(encoder="kmer5", augmentation="no_shift", head="boda-sum-512-512", baseline="kmer-ridge")
RUN.dataset = "simulated_k562"
RUN.get = lambda name, default=None: getattr(RUN, name, default)


def told(root, **config):
    """{rule that trains: its parameter `search`}."""
    parsed = parsed_rules(root, train_together=False, **config)  # one rule for all heads
    rules = {name: rule for name, rule in parsed.items() if name.startswith("train_")}
    return {name: rule.params.get("search")(RUN) for name, rule in rules.items()}


def test_without_a_search_nothing_is_said(root):
    assert told(root) == {"train_head": "null", "train_baseline": "null"}


def test_a_job_hears_of_the_ranges_of_its_kind(root):
    found = told(root, search={"trials": 4, "ranges": {"boda": {"dropout": {"from": 0, "to": 0.5}}}})
    dropout = '{"from": 0, "scale": "linear", "to": 0.5, "whole": false}'
    assert found["train_head"] == f'{{"grid": "", "ranges": {{"dropout": {dropout}}}, "trials": 4}}'
    assert '"grid": "alphas"' in found["train_baseline"] and '"trials": 4' in found["train_baseline"]
