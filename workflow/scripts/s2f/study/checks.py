"""Checks of a study that no schema can make."""

from s2f.common.errors import InputError
from s2f.heads import augmentations as augmentation
from s2f.heads import networks
from s2f.study import comparison
from s2f.study.comparison import baseline_of
from s2f.study.runs import runs
from s2f.study.schema import _nearest, kinds

IN_TRAINING = ("alphagenome", "kmer")  # kinds of encoders that can run inside a training step
TOKEN_BP = {"onehot": 1, "lamar": 1, "kmer": 128}  # kinds of encoders whose tokens are of so many bp
RNA = ("encode_eclip", "simulated_rbp")  # kinds of sources of windows in RNA sense
PARTS = ("train", "val", "test")
RESERVED = ("plots", "tapt")  # folders of results that belong to no dataset


def _check_names(study):
    def known(name, section, where):
        if name not in study[section]:
            raise InputError(f"{where}: {name!r} is not in the section {section!r}{_nearest(name, study[section])}")

    for name, dataset in study["datasets"].items():
        where = f"datasets.{name}"
        if name in RESERVED:
            raise InputError(f"{where}: results/{name} holds other results, choose another name")
        if dataset["source"]["kind"].startswith("simulated") and "simulated" not in name:
            raise InputError(f"{where}: simulated rows must be called so: put 'simulated' into the dataset's name")
        if dataset["source"]["kind"] in RNA and dataset["strand_rule"] != "forward":
            raise InputError(f"{where}.strand_rule: expected forward, as windows of an RNA have one strand")
        known(dataset["construct"], "constructs", f"{where}.construct")
        for split in dataset["splits"]:
            known(split, "splits", f"{where}.splits")
        for panel, spec in dataset["panels"].items():
            if panel in ("train", "val", "test"):
                raise InputError(f"{where}.panels: {panel!r} is the name of a part of the split, choose another")
            if spec["match"] == "variant_key" and (spec["kind"] != "pairs" or "variant_key" not in panel):
                raise InputError(
                    f"{where}.panels.{panel}: match variant_key is for pairs that mix windows and haplotypes; tables "
                    "must show that: the panel's name must hold variant_key"
                )
    for place, entry in enumerate(study["models"]):
        where = f"models.{place}"
        for name in entry.get("datasets", []):
            known(name, "datasets", f"{where}.datasets")
        for encoder in entry["encoders"]:
            known(encoder, "encoders", f"{where}.encoders")
        for mode in entry["augmentations"]:
            if mode not in study["augmentations"]:
                names = {*study["augmentations"], *kinds("augmentations")}
                raise InputError(f"{where}: augmentation {mode!r} is unknown{_nearest(mode, names)}")
        for head in entry["heads"]:
            networks.module_of(head)
        for baseline in entry["baselines"]:
            known(baseline, "baselines", f"{where}.baselines")
        together = (bool(entry["encoders"]), bool(entry["heads"]))
        if together[0] != together[1]:
            raise InputError(f"{where}: encoders and heads go together; give both or neither")
    for name, split in study["splits"].items():
        lists = [set(split[part]) for part in PARTS if isinstance(split.get(part), list)]
        twice = sorted(set.union(*lists)) if lists else []
        twice = [value for value in twice if sum(value in one for one in lists) > 1]
        if twice:
            raise InputError(f"splits.{name}: {twice[0]!r} is listed in two parts")
    clash = set(study["encoders"]) & set(study["baselines"])
    if clash:
        raise InputError(f"baselines.{sorted(clash)[0]}: an encoder has the same name, choose another")
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
                f"heads.{slug}: no entry of models uses this head{_nearest(slug, {r.head for r in planned})}"
            )
    if not planned:
        raise InputError("models: no model is asked for")
    models_of = {}
    for run in planned:
        models_of.setdefault(run.dataset, set()).add(run.model)
    for dataset in study["datasets"]:
        models = models_of.get(dataset, set())
        against = baseline_of(study, dataset)
        if against and against not in models:
            raise InputError(
                f"comparison.against: {against!r} is not among the models of dataset {dataset!r}"
                + _nearest(against, models)
            )


def _check_mode(study, run):
    """Refuse an augmentation that a dataset's construct, its strand rule or the encoder does not allow."""
    mode, dataset = study["augmentations"][run.augmentation], study["datasets"][run.dataset]
    layout = study["constructs"][dataset["construct"]]["layout"]
    where = f"augmentation {run.augmentation!r} (kind {mode['kind']}) of dataset {run.dataset!r}"
    encoder = study["encoders"][run.encoder]["kind"]
    views = augmentation.views(mode)
    if dataset["strand_rule"] == "forward" and (mode["kind"] != "none"):
        raise InputError(f"{where}: its strand_rule is forward, the reverse complement is no view of it; use 'none'")
    if dataset["strand_rule"] == "mean" and mode["kind"] == "none":
        raise InputError(
            f"{where}: it trains on one strand, and its strand_rule mean predicts on both; use 'no_shift', or "
            "strand_rule: forward"
        )
    if augmentation.encodes(mode) and encoder not in IN_TRAINING:
        raise InputError(
            f"{where}: it runs the encoder in training, which encoder {run.encoder!r} (kind {encoder}) cannot; kinds "
            f"that can: {', '.join(IN_TRAINING)}"
        )
    if mode["kind"] == "compact" and layout != "compact":
        raise InputError(f"{where}: its construct has layout {layout}, expected compact")
    if layout == "whole" and (augmentation.encodes(mode) or any(shift for shift, _ in views)):
        raise InputError(f"{where}: its construct has layout whole, whose window cannot be shifted")


def _check_tokens(study, run):
    """Refuse a head that needs more tokens than an encoder with a token per base, or one for all, gives."""
    encoder = study["encoders"][run.encoder]
    if encoder["kind"] not in TOKEN_BP:
        return
    length = study["constructs"][study["datasets"][run.dataset]["construct"]]["length"]
    tokens = 1 if encoder.get("pooling") == "mean" else -(-length // TOKEN_BP[encoder["kind"]])
    try:
        networks.check_tokens(run.head, tokens)
    except InputError as error:
        raise InputError(f"model {run.model!r} of dataset {run.dataset!r}: {error}") from None
