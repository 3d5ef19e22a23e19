"""The workflow as Snakemake parses it, and what its programs import, for tests of rules, environments and profiles."""

import ast
import functools
import re
import sys
from types import SimpleNamespace

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from s2f.common import kinds, provenance

# {name in an import: name of the package on the Python index}
MODULES = {"haiku": "dm-haiku", "sklearn": "scikit-learn", "orbax": "orbax-checkpoint", "yaml": "pyyaml",
           "markdown_it": "markdown-it-py", "modiscolite": "modisco-lite"}  # fmt: skip
# {program: sections of a study (`kinds.FOLDERS`) whose modules of kinds it loads by name}
KINDS_OF = {
    "make_rows": ["sources"],
    "make_split": ["splits"],
    "make_panel": ["panels"],
    "embed": ["encoders"],
    "train_head": ["heads", "augmentations"],
    "evaluate_head": ["heads"],
    "train_stage2": ["heads", "augmentations"],
    "evaluate_stage2": ["heads"],
    "measure_drift": ["encoders"],
    "train_baseline": ["baselines"],
    "evaluate_baseline": ["baselines"],
    "interpret": ["encoders", "heads", "baselines"],
    "score": ["encoders", "heads", "baselines"],
    "design_sequences": ["encoders", "heads", "baselines"],
    "insert_motifs": ["encoders", "heads", "baselines"],
}
# {program: (section, fact)}: as above, for kinds with that fact
KINDS_WITH = {
    "train_head": ("encoders", "in_training"), "interpretation_truth": ("sources", "simulated"),
    "design_truth": ("sources", "simulated"), "motifs_truth": ("sources", "simulated"),
    "train_stage2": ("encoders", "blocks"), "evaluate_stage2": ("encoders", "blocks"),
}  # fmt: skip


def parsed_rules(root, *studies, **config):
    """{name: rule} of the workflow in the checkout `root`, of the embedded study, or of the one in files (`studies`),
    with single keys changed."""
    return {rule.name: rule for rule in parsed_workflow(root, *studies, **config).rules if rule.name != "all"}


def parsed_workflow(root, *studies, **config):
    """Snakemake's workflow object, with `rules` and the `globals` of the Snakefile; arguments as of `parsed_rules`."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1),
            snakefile=root / "workflow" / "Snakefile",
            config_settings=ConfigSettings(config=config, configfiles=studies),
        )
        return workflow._workflow


def normal(name):
    """A package's name in the form in which both indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def reached(program, *modules):
    """What a program and the modules it loads by name import, at any depth: (our modules, other packages)."""
    ours, others, waiting = set(), set(), [program, *modules]
    while waiting:
        name = waiting.pop()
        path = provenance._source(name)
        if name in ours or path is None:
            continue
        ours.add(name)
        inner, outer = _imported(name, path)
        waiting += inner
        others |= outer
    return ours, others


@functools.cache  # most programs share most modules
def _imported(name, path):
    """What one module imports: (modules of ours, the other packages)."""
    names = set(provenance._imports(ast.parse(path.read_text()), name, path.name == "__init__.py")) - {""}
    ours = {top for top in {name.split(".")[0] for name in names} if provenance._source(top)}
    inner = {name for name in names if name.split(".")[0] in ours}
    outer = {name.split(".")[0] for name in names - inner} - sys.stdlib_module_names
    return inner, {normal(MODULES.get(top, top)) for top in outer}


def rules_of(workflow):
    return {rule.name: rule for rule in workflow.rules if rule.name != "all"}


def program_of(rule):
    """The program that a rule calls."""
    return re.match(r"\{params\.python\} (\w+) ", rule.shellcmd)[1]


def loaded_by_name(program):
    """{module that a program may load by a name in the study: kind}."""
    found = [(section, kind) for section in KINDS_OF.get(program, []) for kind in kinds.names(section)]
    if program in KINDS_WITH:
        section, fact = KINDS_WITH[program]
        found += [(section, kind) for kind in kinds.having(section, fact)]
    modules = {kinds.module_name(section, kind): kind for section, kind in found}
    if program in ("interpret", "design_sequences"):
        gradients = {kind: kinds.facts(section, kind).get("gradient") for section, kind in found}
        modules |= {f"s2f.interpretation.tangents.{name}": kind for kind, name in gradients.items() if name}
    return modules


def environments(workflow):
    """For every rule: (its name, its program, its environment file, the modules that its program may load by name)."""
    for name, rule in rules_of(workflow).items():
        program = program_of(rule)
        modules = loaded_by_name(program)
        if not callable(rule.conda_env):
            yield name, program, rule.conda_env, sorted(modules)
            continue
        for module, kind in modules.items():  # each kind of encoder or baseline chooses its environment
            for section in ("ENCODERS", "BASELINES"):
                workflow.globals[section][kind] = {"kind": kind}
            yield name, program, rule.conda_env(SimpleNamespace(encoder=kind, baseline=kind)), [module]
