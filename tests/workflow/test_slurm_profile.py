"""The profile for SLURM and what rules ask a cluster for. A run through a real SLURM is tests/programs/on_slurm.py."""

import os
import re
from types import SimpleNamespace

import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.cli import parse_group_components, parse_groups
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import ConfigSettings, GroupSettings, OutputSettings, Quietness, ResourceSettings
from snakemake_executor_plugin_slurm.partitions import read_partition_file

from helpers import jobs_of_study
from helpers.minimal_study import changed
from helpers.parsed_workflow import parsed_workflow

SUBMIT_HOST = {"download"}  # waits for the network, computes nothing


@pytest.fixture(scope="module")
def workflow(root):
    return parsed_workflow(root, train_together=False)  # one rule for all heads


@pytest.fixture(scope="module")
def rules(workflow):
    return {rule.name: rule for rule in workflow.rules if rule.name != "all"}


@pytest.fixture
def profile(root):
    return (root / "profiles" / "slurm" / "config.yaml").read_text()


def test_memory_and_time_grow_with_every_attempt(workflow, rules):
    assert [workflow.globals["times_attempt"](4000)(None, attempt=attempt) for attempt in (1, 2, 3)] == [
        4000,
        8000,
        12000,
    ]
    for name in set(rules) - SUBMIT_HOST:
        for resource in ("mem_mb", "runtime"):
            assert rules[name].resources[resource].is_evaluable(), f"rule {name}: {resource} does not grow"


def test_memory_to_read_tables_grows_with_them(workflow, tmp_path):
    table, packed, genome = (tmp_path / name for name in ("t.tsv", "t.gz", "genome.fa"))
    for path, begin, size in (
        (table, b"name", 2_000_000_000),
        (packed, b"\x1f\x8b", 300_000_000),
        (genome, b">", 10**10),
    ):
        path.write_bytes(begin)
        os.truncate(path, size)  # takes no room

    def memory(attempt=1, **files):
        """MB of a job that reads files, whose paths may have a prefix that the study does not name."""
        asked = workflow.globals["memory_to_read"](lambda wildcards: {"files": dict.fromkeys(files, "named")}, 4000)
        return asked(None, SimpleNamespace(files=[str(path) for path in files.values()]), attempt)

    assert [memory(attempt, rows=table) for attempt in (1, 2)] == [11_000, 22_000]
    narrow = tmp_path / "narrow.tsv"  # 20 million rows of 20 bytes take 14 bytes for each of theirs
    narrow.write_bytes(b"r0000001\tACGTACGT\t1\n" * 4000)
    os.truncate(narrow, 400_000_000)
    assert 6500 < memory(rows=narrow) < 8100
    assert memory(rows=packed, genome=genome) == 8500  # as 1.5 GB of text; a genome is read by pieces
    assert memory() == memory(genome=genome) == 4000
    with pytest.raises(FileNotFoundError):  # Snakemake asks again when the file is there
        memory(rows=tmp_path / "absent.tsv")


def test_retries_are_the_profiles_and_no_rules(rules, profile):
    assert yaml.safe_load(profile)["retries"] == 2
    assert [
        name for name, rule in rules.items() if rule._restart_times is not None
    ] == []  # spent inside the same allocation


def test_only_the_network_is_used_on_the_submit_host(workflow, rules):
    assert workflow._localrules - {"all"} == SUBMIT_HOST


def test_each_setting_stands_in_one_profile(root, profile):
    other = yaml.safe_load((root / "profiles" / "default" / "config.yaml").read_text())
    assert not set(other) & set(yaml.safe_load(profile)), "profiles are merged by key: the default profile would win"


@pytest.mark.parametrize("together", [False, True])
def test_a_head_that_is_solved_on_the_cpu_asks_for_no_gpu(tmp_path, together):
    config = changed(["models"], [{"encoders": ["onehot"], "heads": ["linear-probe", "boda-mean-8", "chip-cnn"]}])
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**config, "train_together": together}))
    gpus = {}
    for (rule, gpu, *_), count in jobs_of_study.jobs(study).items():
        if rule.startswith("train_"):
            gpus.setdefault(rule, []).extend([gpu] * count)
    if together:
        names = ("linear_probe", "boda_mean_8", "chip_cnn")
        assert gpus == {f"train_together_{name}": [int(name != "linear_probe")] for name in names}
    else:
        assert {rule: sorted(of_rule) for rule, of_rule in gpus.items()} == {"train_head": [0, 1, 1]}


def test_the_block_to_edit_is_whole_yaml_with_names_of_rules(rules, profile):
    block = profile[profile.index("# ---- your site") :]
    edited = yaml.safe_load(re.sub(r"^( *)# (?= *[a-z0-9_-]+:( |$))", r"\1", block, flags=re.MULTILINE))
    assert set(edited) == {"slurm-partition-config", "default-resources", "set-resources"}
    assert {"slurm_account", "mem_mb", "runtime"} <= set(edited["default-resources"])
    # rules that a study may need more than once are called NAME, NAME_2 …
    asks = {re.sub(r"_\d+$", "", name) for name, rule in rules.items() if "gpu" in rule.resources}
    assert set(edited["set-resources"]) == asks  # Snakemake ignores a misspelt rule


def test_what_is_set_for_the_first_of_numbered_rules_holds_for_all(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resources = ResourceSettings(
        overwrite_resources={"evaluate_head": {"mem_mb": 7}, "evaluate_head_2": {"mem_mb": 9}},
        overwrite_threads={"evaluate_baseline": 3},
    )  # fmt: skip
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        found = api.workflow(
            resource_settings=resources, snakefile=root / "workflow" / "Snakefile", workdir=tmp_path
        )._workflow
    rules = {rule.name: rule for rule in found.rules}
    memory = [rules[name].resources["mem_mb"].value for name in ("evaluate_head", "evaluate_head_2")]
    assert memory == [7, 9]  # the second is named itself
    assert rules["evaluate_baseline_2"].resources["_cores"].value == 3


def test_grouped_rules_exist_take_turns_and_need_no_gpu(root, rules, profile):
    settings = yaml.safe_load(profile)
    groups, sizes = parse_groups(settings["groups"]), parse_group_components(settings["group-components"])
    assert set(groups.values()) == set(sizes)  # a misspelt group has one job in each submission
    for name, group in groups.items():
        rule = rules[name]
        assert "in_turn" in rule.resources.keys() and "gpu" not in rule.resources.keys()
        assert set(re.findall(r"\{(\w+)\}", group)) <= rule.wildcard_names
    in_turn = {name for name, rule in rules.items() if "in_turn" in rule.resources.keys()}
    firsts = {re.sub(r"_\d+$", "", name) for name in in_turn}  # whose group holds for numbered rules
    assert firsts == set(groups)
    default = yaml.safe_load((root / "profiles" / "default" / "config.yaml").read_text())
    assert "in_turn=1" in default["resources"] and "in_turn=local" in settings["set-resource-scopes"]


def test_a_group_asks_for_the_memory_of_one_job_and_the_time_of_all(root, profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the workflow goes
    settings = yaml.safe_load(profile)
    default = yaml.safe_load((root / "profiles" / "default" / "config.yaml").read_text())
    limits = {name: int(amount) for name, amount in (limit.split("=") for limit in default["resources"])}
    scopes = dict(scope.split("=") for scope in settings["set-resource-scopes"])
    groups = GroupSettings(
        overwrite_groups=parse_groups(settings["groups"]),
        group_components=parse_group_components(settings["group-components"]),
    )
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        asked = ResourceSettings(cores=8, resources=limits, overwrite_resource_scopes=scopes)
        workflow = api.workflow(asked, snakefile=root / "workflow" / "Snakefile", workdir=tmp_path)
        workflow.dag().execute_workflow(executor="dryrun", group_settings=groups)
        found = {id(group): group for group in workflow._workflow.dag._group.values()}.values()
        heads = [group for group in found if "evaluate_head" in group.rules]
        assert any(len(group) > 1 for group in heads)
        for group in found:
            one = next(iter(group.jobs))
            assert len(group.toposorted) == 1 and len(group) <= 10  # none waits for another
            asks = [group.resources[name] for name in ("mem_mb", "_cores", "runtime")]
            assert asks == [one.resources.mem_mb, one.threads, len(group) * one.resources.runtime]


def test_the_group_of_the_first_of_numbered_rules_holds_for_all_that_are_not_named(
    root, profile, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    heads = [f"boda-mean-{width}" for width in range(8, 20)]  # twelve rules, each with one job: no list is long enough
    study = tmp_path / "study.yaml"
    models = changed(["models"], [{"encoders": ["onehot"], "heads": heads}])
    study.write_text(yaml.safe_dump(models | {"train_together": True}))
    settings = yaml.safe_load(profile)
    groups = GroupSettings(
        overwrite_groups=parse_groups([*settings["groups"], "evaluate_head_3=apart"]),
        group_components=parse_group_components(settings["group-components"]),
    )
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1, resources={"in_turn": 1}), config_settings=ConfigSettings(configfiles=[study]),
            snakefile=root / "workflow" / "Snakefile", workdir=tmp_path,
        )  # fmt: skip
        workflow.dag().execute_workflow(executor="dryrun", group_settings=groups)
        dag = workflow._workflow.dag
        jobs = [job for job in dag.jobs if job.rule.name.startswith("evaluate_head")]
        assert len(jobs) == len({job.rule.name for job in jobs}) == len(heads)
        apart = [job.rule.name for job in jobs if job.group == "apart"]
        assert apart == ["evaluate_head_3"] and all(job.resources.in_turn == 1 for job in jobs)
        submissions = {id(group): len(group) for group in dag._group.values()}
        assert sorted(submissions.values()) == [1, 1, 10]


def test_groups_without_the_resource_that_limits_them_are_refused(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    groups = GroupSettings(overwrite_groups={"evaluate_head": "evaluate"})
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(ResourceSettings(cores=1), snakefile=root / "workflow" / "Snakefile", workdir=tmp_path)
        with pytest.raises(WorkflowError, match=r"evaluate_head(_\d+)? is in a group.* add in_turn=1 to --resources"):
            workflow.dag().execute_workflow(executor="dryrun", group_settings=groups)


def test_partitions_send_gpu_jobs_where_gpus_are(root):
    partitions = read_partition_file(root / "profiles" / "slurm" / "partitions.yaml")

    def best(**resources):
        job = SimpleNamespace(resources=resources, threads=2, name="x")
        scores = {p.name: p.score_job_fit(job) for p in partitions}
        return max((name for name in scores if scores[name] is not None), key=scores.get)

    assert best(mem_mb=32000, runtime=240, gpu=1) == "gpu"
    assert best(mem_mb=32000, runtime=240, gpu=0) == "cpu"
