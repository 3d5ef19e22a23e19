"""The picture of the graph of rules in docs/architecture.md: how it is laid out, and that it is the present one."""

import re

import pytest

from programs import draw_rulegraph
from programs.draw_rulegraph import layers_of, picture, places, programs_of, reduced, width_of

DOT = """digraph snakemake_dag {
\t0[label = "all", color = "0.01 0.6 0.85"];
\t1[label = "make_rows", color = ""];
\t2[label = "make_split", color = ""];
\t3[label = "evaluate_head", color = ""];
\t4[label = "evaluate_head_2", color = ""];
\t5[label = "embed_strand", color = ""];
\t6[label = "compare_across", color = ""];
\t1 -> 2
\t1 -> 3
\t2 -> 4
\t5 -> 3
\t1 -> 5
\t4 -> 6
\t3 -> 6
\t6 -> 0
}"""
GRAPH = {
    "make_rows": set(),
    "make_split": {"make_rows"},
    "embed": {"make_rows"},
    "evaluate_head": {"make_rows", "make_split", "embed"},
    "compare_across": {"evaluate_head"},
}


def arrows(svg):
    return set(re.findall(r'id="edge-(\w+)-(\w+)"', svg))


def test_rules_of_one_program_are_one_box_and_the_target_is_none():
    assert programs_of(DOT) == GRAPH


def test_a_rule_without_a_program_and_a_plan_that_failed_are_named():
    with pytest.raises(ValueError, match="rule pack: expected one program of this name"):
        programs_of('0[label = "pack", color = ""];')
    with pytest.raises(ValueError, match="no graph of rules:\nWorkflowError"):
        programs_of("WorkflowError")


def test_an_arrow_that_a_longer_way_implies_is_left_out():
    assert reduced(GRAPH) == GRAPH | {"evaluate_head": {"make_split", "embed"}}


def test_boxes_stand_below_what_they_read_and_never_on_each_other():
    layer = layers_of(GRAPH)
    assert layer == {"make_rows": 0, "make_split": 1, "embed": 1, "evaluate_head": 2, "compare_across": 3}
    x = places(GRAPH, layer)
    apart = abs(x["make_split",] - x["embed",])
    assert apart >= (width_of("make_split") + width_of("embed")) / 2
    assert ("make_rows", "evaluate_head", "1") in x  # the arrow past a layer has a place of its own there
    assert arrows(picture(GRAPH, dict.fromkeys(GRAPH, "what is trained"))) == {
        (before, after) for after in GRAPH for before in GRAPH[after]
    }


@pytest.mark.slow
def test_the_picture_in_the_docs_is_the_present_one(root, tmp_path):
    graph = programs_of(draw_rulegraph.planned(tmp_path))
    by_hand = {"export_encoder", "merge_adapters"}
    programs = {path.stem for path in (root / "workflow" / "scripts").glob("*.py")} - by_hand
    assert set(graph) == programs, "the study of the picture leaves out a program"
    graph = reduced(graph)
    assert (root / "docs" / "rulegraph.svg").read_text() == picture(graph, draw_rulegraph.stages_of(graph)), (
        f"run the command in {draw_rulegraph.__name__}"
    )
