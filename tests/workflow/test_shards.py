"""Caches in shards as the workflow plans them: which jobs there are, and how one shard is asked for."""

import pytest
import yaml

from helpers.forked_snakemake import jobs, snakemake
from helpers.tiny_study import HEAD, TINY

CACHE = "results/simulated_k562/embeddings/alphagenome-tiny/+00"


@pytest.fixture
def plan(root, tmp_path):
    def planned(*targets, **cache):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(TINY | {"cache": cache}))
        options = ("--dry-run", "--configfile", tmp_path / "study.yaml", "--", *targets)
        return jobs(snakemake(root, tmp_path, *options))

    return planned


@pytest.mark.parametrize(("strands", "embeds"), [("together", {"embed": 3}), ("separate", {"embed_strand": 6})])
def test_a_job_for_each_shard_and_one_to_join_each_strand(plan, strands, embeds):
    planned = plan(f"{HEAD}/metrics.tsv", shards=3, strands=strands)
    assert {rule: planned.get(rule) for rule in (*embeds, "join_shards")} == embeds | {"join_shards": 2}
    assert "join_shards" not in plan(f"{HEAD}/metrics.tsv", strands=strands)


def test_a_shard_has_a_path(plan):
    shard = f"{CACHE}.forward.shards/2-of-3.json"
    assert plan(shard, shards=3) == {"make_rows": 1, "embed": 1}
    assert plan(shard, shards=3, strands="separate") == {"make_rows": 1, "embed_strand": 1}
