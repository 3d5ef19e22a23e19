"""What is the same in every plan, read before Snakemake is forked: two thirds of the time of a plan.

That is the library's code for its fingerprints, the Snakefiles as Snakemake's parser compiles them, the schemas of the
library, and the plugins that are installed. What is known of a file is keyed by path, time and size: a file that
changes later is read again.
"""

import functools
import gc
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import snakemake.storage  # loaded by every plan
import snakemake.workflow
from snakemake.sourcecache import LocalSourceFile
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_report_plugins.registry import ReportPluginRegistry
from snakemake_interface_scheduler_plugins.registry import SchedulerPluginRegistry
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

from s2f.common import kinds, provenance
from s2f.study import validate  # noqa: F401

SNAKEFILE = provenance.SCRIPTS.parent / "Snakefile"
_parse = snakemake.workflow.parse
_compiled = {}  # of Snakefiles


def state(path):
    """What changes if a file does."""
    status = Path(path).stat()
    return str(path), status.st_mtime_ns, status.st_size


def parse(path, workflow, linemap, overwrite_shellcmd=None, rulecount=0):
    """As Snakemake's function of this name."""
    known = isinstance(path, LocalSourceFile) and _compiled.get((state(path), rulecount))
    if not known or overwrite_shellcmd:
        return _parse(path, workflow, linemap, overwrite_shellcmd, rulecount)
    code, lines, rules = known
    linemap.update(lines)
    return code, rules


def read():
    """Read every program and module, every Snakefile, and the schemas of all kinds."""
    paths = (path.relative_to(provenance.SCRIPTS) for path in provenance.SCRIPTS.rglob("*.py"))
    provenance.behaviour_of(*(".".join(path.with_suffix("").parts) for path in paths if path.stem != "__init__"))
    provenance._source = functools.cache(provenance._source)
    for section in kinds.FOLDERS:
        for kind in kinds.names(section):
            kinds.facts(section, kind)
    # in the order in which they are included, as the parser counts rules
    included = re.findall(r'^include: "(.*)"$', SNAKEFILE.read_text(), re.MULTILINE)
    files = SimpleNamespace(sourcecache=SimpleNamespace(open=lambda file: Path(str(file)).open(encoding="utf-8")))
    rules = 0
    for path in (SNAKEFILE, *(SNAKEFILE.parent / name for name in included)):
        lines, before = {}, rules
        code, rules = _parse(LocalSourceFile(str(path)), files, lines, rulecount=before)
        _compiled[state(path), before] = code, lines, rules
    snakemake.workflow.parse = parse
    for registry in (
        ExecutorPluginRegistry, LoggerPluginRegistry, ReportPluginRegistry, SchedulerPluginRegistry,
        StoragePluginRegistry,
    ):  # fmt: skip
        registry()
    gc.collect()
    gc.freeze()  # otherwise each plan would look through all of this, and copy its pages


def forget_unless_of(snakefiles):
    """Forget the modules of the library, unless it belongs to one of these Snakefiles: a copy has its own."""
    if str(SNAKEFILE) not in snakefiles:
        for name in [name for name in sys.modules if name.partition(".")[0] == "s2f"]:
            del sys.modules[name]


read()
