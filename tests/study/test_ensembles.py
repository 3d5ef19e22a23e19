"""The section `ensembles`: which runs an ensemble is made of, and what is refused at the door."""

import json
import re

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from helpers.parsed_workflow import parsed_workflow
from s2f.common.errors import InputError
from s2f.study import ensembles, runs, scoring, validate

HEAD, OTHER = "one/no_shift/boda-mean-8", "two/no_shift/boda-mean-8"
PROBE = "one/no_shift/linear-probe"


def config(seeds=(2, 1), splits=("s",), scored=None, interpreted=None, changes=None, **entries):
    """A study with two heads, a solved one and three baselines, and some ensembles of (over, *members)."""
    panels = {"id": {"kind": "rows"}, "snv": {"kind": "pairs"}}
    simulated = {"source": {"kind": "simulated"}, "construct": "c", "splits": list(splits), "panels": panels}
    return {
        "study": "x", "seeds": list(seeds),
        "datasets": {"simulated": simulated, "simulated_other": {**simulated, "splits": ["s"]}},
        "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
        "splits": {"s": {"kind": "chromosome"}, "k": {"kind": "kfold", "folds": 3}},
        "encoders": {"one": {"kind": "onehot"}, "two": {"kind": "kmer"}},
        "baselines": {"mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge", "seeds": 1}},
        "models": [
            {"datasets": ["simulated"], "encoders": ["one"], "heads": ["boda-mean-8", "linear-probe"]},
            {"datasets": ["simulated"], "encoders": ["two"], "heads": ["boda-mean-8"]},
            {"baselines": ["mean"]},
            {"datasets": ["simulated"], "baselines": ["ridge"]},
        ],
        "ensembles": {name: {"over": over, "members": members} for name, (over, *members) in entries.items()},
        **({"scoring": {"e": {"dataset": "simulated", **scored}}} if scored else {}),
        **({"interpretation": [interpreted]} if interpreted else {}),
        **(changes or {}),
    }  # fmt: skip


def made(**given):
    """{path of an ensemble's run: [(model, split, seed) of its members]}."""
    study = validate.validated(config(**given))
    found = ensembles.runs(study, runs.runs(study))
    return {run.folder: [(own.model, own.split, own.seed) for own in run.members] for run in found}


def test_no_study_has_ensembles_by_default():
    assert made() == {}


def test_seeds_are_used_up_by_one_run_that_has_the_first_of_them():
    assert made(e=("seeds", HEAD)) == {"simulated/s/e/seed2": [(HEAD, "s", 2), (HEAD, "s", 1)]}


def test_encoders_have_a_run_for_each_seed_and_what_no_seed_changes_lends_its_only_run():
    found = made(e=("encoders", HEAD, OTHER, PROBE, "ridge"))
    lent = [(PROBE, "s", 2), ("ridge", "s", 2)]
    assert found == {f"simulated/s/e/seed{s}": [(HEAD, "s", s), (OTHER, "s", s), *lent] for s in (1, 2)}
    assert made(e=("encoders", PROBE, "ridge")) == {"simulated/s/e/seed2": lent}


def test_a_model_that_draws_and_has_one_seed_makes_one_replicate():
    baselines = {"malinois-1cell": {"kind": "malinois_1cell", "seeds": 1}}
    models = [{"datasets": ["simulated"], "encoders": ["one"], "heads": ["boda-mean-8"], "baselines": [*baselines]}]
    changes = {"baselines": baselines, "models": models, "comparison": {"resamples": 100}}
    found = made(e=("encoders", HEAD, "malinois-1cell"), changes=changes)
    assert found == {"simulated/s/e/seed2": [(HEAD, "s", 2), ("malinois-1cell", "s", 2)]}


def test_folds_stand_under_the_name_of_their_split():
    found = made(e=("folds", HEAD), splits=("k", "s"), seeds=(4,))
    assert found == {"simulated/k/e/seed4": [(HEAD, f"k-fold{fold}", 4) for fold in range(3)]}
    both = made(e=("encoders", HEAD, OTHER), splits=("k",), seeds=(4,))
    assert list(both) == [f"simulated/k-fold{fold}/e/seed4" for fold in range(3)]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"e": ("encoders", HEAD, "rigde")}, "ensembles.e.members: 'rigde' is not a model of the study; did you mean"),
        ({"e": ("encoders", HEAD)}, f"ensembles.e.members: only '{HEAD}' is named, but over encoders needs two"),
        ({"e": ("seeds", HEAD, OTHER)}, "ensembles.e.members: over seeds needs exactly one model, but 2 are named"),
        ({"e": ("encoders", HEAD, "mean")}, "ensembles.e.members: 'mean' predicts a constant"),
        ({"e": ("seeds", HEAD), "f": ("encoders", "e", HEAD)}, "ensembles.f.members: 'e' is itself an ensemble"),
        ({"ridge": ("seeds", HEAD)}, "ensembles.ridge: section 'baselines' has the same name; choose another name"),
        ({"one": ("seeds", HEAD)}, "ensembles.one: section 'encoders' has the same name; choose another name"),
        ({"interpretation": ("seeds", HEAD)}, "ensembles.interpretation: other results are called"),
        ({"e": ("seeds", "ridge")}, "ensembles.e: 'ridge' is trained only with the seed 2, or every seed gives"),
        ({"e": ("seeds", HEAD), "seeds": (3,)}, f"ensembles.e: '{HEAD}' is trained only with the seed 3"),
        ({"e": ("folds", HEAD)}, f"ensembles.e: no dataset has '{HEAD}' trained in all folds"),
        ({"e": ("folds", HEAD), "splits": ("k-fold0", "k-fold1")}, f"no dataset has '{HEAD}' trained in all folds "
        "of a split"),
        ({"e": ("bagging", HEAD)}, "ensembles.e.over: 'bagging' is not one of"),
        ({"e": ("encoders", HEAD, HEAD)}, "ensembles.e.members: .* has non-unique elements"),
        ({"e": ("seeds", HEAD), "interpreted": {"panel": "id", "models": ["e"]}}, "'e' is an ensemble; explain"),
        ({"e": ("encoders", HEAD, "ridge"), "scored": {"fasta": "f", "models": ["e"], "shifts": [3]}}, "cannot shift"),
        (
            {"e": ("folds", HEAD), "splits": ("k",), "scored": {"fasta": "f", "models": ["e"]}},
            "scoring.e.models: 'e' is not in split 'k-fold0'; it is in k: name one of these as split",
        ),
        (
            {"e": ("folds", HEAD), "splits": ("k",), "scored": {"pairs": "p", "split": "k", "measured": "snv"}},
            "scoring.e.measured: 'k' means all folds, whose ensembles have no predictions",
        ),
    ],
)  # fmt: skip
def test_what_is_no_ensemble_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        made(**given)


def test_no_difference_refers_to_an_ensemble_over_folds_which_is_in_no_single_fold():
    given = config(e=("folds", HEAD), splits=("k",))
    for refers in ({"against": "e"}, {"against_in": {"k": "e"}}):
        given["datasets"]["simulated"] = {**config(splits=("k",))["datasets"]["simulated"], **refers}
        with pytest.raises(InputError, match=r"datasets.simulated: .* refer to 'e' .* no run in split 'k-fold0'"):
            validate.validated(given)


@pytest.mark.parametrize("name", ["panels", "interpretation"])
def test_a_k_fold_has_no_name_of_other_results_as_its_ensembles_stand_under_it(name):
    splits = {"s": {"kind": "chromosome"}, name: {"kind": "kfold", "folds": 3}}
    with pytest.raises(InputError, match=rf"splits.{name}: other results are called"):
        made(e=("folds", HEAD), splits=(name,), changes={"splits": splits})


def test_members_that_are_never_trained_together_are_refused():
    models = [
        {"datasets": ["simulated"], "encoders": ["one"], "heads": ["boda-mean-8"]},
        {"datasets": ["simulated_other"], "baselines": ["ridge"]},
    ]
    with pytest.raises(InputError, match=r"no dataset has all its members: .* in simulated; 'ridge' in simulated_oth"):
        made(e=("encoders", HEAD, "ridge"), changes={"models": models})


def test_members_must_predict_the_same_cells():
    checked = validate.validated(config(e=("encoders", HEAD, OTHER)))
    checked["datasets"]["simulated"]["cells"] = ["K562", "HepG2"]
    checked["baselines"]["first"] = {"kind": "malinois_1cell"}
    checked["ensembles"]["e"]["members"] = [HEAD, "first"]
    trained = [*runs.runs(checked), runs.Run("simulated", "s", "first", 1), runs.Run("simulated", "s", "first", 2)]
    with pytest.raises(
        InputError, match=r"'one/no_shift/boda-mean-8' predicts the cells K562, HepG2, but 'first' predicts K562"
    ):
        ensembles.check(checked, trained)


def test_differences_may_refer_to_an_ensemble_and_scoring_takes_it():
    study = validate.validated(
        config(e=("seeds", HEAD), changes={"comparison": {"against": ""}}, scored={"fasta": "f"})
    )
    study["datasets"]["simulated"]["against"] = "e"
    trained = runs.runs(study)
    models = [*trained, *ensembles.runs(study, trained)]
    found = {job.run.model: job.run for job in scoring.jobs(study, models)}
    assert set(found) == {HEAD, OTHER, PROBE, "ridge", "e"}
    assert scoring.modules_of(study, found["e"]) == ["s2f.embeddings.encoders.onehot"]
    given = config(e=("seeds", HEAD))
    given["datasets"]["simulated"]["against"] = "e"
    validate.validated(given)
    given["datasets"]["simulated"]["against"] = "f"
    with pytest.raises(InputError, match=r"datasets.simulated.against: 'f' is not among the models"):
        validate.validated(given)


def test_the_example_of_the_docs_is_valid(root):
    """What docs/uncertainty.md shows, with the models that it names."""
    text = (root / "docs" / "uncertainty.md").read_text()
    (block,) = [own for own in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if own.startswith("ensembles:")]
    entries = yaml.safe_load(block)["ensembles"]
    assert {entry["over"] for entry in entries.values()} == {"seeds", "encoders", "folds"}
    study = config(splits=("s", "k"))
    study["encoders"] = {"alphagenome": {"kind": "onehot"}, "lamar.layer04": {"kind": "kmer"}}
    study["models"] = [
        {"datasets": ["simulated"], "encoders": [*study["encoders"]], "heads": ["boda-flatten-512-512"]},
        {"datasets": ["simulated"], "baselines": ["ridge"]},
    ]
    study["datasets"] = {"simulated": study["datasets"]["simulated"]}
    study["ensembles"] = entries
    checked = validate.validated(study)
    assert {run.model for run in ensembles.runs(checked, runs.runs(checked))} == set(entries)


def test_rules_are_given_the_files_of_members(root, tmp_path):
    fasta = tmp_path / "a.fa"
    fasta.write_text("")
    members = ["kmer5/no_shift/boda-flatten-512-512", "kmer-ridge"]
    workflow = parsed_workflow(
        root,
        ensembles={"both": {"over": "encoders", "members": members}},
        scoring={"e": {"dataset": "simulated_k562", "fasta": str(fasta), "models": ["both"]}},
    )
    functions, place = workflow.globals, "simulated_k562/chromosome"
    job = type("W", (), {"dataset": "simulated_k562", "split": "chromosome", "ensemble": "both", "seed": "1"})()
    assert functions["members_of"]("best_model")(job) == [
        f"results/{place}/{name}/seed1/best_model" for name in members
    ]
    # Snakemake sorts inputs: only by this does an ensemble whose members change places get other numbers of them
    assert functions["order_of_members"](job) == [f"{place}/{name}/seed1" for name in members]
    makes = [rule for rule in workflow.rules if "make_ensemble" in rule.name]
    assert makes and all(dict(rule.params.items())["members"] is functions["order_of_members"] for rule in makes)
    assert functions["split_tables_of_ensemble"](job) == ["results/simulated_k562/splits/chromosome.tsv"]
    assert f"results/{place}/both/seed1/predictions/snv.tsv" in functions["predictions_of_study"]()
    job.seed = "7"
    with pytest.raises(WorkflowError, match="the study makes no such ensemble"):
        functions["ensemble_of"](job)
    scores = type("W", (), {"scores": "e", "model": "both"})()
    assert [section.get("kind") for section in functions["encoders_that_score"](scores)] == ["kmer", None]
    given = json.loads(functions["encoders_with_weights"](scores, type("I", (), {"weights": []})()))
    assert given == functions["encoders_that_score"](scores)
    assert functions["gpus_of_scores"](scores) == 0
