"""The section `ensembles` of a study: means over its trained models.

An ensemble over seeds uses all trainings of a model, so there is only one replicate of it, and tables make no claim
about other trainings. An ensemble over encoders or over folds has a run for each seed, from members with that seed. A
model that is the same for every seed (k-mer ridge) contributes its only run to all of them.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.heads import networks
from s2f.study import draws, search
from s2f.study.cells import predicted
from s2f.study.comparison import families
from s2f.study.interpretation import constant
from s2f.study.runs import Run

FEWEST = 2  # members


def runs(study: dict[str, Any], trained: Sequence[Run]) -> list[Run]:
    """The runs of all ensembles, sorted by path, from the `trained` runs of the study. An ensemble that cannot be made
    anywhere has none, see `check`."""
    by_place: dict[tuple[str, str, str], list[Run]] = {}
    for run in trained:
        by_place.setdefault((run.dataset, run.split, run.model), []).append(run)
    found = []
    for name, entry in study["ensembles"].items():
        for dataset, section in study["datasets"].items():
            if entry["over"] == "folds":
                places = families(study, dataset)
            else:
                places = {split: [split] for split in section["splits"]}
            for place, splits in places.items():
                of_members = [
                    sorted(by_place.get((dataset, split, model), []), key=lambda run: study["seeds"].index(run.seed))
                    for split in splits
                    for model in entry["members"]
                ]
                if all(of_members):
                    found += [
                        Run(dataset, place, name, seed, members=members)
                        for seed, members in _together(study, entry["over"], of_members)
                        if len(members) >= FEWEST
                    ]
    return sorted(found, key=lambda run: run.folder)


def _together(study: dict[str, Any], over: str, of_members: list[list[Run]]) -> list[tuple[int, tuple[Run, ...]]]:
    """The seed and the members of each run of an ensemble; `of_members` are the runs of each member, in the order of
    seeds."""
    if over == "seeds":
        return [(own[0].seed, tuple(own)) for own in of_members if _stochastic(study, own[0])]
    varied = [own for own in of_members if len(own) > 1 or _stochastic(study, own[0])]
    common = [seed for seed in study["seeds"] if all(seed in {run.seed for run in own} for own in varied)]
    return [
        (seed, tuple(next((run for run in own if run.seed == seed), own[0]) for own in of_members))
        for seed in (common if varied else [of_members[0][0].seed])
    ]


def _stochastic(study: dict[str, Any], run: Run) -> bool:
    """Whether another seed would give another model."""
    if run.head:
        section, kind, facts = "heads", networks.kind_of(run.head), networks.facts(run.head)
        drawn = draws.is_drawn(study, "encoders", run.encoder)
    else:
        section, kind = "baselines", study["baselines"][run.model]["kind"]
        facts, drawn = kinds.facts(section, kind), draws.is_drawn(study, section, run.model)
    searched = search.trainings(study, section, kind, study["datasets"][run.dataset]["task"]) > 1
    return bool(facts["stochastic"] or drawn or searched)


def check(study: dict[str, Any], trained: Sequence[Run]) -> None:
    """Raise `InputError` for an ensemble that has the name of another model, whose members are not models, too few or
    too many, or predict a constant, or whose members are never trained together or predict different cells."""
    made = runs(study, trained)
    known = {run.model: run for run in trained}
    for name, entry in study["ensembles"].items():
        where, members, over = f"ensembles.{name}", entry["members"], entry["over"]
        for section in ("encoders", "baselines"):
            if name in study[section]:
                raise InputError(f"{where}: section {section!r} has the same name; choose another name")
        for member in members:
            if member in study["ensembles"]:
                raise InputError(f"{where}.members: {member!r} is itself an ensemble; name its members instead")
            if member not in known:
                raise InputError(f"{where}.members: {member!r} is not a model of the study{nearest(member, known)}")
            if constant(study, known[member]):
                raise InputError(
                    f"{where}.members: {member!r} predicts a constant, which adds nothing to a mean; remove it"
                )
        if over == "encoders" and len(members) < FEWEST:
            raise InputError(
                f"{where}.members: only {members[0]!r} is named, but over encoders needs two or more models"
            )
        if over != "encoders" and len(members) > 1:
            raise InputError(f"{where}.members: over {over} needs exactly one model, but {len(members)} are named")
        own = [run for run in made if run.model == name]
        if not own:
            raise InputError(f"{where}: {_why_never(over, members, trained)}")
        for run in own:
            cells = {member: predicted(study, member) for member in run.members}
            odd = next((member for member in run.members if cells[member] != cells[run.members[0]]), None)
            if odd:
                raise InputError(
                    f"{where}.members: in {run.dataset!r} {run.members[0].model!r} predicts the cells "
                    f"{', '.join(cells[run.members[0]])}, but {odd.model!r} predicts {', '.join(cells[odd])}; "
                    "expected the same cells"
                )


def _why_never(over: str, members: Sequence[str], trained: Sequence[Run]) -> str:
    if over == "seeds":
        seeds = sorted({run.seed for run in trained if run.model == members[0]})
        return (
            f"{members[0]!r} is trained only with the seed {seeds[0]}, or every seed gives the same model; over "
            "seeds needs two or more seeds"
        )
    if over == "folds":
        return f"no dataset has {members[0]!r} trained in all folds of a split of kind kfold"
    places = [f"{m!r} in {', '.join(sorted({run.dataset for run in trained if run.model == m}))}" for m in members]
    return f"no dataset has all its members: {'; '.join(places)}"
