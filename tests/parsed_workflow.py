"""The workflow as Snakemake parses it, and what its programs import, for tests of rules, environments and profiles."""

import ast
import re
import sys
from types import SimpleNamespace

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from s2f.common import provenance
from s2f.study import checks

# name in an import -> name of the package on the Python index
MODULES = {"haiku": "dm-haiku", "sklearn": "scikit-learn", "orbax": "orbax-checkpoint", "yaml": "pyyaml"}
# rules whose program loads modules by a name in the study, and the rooms of these modules, or single ones
REGISTERED = {
    "make_split": ["s2f.splits.kinds.hashfrag", "s2f.splits.kinds.kfold"],
    "make_rows": ["s2f.rows.sources"],
    "embed": ["s2f.embeddings.encoders"],
    "train_head": [
        "s2f.heads.networks",
        "s2f.heads.augmentations",
        *(f"s2f.embeddings.encoders.{kind}" for kind in checks.IN_TRAINING),
    ],
    "evaluate_head": ["s2f.heads.networks"],
    "train_baseline": ["s2f.baselines"],
    "evaluate_baseline": ["s2f.baselines"],
    "interpret": ["s2f.embeddings.encoders", "s2f.heads.networks", "s2f.baselines"],
}


def parsed_rules(root, **config):
    """{name: rule} of the workflow in the checkout `root`, of the embedded study with single keys changed."""
    return {rule.name: rule for rule in parsed_workflow(root, **config).rules if rule.name != "all"}


def parsed_workflow(root, **config):
    """Snakemake's workflow object, with `rules` and the `globals` of the Snakefile."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1),
            snakefile=root / "workflow" / "Snakefile",
            config_settings=ConfigSettings(config=config),
        )
        return workflow._workflow


def normal(name):
    """A package's name as both indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def reached(program, *modules):
    """What a program and the modules it loads by name import, at any depth: (our modules, packages of others)."""
    ours, others, waiting = set(), set(), [program, *modules]
    while waiting:
        name = waiting.pop()
        path = provenance._source(name)
        if name in ours or path is None:
            continue
        ours.add(name)
        names = provenance._imports(ast.parse(path.read_text()), name, path.name == "__init__.py")
        waiting += names
        tops = {n.split(".")[0] for n in names if n}
        others |= {top for top in tops if provenance._source(top) is None and top not in sys.stdlib_module_names}
    return ours, {normal(MODULES.get(name, name)) for name in others}


def rules_of(workflow):
    return {rule.name: rule for rule in workflow.rules if rule.name != "all"}


def environments(workflow):
    """Of every rule: (its name, its environment file, the modules that its program may load by name)."""
    scripts = provenance.SCRIPTS
    for name, rule in rules_of(workflow).items():
        program = re.search(r"python -m (\w+)", rule.shellcmd)[1]
        rooms = [scripts / room.replace(".", "/") for room in REGISTERED.get(program, [])]
        modules = sorted(
            ".".join(path.relative_to(scripts).with_suffix("").parts)
            for room in rooms
            for path in [*room.glob("*.py"), *room.parent.glob(f"{room.name}.py")]
            if path.stem != "__init__"
        )
        if not callable(rule.conda_env):
            yield name, program, rule.conda_env, modules
            continue
        for module in modules:  # each kind of encoder or baseline has an environment of its own choice
            kind = module.rpartition(".")[2]
            for section in ("ENCODERS", "BASELINES"):
                workflow.globals[section][kind] = {"kind": kind}
            yield name, program, rule.conda_env(SimpleNamespace(encoder=kind, baseline=kind)), [module]
