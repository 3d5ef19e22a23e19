"""Checks of a study that a schema cannot make."""

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.design.options import METHODS as DESIGN_METHODS
from s2f.heads import augmentations, networks
from s2f.interpretation.methods import METHODS
from s2f.sequences import flanks
from s2f.study import comparison, ensembles
from s2f.study.comparison import baseline_of
from s2f.study.runs import Run, runs

PARTS = ("train", "val", "test")
# for each section: patterns of names that are not allowed, because other files or folders of the results have them
RESERVED = {
    "datasets": (
        "plots", "tapt", "scores", "designs", "README.md", "compare.tsv", "compare.md",
        "compare.html", "across.tsv", "across.md",
        "calibration.tsv", "learning_curve.tsv", "interpretation.tsv", "interpretation_truth.tsv", "motifs_truth.tsv",
        "designs.tsv", "designs_truth.tsv",
    ),
    "splits": (
        "splits", "panels", "embeddings", "interpretation", "rows.parquet", "rows.stages.tsv", "units.tsv",
        "isoscore.tsv", "isoscore.png", "*.audit", "*.stages",
    ),
    "encoders": ("dependency_maps", "interpretation", "motifs"),
    "baselines": ("dependency_maps", "interpretation", "motifs", "*.skipped"),
    "ensembles": ("dependency_maps", "interpretation", "motifs", "*.skipped"),
    "downloads": ("*.sha256",),
    "scoring": ("*.skipped", "*.judged"),
}  # fmt: skip


def check_names(study: dict[str, Any]) -> None:
    """Raise `InputError` for a name that no section defines, and for entries of a study that contradict each other."""

    def known(name: str, section: str, where: str) -> None:
        if name not in study[section]:
            raise InputError(f"{where}: {name!r} is not in the section {section!r}{nearest(name, study[section])}")

    for name, split in study["splits"].items():
        shares = [split.get(part, 0) for part in ("val", "test")]
        if all(isinstance(share, (int, float)) for share in shares) and sum(shares) >= 1:
            raise InputError(
                f"splits.{name}: val {shares[0]:g} and test {shares[1]:g} are {sum(shares):g} of the rows, expected "
                "less than 1, or no rows remain for training"
            )
    for name, construct in study["constructs"].items():
        flanks.check(construct, f"constructs.{name}")
    for section, patterns in RESERVED.items():
        # ensembles over folds are stored under the name of the k-fold split
        whole = comparison.k_folds(study) if section == "splits" else []
        for name in [*study[section], *whole]:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                raise InputError(f"{section}.{name}: other results are called {name!r}; choose another name")
    for name, dataset in study["datasets"].items():
        where = f"datasets.{name}"
        source = kinds.facts("sources", dataset["source"]["kind"])
        if source["simulated"] and "simulated" not in name:
            raise InputError(f"{where}: the rows are simulated: the name of the dataset must contain 'simulated'")
        rna = source["rna"] and dataset["source"].get("molecule", "RNA") == "RNA"
        if rna and dataset["strand_rule"] != "forward":
            fix = "; for DNA say molecule: DNA in its source" if "molecule" in dataset["source"] else ""
            raise InputError(f"{where}.strand_rule: expected forward, because windows of an RNA have one strand{fix}")
        known(dataset["construct"], "constructs", f"{where}.construct")
        for split in dataset["splits"]:
            known(split, "splits", f"{where}.splits")
        for panel, options in dataset["panels"].items():
            if panel in ("train", "val", "test"):
                raise InputError(f"{where}.panels: {panel!r} is the name of a part of the split; choose another name")
            if options.get("match") == "variant_key" and "variant_key" not in panel:
                raise InputError(
                    f"{where}.panels.{panel}: match variant_key makes pairs that mix windows and haplotypes; tables "
                    "must show that, so the panel's name must contain variant_key"
                )
    for index, entry in enumerate(study["models"]):
        where = f"models.{index}"
        for name in entry.get("datasets", []):
            known(name, "datasets", f"{where}.datasets")
        for encoder in entry["encoders"]:
            known(encoder, "encoders", f"{where}.encoders")
        for mode in entry["augmentations"]:
            if mode not in study["augmentations"]:
                names = {*study["augmentations"], *kinds.names("augmentations")}
                raise InputError(f"{where}: augmentation {mode!r} is unknown{nearest(mode, names)}")
        for head in entry["heads"]:
            try:
                networks.module_of(head)
            except InputError as error:
                raise InputError(f"{where}.heads: {error}") from None
        for baseline in entry["baselines"]:
            known(baseline, "baselines", f"{where}.baselines")
        together = (bool(entry["encoders"]), bool(entry["heads"]))
        if together[0] != together[1]:
            raise InputError(f"{where}: encoders and heads go together; give both or neither")
    for name, split in study["splits"].items():
        lists = [set(split[part]) for part in PARTS if isinstance(split.get(part), list)]
        twice = sorted(set.union(*lists)) if lists else []
        twice = [value for value in twice if sum(value in listed for listed in lists) > 1]
        if twice:
            raise InputError(f"splits.{name}: {twice[0]!r} is listed in two parts")
    clash = set(study["encoders"]) & set(study["baselines"])
    if clash:
        raise InputError(f"baselines.{sorted(clash)[0]}: an encoder has the same name; choose another name")
    planned = runs(study)
    for run in planned:
        if run.head:
            _check_mode(study, run)
            _check_tokens(study, run)
        else:
            comparison.check_task(study, run)
    for slug in study["heads"]:
        networks.module_of(slug)
        if slug not in {run.head for run in planned}:
            raise InputError(
                f"heads.{slug}: no entry of models uses this head; add it to one, or remove it"
                f"{nearest(slug, {r.head for r in planned if r.head})}"
            )
    if not planned:
        raise InputError("models: no model is named")
    models_of: dict[str, set[str]] = {}
    for run in [*planned, *ensembles.runs(study, planned)]:
        models_of.setdefault(run.dataset, set()).add(run.model)
    for dataset in study["datasets"]:
        models = models_of.get(dataset, set())
        against = baseline_of(study, dataset)
        where = f"datasets.{dataset}.against" if "against" in study["datasets"][dataset] else "comparison.against"
        if against and against not in models:
            raise InputError(
                f"{where}: {against!r} is not among the models of dataset {dataset!r}" + nearest(against, models)
            )


def check_heads(study: dict[str, Any], config: dict[str, Any]) -> None:
    """Raise `InputError` for settings of heads in `config` as written by the user that no run of the study can use."""
    planned = [run for run in runs(study) if run.head]
    trained = [run for run in planned if networks.facts(run.head)["epochs"]]
    if planned and not trained and config.get("training"):
        key, heads = next(iter(config["training"])), ", ".join(sorted({run.head for run in planned}))
        raise InputError(f"training.{key}: no head of this study is trained in epochs ({heads} is solved): omit it")
    training = kinds.section_schema("heads/training")
    _check_tasks(study, trained, config.get("training", {}), training, "training")
    for head in sorted({run.head for run in planned}):
        rules = training if networks.facts(head)["epochs"] else networks.schema(head)
        of_head = [run for run in planned if run.head == head]
        _check_tasks(study, of_head, config.get("heads", {}).get(head, {}), rules, f"heads.{head}")


def check_unused(study: dict[str, Any], config: dict[str, Any]) -> None:
    """Raise `InputError` for settings in `config` as written by the user that another key of their entry makes useless:
    those of methods that are not used, and those of another choice of rows."""

    def refuse(entry: dict[str, Any], keys: Iterable[str], where: str, why: str) -> None:
        for key in keys:
            if key in entry:
                raise InputError(f"{where}.{key}: has no effect, because {why}: omit it")

    def of_methods(entry: dict[str, Any], known: Iterable[str], used: list[str], where: str) -> None:
        others = [method for method in known if method not in used]
        refuse(entry, others, where, f"the methods are {', '.join(used)}")

    for name, entry in config.get("design", {}).items():
        where, start = f"design.{name}", entry["start"]
        of_methods(entry, DESIGN_METHODS, study["design"][name]["methods"], where)
        if "panel" not in start:
            refuse(start, ("count", "take"), f"{where}.start", "no panel is given")
    for index, entry in enumerate(config.get("interpretation", [])):
        of_methods(entry, METHODS, study["interpretation"][index]["methods"], f"interpretation.{index}")
    for index, entry in enumerate(config.get("dependency_maps", [])):
        if "ids" in entry:
            refuse(entry, ("rows",), f"dependency_maps.{index}", "ids says which rows are mapped")


def _check_tasks(
    study: dict[str, Any], of: Sequence[Run], entry: dict[str, Any], rules: dict[str, Any], where: str
) -> None:
    """Refuse a key of an entry that, by its schema (`x-task`), is for a task other than that of the runs."""
    tasks = {study["datasets"][run.dataset]["task"] for run in of}
    for key, value in entry.items():
        task = rules["properties"][key].get("x-task")
        if value and task and tasks and task not in tasks:
            raise InputError(f"{where}.{key}: is for a {task}, but no dataset with such a head is one: omit it")


def _check_mode(study: dict[str, Any], run: Run) -> None:
    """Refuse an augmentation that a dataset's construct, its strand rule or the encoder does not allow."""
    dataset = study["datasets"][run.dataset]
    mode = study["stage2"][run.augmentation]["augmentation"] if run.stage2 else study["augmentations"][run.augmentation]
    layout = study["constructs"][dataset["construct"]]["layout"]
    name = f"augmentation of stage2 {run.augmentation!r}" if run.stage2 else f"augmentation {run.augmentation!r}"
    where = f"{name} (kind {mode['kind']}) of dataset {run.dataset!r}"
    encoder, facts = study["encoders"][run.encoder]["kind"], kinds.facts("augmentations", mode["kind"])
    views = augmentations.views(mode)
    if dataset["strand_rule"] == "forward" and facts["strands"] != "given":
        raise InputError(
            f"{where}: its strand_rule is forward, so the reverse complement is not a view of it; use 'none'"
        )
    if dataset["strand_rule"] == "mean" and facts["strands"] == "given":
        raise InputError(
            f"{where}: it trains on one strand, but its strand_rule mean predicts on both; use 'no_shift', or "
            "strand_rule: forward"
        )
    if facts["encodes"] and not kinds.facts("encoders", encoder)["in_training"]:
        able = kinds.having("encoders", "in_training")
        raise InputError(
            f"{where}: it runs the encoder in training, but encoder {run.encoder!r} (kind {encoder}) cannot run "
            f"there; kinds that can: {', '.join(able)}"
        )
    if facts["encodes"] and not networks.facts(run.head)["epochs"]:
        raise InputError(
            f"{where}: it encodes in training, but head {run.head!r} is solved on cached views; use "
            "an augmentation that does not encode, such as 'no_shift'"
        )
    if facts["layout"] not in ("", layout):
        raise InputError(f"{where}: its construct has layout {layout}, expected {facts['layout']}")
    if layout == "whole" and (facts["encodes"] or any(shift for shift, _ in views)):
        raise InputError(f"{where}: its construct has layout whole, whose window cannot be shifted")


def _check_tokens(study: dict[str, Any], run: Run) -> None:
    """Refuse a head that needs more tokens than its encoder gives, with a token per base or one token in all."""
    encoder = study["encoders"][run.encoder]
    token_bp = kinds.facts("encoders", encoder["kind"])["token_bp"]
    if not token_bp:
        return
    length = study["constructs"][study["datasets"][run.dataset]["construct"]]["length"]
    tokens = 1 if encoder.get("pooling") == "mean" else -(-length // token_bp)
    try:
        networks.check_tokens(run.head, tokens)
    except InputError as error:
        raise InputError(f"model {run.model!r} of dataset {run.dataset!r}: {error}") from None


def hidden_inserts(study: dict[str, Any]) -> list[str]:
    """A warning for each head that may not see the inserts of a dataset because of how its encoder forms tokens.

    This is only checked for encoders whose tokens depend on no letters but those that they cover, for the unshifted
    window, and only if the length of the inserts is known. The warning on the largest token ends when its advice is
    followed: the learning rate of the head is below the default.
    """
    found = []
    usual = kinds.section_schema("heads/training")["properties"]["learning_rate"]["default"]
    for name, encoder, head in dict.fromkeys((run.dataset, run.encoder, run.head) for run in runs(study) if run.head):
        facts, dataset = kinds.facts("encoders", study["encoders"][encoder]["kind"]), study["datasets"][name]
        construct, insert = study["constructs"][dataset["construct"]], _insert_bp(study, name)
        if not facts["local_tokens"] or not insert:
            continue
        length, token_bp = construct["length"], facts["token_bp"]
        upstream, _ = flanks.lengths(construct)
        left = flanks.left_flank(construct["layout"], length - insert, upstream, construct["flank_bp"])
        ends = {"forward": left} | ({"reverse": length - insert - left} if dataset["strand_rule"] == "mean" else {})
        of_flank = {strand: flanks.tokens_of_flank(length, end, insert, token_bp) for strand, end in ends.items()}
        where, count = f"{head} on encoder {encoder!r}, dataset {name!r}", -(-length // token_bp)
        blind = [strand for strand, tokens in of_flank.items() if count // 2 in tokens]
        if networks.has(head, "middle_token") and blind:
            found.append(
                f"{where}: its middle token holds no base of the insert on the {' and '.join(blind)} strand, so it "
                "reads nothing there; choose another head, or a construct with shorter flanks"
            )
        elif networks.has(head, "largest_token") and any(of_flank.values()):
            own = study["heads"].get(head, {})
            if own.get("learning_rate", study["training"]["learning_rate"]) < usual:
                continue
            most = max(map(len, of_flank.values()))
            found.append(
                f"{where}: {most} of {count} tokens hold only flank, the same for every row; if one of them has the "
                "largest output the head predicts a constant and learns nothing (the tables mark such a run as "
                f"collapsed); a lower learning rate (heads: {{{head}: {{learning_rate: {usual * 0.3:g}}}}}) or a "
                "construct with shorter flanks makes this less likely"
            )
    return found


def _insert_bp(study: dict[str, Any], name: str) -> int:
    """bp of the longest insert of a dataset, at most the window; 0 if that is not known before rows exist."""
    dataset = study["datasets"][name]
    construct, source = study["constructs"][dataset["construct"]], dataset["source"]
    if construct["layout"] == "whole":
        return construct["length"] - sum(flanks.lengths(construct))
    known = source.get("length") or kinds.facts("sources", source["kind"])["insert_bp"]
    return min(known, construct["length"])
