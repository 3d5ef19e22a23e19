"""The runs of a study."""

from dataclasses import dataclass

from s2f.heads import networks
from s2f.study.comparison import FLOORS


@dataclass(frozen=True)
class Run:
    """One trained model with one seed; `model` is `{encoder}/{augmentation}/{head}` or the name of a baseline."""

    dataset: str
    split: str
    model: str
    seed: int
    encoder: str = ""
    augmentation: str = ""
    head: str = ""

    @property
    def folder(self):
        """Path of the run below the results folder."""
        return f"{self.dataset}/{self.split}/{self.model}/seed{self.seed}"

    @property
    def views(self):
        """Dataset, split, encoder and augmentation of the run of a head, as in its path: what its training reads."""
        return f"{self.dataset}/{self.split}/{self.encoder}/{self.augmentation}"

    def at(self, views):
        """The run of the same head and seed in another place."""
        dataset, split, encoder, mode = views.split("/")
        return Run(dataset, split, f"{encoder}/{mode}/{self.head}", self.seed, encoder, mode, self.head)


def training_of(study, head):
    """Training settings of a head: the section `training`, overridden by the head's own section."""
    return {**study["training"], **study["heads"].get(head, {})}


def runs(study):
    """All runs of the study, sorted by path, each once."""
    out = set()
    for entry in study["models"]:
        for dataset in entry.get("datasets", list(study["datasets"])):
            for split in study["datasets"][dataset]["splits"]:
                for seed in study["seeds"]:
                    for encoder in entry["encoders"]:
                        for mode in entry["augmentations"]:
                            for head in entry["heads"]:
                                model = f"{encoder}/{mode}/{head}"
                                out.add(Run(dataset, split, model, seed, encoder, mode, head))
                for baseline in entry["baselines"]:
                    for seed in study["seeds"][: study["baselines"][baseline].get("seeds")]:
                        out.add(Run(dataset, split, baseline, seed))
    return sorted(out, key=lambda run: run.folder)


def together(study):
    """Runs of heads by the job that trains them: lists of runs that differ in seed or, within a family, in head."""
    groups = {}
    for run in runs(study):
        if run.head:
            settings = str(training_of(study, run.head))
            key = (run.dataset, run.split, run.encoder, run.augmentation, networks.family(run.head), settings)
            groups.setdefault(key, []).append(run)
    return list(groups.values())


def rules_together(study):
    """Groups of `together` by the name of the rule that trains them: the same heads and seeds, in all their places."""
    found = {}
    for group in together(study):
        slugs = "_and_".join(dict.fromkeys(run.head for run in group))
        found.setdefault(f"train_together_{slugs}".replace("-", "_"), []).append(group)
    return found


def trains(study, model):
    """Whether a model is trained here in epochs, so that it has a training curve."""
    kind = study["baselines"].get(model, {}).get("kind")
    return kind is None or (kind not in FLOORS and not kind.endswith("_published"))
