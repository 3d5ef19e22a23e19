"""The runs of a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common import kinds
from s2f.heads import augmentations, networks
from s2f.study import draws


@dataclass(frozen=True)
class Run:
    """One trained model with one seed; `model` is `{encoder}/{augmentation}/{head}` or the name of a baseline.

    For an ensemble, `members` are the runs whose mean it is, and `model` is its name. For a point of a learning curve,
    `subset_of` is the split from whose training rows a part is drawn anew for each seed; `split` is the name of that
    part. For a stage-2 model, whose encoder is trained too, the name of its settings takes the place of the
    augmentation.
    """

    dataset: str
    split: str
    model: str
    seed: int
    encoder: str = ""
    augmentation: str = ""
    head: str = ""
    members: "tuple[Run, ...]" = ()
    subset_of: str = ""
    stage2: bool = False

    @property
    def folder(self) -> str:
        """Path of the run below the results folder."""
        return f"{self.dataset}/{self.split}/{self.model}/seed{self.seed}"


def training_of(study: dict[str, Any], head: str) -> dict[str, Any]:
    """Settings of a head: the section `training`, overridden by the head's own entry; for a head that is solved, the
    options of its kind."""
    entry = study["heads"].get(head, {})
    return {**study["training"], **entry} if networks.facts(head)["epochs"] else networks.options(head, entry)


def seeds_of(study: dict[str, Any], head: str, drawn: bool) -> list[int]:
    """Seeds with which a head is trained: only the first if another would give the same model, because the head is
    solved and its encoder is not `drawn` anew for each seed."""
    return study["seeds"] if drawn or networks.facts(head)["stochastic"] else study["seeds"][:1]


def runs(study: dict[str, Any]) -> list[Run]:
    """All runs of the study that are trained, sorted by path, each once."""
    planned = set()
    drawn = {name for name in study["encoders"] if draws.is_drawn(study, "encoders", name)}
    for entry in study["models"]:
        for dataset in entry.get("datasets", list(study["datasets"])):
            for split in study["datasets"][dataset]["splits"]:
                for encoder in entry["encoders"]:
                    for mode in [*entry["augmentations"], *entry["stage2"]]:
                        for head in entry["heads"]:
                            model, stage2 = f"{encoder}/{mode}/{head}", mode in entry["stage2"]
                            for seed in seeds_of(study, head, encoder in drawn):
                                planned.add(Run(dataset, split, model, seed, encoder, mode, head, stage2=stage2))
                for baseline in entry["baselines"]:
                    for seed in study["seeds"][: study["baselines"][baseline].get("seeds")]:
                        planned.add(Run(dataset, split, baseline, seed))
    return sorted(planned, key=lambda run: run.folder)


CACHES, APART = "caches", "apart"  # values of `train_together`, besides true and false


def trains_together(study: dict[str, Any]) -> bool:
    """Whether heads share jobs: if the study says so and does not search. Each run of a search tries its own settings,
    one after another, and a job with all runs of a family would take the time of all of them."""
    return bool(study["train_together"]) and "search" not in study


def trains_apart(study: dict[str, Any]) -> bool:
    """Whether each run of a shared job is trained by a job of its own, and yet counts as trained with the others."""
    return trains_together(study) and study["train_together"] == APART


def family_of(study: dict[str, Any], run: Run) -> tuple[str, str, str]:
    """What runs have in common that train in one program, wherever they do: augmentation, family and settings."""
    return run.augmentation, networks.family(run.head), str(training_of(study, run.head))


def reads_caches_alone(study: dict[str, Any], run: Run) -> bool:
    """Whether all that a run needs besides rows are embeddings on the device: it is trained in epochs, not solved on
    the CPU, and its augmentation does not encode, for which the time to load embeddings does not matter."""
    return networks.facts(run.head)["epochs"] and not augmentations.encodes(study["augmentations"][run.augmentation])


def together(study: dict[str, Any], planned: Sequence[Run]) -> list[list[Run]]:
    """Runs of heads by the job that trains them: lists of runs that differ in seed or, within a family, in head. If the
    encoder or the training rows are drawn anew for each seed, a list has one seed, because a job reads one set of
    caches and one split.

    With `train_together: caches`, a list has all runs on the embeddings of an encoder that are trained in epochs on
    caches alone and learn the same labels; the others share jobs as with `true`.
    """
    groups: dict[tuple[str, ...], list[Run]] = {}
    drawn = {name for name in study["encoders"] if draws.is_drawn(study, "encoders", name)}
    for run in planned:
        if run.head and not run.stage2:
            draw = f"draw{run.seed}" if run.encoder in drawn or run.subset_of else ""
            shared = family_of(study, run)
            if study["train_together"] in (CACHES, APART) and reads_caches_alone(study, run):
                shared = (CACHES, training_of(study, run.head)["outputs"], "")
            groups.setdefault((run.dataset, run.split, run.encoder, draw, *shared), []).append(run)
    return list(groups.values())


def rules_together(study: dict[str, Any], planned: Sequence[Run]) -> dict[str, list[list[Run]]]:
    """Groups of `together` by the name of the rule that trains them: the same augmentations, heads and seeds, wherever
    they are used. With `train_together: caches`, the rules for all runs on caches are numbered."""
    groups_of_rule: dict[str, list[list[Run]]] = {}
    numbers: dict[tuple[tuple[str, str, int], ...], int] = {}
    for group in together(study, planned):
        first, slugs = group[0], "_and_".join(dict.fromkeys(run.head for run in group))
        drawn = first.subset_of or draws.is_drawn(study, "encoders", first.encoder)
        name = f"train_together_{slugs}{f'_draw{first.seed}' if drawn else ''}".replace("-", "_")
        if study["train_together"] in (CACHES, APART) and reads_caches_alone(study, first):
            number = numbers.setdefault(
                tuple((run.augmentation, run.head, run.seed) for run in group), len(numbers) + 1
            )
            name = "train_caches" if number == 1 else f"train_caches_{number}"
        groups_of_rule.setdefault(name, []).append(group)
    return groups_of_rule


def trains(study: dict[str, Any], model: str) -> bool:
    """Whether a model is trained here in epochs, and thus has a training curve."""
    if model in study["baselines"]:
        return kinds.facts("baselines", study["baselines"][model]["kind"])["epochs"]
    return networks.facts(model.rpartition("/")[2])["epochs"]
