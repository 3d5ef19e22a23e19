"""What one model is to score, and the scoring: all input is read before anything is computed."""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from s2f.common import kinds
from s2f.common.devices import log_device
from s2f.common.errors import InputError
from s2f.common.files import atomic, check_writable, sha256_file
from s2f.common.kinds import nearest
from s2f.common.progress import Progress
from s2f.common.provenance import code_fingerprint
from s2f.heads import networks
from s2f.interpretation.scorer import load_members
from s2f.models.checkpoint import ENSEMBLE, check_members, fingerprint, read_record
from s2f.models.checkpoint import parts as members_of
from s2f.models.predictions import strands
from s2f.scoring import annotated_vcf, options, sequences
from s2f.scoring.blocks import LINES, Block, outputs
from s2f.scoring.options import BARCODES, EXPERIMENTS
from s2f.scoring.parts import Parts
from s2f.scoring.regions import Regions
from s2f.scoring.satmut import Satmut
from s2f.scoring.scores import Scores, measured_effects, validation_errors
from s2f.scoring.sequences import Fit
from s2f.scoring.variants import VariantEffects
from s2f.sequences import vcf
from s2f.sequences.constructs import Construct
from s2f.sequences.genes import read_genes
from s2f.sequences.genome import Genome
from s2f.sequences.variant_tables import read_variants
from s2f.sequences.variants import Variants

DRAW = re.compile(r"draw\d+")  # end of the path of weights drawn for a seed, as in `study.draws.draw_name`
HASHED = 10**8  # largest input, in bytes, whose content is compared; for larger files size and date are


class Source(Protocol):
    """Sequences, variants or regions: `blocks`, read anew each time, and the `roles` of a line's values."""

    @property
    def roles(self) -> tuple[str, ...]: ...  # noqa: D102

    def blocks(self) -> Iterator[Block]: ...  # noqa: D102


@dataclass(frozen=True)
class Request:
    """The options of the program `score`. `kind`: which of `options.INPUTS` the file `path` is."""

    model: Path
    kind: str
    path: Path
    out: Path
    skipped: Path | None = None
    vcf_out: Path | None = None
    columns: tuple[str, ...] = ()
    id_column: str | None = None
    separator: str = "\t"
    genome: Path | None = None
    genes: Path | None = None
    length: int | None = None
    offsets: tuple[int, ...] = ()
    shifts: tuple[int, ...] = (0,)
    strand: str | None = None
    tile: int = 0
    longest: int = 20
    elements: Path | None = None
    experiments: tuple[str, ...] = EXPERIMENTS
    barcodes: int = BARCODES
    measured: tuple[Path, Path] | None = None
    confidence: float = 0.95
    name: str | None = None

    def source(self, record: dict[str, Any]) -> Source:
        """The input as the model of a model.json reads it. Raises `InputError` for options that do not fit the input or
        the model, for files that would overwrite each other, and as readers do when they open a file."""
        self._check_files()
        self._check(record)
        fit = Fit.of(record, self.tile, self.shifts)
        if self.kind == "fasta":
            return sequences.of_fasta(self.path, fit)
        if self.kind in ("table", "pairs"):
            columns = self.columns or (("sequence",) if self.kind == "table" else ("ref", "alt"))
            return sequences.of_table(self.path, columns, fit, self.id_column, self.separator)
        if self.kind == "satmut":
            assert self.elements is not None
            length = self.length or fit.window
            return Satmut(self.path, self.elements, fit, length, self.experiments, self.barcodes)
        assert self.genome is not None
        genome, length = Genome.open(self.genome), self.length or fit.window
        for note in genome.notes:
            print(note, file=sys.stderr, flush=True)
        if self.kind == "bed":
            return Regions(self.path, genome, length, self.tile, self.shifts, record["strand_rule"] == "forward")
        of_genes = read_genes(self.genes).strands if self.genes else None
        strand = self.strand or ("file" if self._has_strands() else "+")
        return VariantEffects(
            self.path, self._variants, genome, length, self.offsets, self.shifts, strand, of_genes, self.longest
        )

    def _variants(self) -> Iterator[Variants]:
        if self.kind == "variants":
            yield self._table
        else:
            yield from (batch.variants for batch in vcf.read_vcf(self.path))

    @cached_property
    def _table(self) -> Variants:
        """The variants of a table, which is read completely, and only once."""
        return read_variants(self.path, self.separator)

    def _has_strands(self) -> bool:
        """Whether a table of variants says which strand is read."""
        return self.kind == "variants" and bool((self._table.strand != "").any())

    def _check_files(self) -> None:
        inputs = [self.path, self.genome, self.genes, self.elements, *(self.measured or ())]
        for path in filter(None, inputs):
            if not path.exists():
                raise InputError(f"{path}: no such file")
            if path.exists() and not path.is_file():
                raise InputError(
                    f"{path}: is not a regular file; it is read several times, so a pipe or a folder does not work"
                )
        seen = {path.resolve(): path for path in filter(None, inputs)}
        for path in filter(None, (self.out, self.skipped, self.vcf_out)):
            if path.is_dir():
                raise InputError(f"{path}: is a folder, expected the name of a file to write")
            if path.resolve() in seen:
                raise InputError(f"{path}: would overwrite {seen[path.resolve()]}; choose another name")
            if self.model.resolve() in path.resolve().parents:
                raise InputError(f"{path}: lies in the folder of the model, which must not change; choose another name")
            seen[path.resolve()] = path
            check_writable(path)

    def _check(self, record: dict[str, Any]) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)} | {self.kind: self.path}
        absent = {field.name for field in fields(self) if given[field.name] == field.default}
        options.check(
            {name: value for name, value in given.items() if name not in absent}, record["strand_rule"],
            lambda name: f"--{name.replace('_', '-')}",
        )  # fmt: skip
        shortest, longest = record["insert_bp"]["shortest"], record["insert_bp"]["longest"]
        length = self.length or record["insert_bp"]["commonest"]
        if not shortest <= length <= longest:
            raise InputError(
                f"--length is {length}, expected {shortest} to {longest} bp, the lengths of inserts in training"
            )
        for offset in self.offsets:
            if not 0 <= offset < length:
                raise InputError(f"--offsets has {offset}, expected positions in the window, 0 to {length - 1}")
        if self.kind == "variants":
            offsets = self._table.offset
            if offsets.max(initial=-1) >= length:
                row = int(offsets.argmax())
                where = f"{self.path}: line {self._table.line[row]}"
                raise InputError(f"{where}: offset is {offsets[row]}, expected 0 to {length - 1}")
        if self.vcf_out and vcf.is_indexed(self.vcf_out):
            vcf.refuse_unsorted(self.path)
        if not 0 <= self.tile <= length:
            raise InputError(
                f"--tile is {self.tile}, expected 1 to {length} bp, the window, so that no bases are skipped"
            )
        if self.longest < 1:
            raise InputError(f"--longest is {self.longest}, expected a number of bases of at least 1")
        if self.measured and record["task"] == "classification":
            raise InputError(
                "--measured: effects of a classification are log-odds, which cannot be compared with "
                "measured ones; remove it"
            )
        fixed = [part.record["model"] for part in members_of(self.model, record) if part.record["kind"] != "head"]
        if any(self.shifts) and fixed:
            raise InputError(f"--shifts: {fixed[0]!r} cannot shift its window; omit the shifts")
        if record.get("collapsed"):
            raise InputError(
                f"{self.model}: the ensemble is collapsed: {record['collapsed']}; score with another model"
            )
        construct = Construct.from_spec(record["construct"])
        for shift in self.shifts:
            for own in {shortest, longest}:
                construct.flank_lengths(own, shift)
        if self.vcf_out:
            annotated_vcf.check(self.path, record.get("cells") or ("",), record["kind"] == ENSEMBLE)

    def state(self, record: dict[str, Any], specs: dict[int, dict[str, Any]]) -> dict[str, Any]:
        """Everything that the result depends on, which decides whether an unfinished result is continued; `specs` are
        the sections of the encoders of the models of a model.json, as returned by `_encoders`."""
        modules = []
        for part in members_of(self.model, record):
            head = part.record["kind"] == "head"
            kind = ("encoders", specs[part.number]["kind"]) if head else ("baselines", part.record["kind"])
            modules += [kinds.module_name(*kind), *([networks.module_of(part.record["head"])] if head else [])]
        files = [self.path, self.genome, self.genes, self.elements, *(self.measured or ())]
        return {
            "options": {field.name: str(getattr(self, field.name)) for field in fields(self)},
            "files": [_state(path) for path in files if path], "model": fingerprint(self.model), "lines": LINES,
            "code": code_fingerprint("score", *dict.fromkeys(modules)), "encoder": specs,
        }  # fmt: skip


def _state(path: Path) -> str:
    status = path.stat()
    if status.st_size <= HASHED:
        return sha256_file(path)
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


@dataclass(frozen=True)
class Plan:
    """What a first pass over the input found: lines and windows to be scored, and how many lines are skipped for each
    reason."""

    blocks: int
    lines: int
    windows: int  # of one strand
    reasons: dict[str, int]

    @property
    def text(self) -> str:
        """A line for people."""
        skipped = sum(self.reasons.values())
        counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.reasons.items(), key=lambda x: -x[1]))
        of = f"{self.lines:,} of {self.lines + skipped:,} lines are scored with {self.windows:,} windows"
        return of + (f"; skipped: {counts}" if skipped else "")


def planned(source: Source, skipped: Path, model: str) -> Plan:
    """Read all of the input; what `model` cannot score is written to the table `skipped`. Raises `InputError` for wrong
    input."""
    blocks = lines = windows = 0
    reasons: Counter[str] = Counter()
    with skipped.open("w", encoding="utf-8") as stream:
        for block in source.blocks():
            blocks, lines = blocks + 1, lines + len(block.lines)
            windows += sum(len(some.lines) for some in block.windows)
            reasons.update(block.skipped["reason"])
            table = block.skipped.assign(model=model)
            table.to_csv(stream, sep="\t", index=False, header=blocks == 1, lineterminator="\n")
    return Plan(blocks, lines, windows, dict(reasons))


def score(
    request: Request,
    encoder_spec: dict[str, Any] | list[dict[str, Any]] | None = None,
    encoder_weights: Sequence[str] = (),
) -> Plan:
    """Score the input; a killed run continues, block by block. Returns what was scored and what was not.

    `encoder_spec` is the section of the encoder (for an ensemble, a list of its members' sections), by default the one
    used in training. `encoder_weights` says where weights are on this machine, if not where the section says: a folder,
    or ENCODER=FOLDER for each encoder of an ensemble. Writes `request.out`, a line per sequence or variant (and cell,
    if there are several), `request.skipped` and `request.vcf_out`. Raises `InputError`, before the model is loaded, for
    anything wrong with the options, the files and their lines.
    """
    if not request.model.is_dir():
        raise InputError(f"{request.model}: is not a folder, expected the folder best_model of a run")
    record = read_record(request.model)
    scores, source = _scores(request, record), request.source(record)
    specs = _encoders(request.model, record, encoder_spec, encoder_weights)
    check_members(request.model, record)
    with Parts(request.out, request.state(record, specs)) as parts:
        left_out = parts.folder / "skipped"
        plan = planned(source, left_out, scores.model)
        if not plan.blocks:
            raise InputError(f"{request.path}: has no lines to score")
        print(plan.text, flush=True)
        if parts.done < plan.blocks:
            _score_blocks(request, source, scores, specs, parts, plan)
        if request.vcf_out:
            unit = "log-odds" if scores.classification else "in the unit of the labels"
            about = f"{scores.model}, fingerprint {scores.fingerprint}"
            annotated_vcf.write(
                request.path, request.vcf_out, parts.tables(), scores.cells, unit, about, scores.members > 1
            )
        if request.skipped:
            with atomic(request.skipped) as temporary:
                shutil.copyfile(left_out, temporary)
        parts.publish()
        parts.discard()
    for path in filter(None, (request.out, request.skipped, request.vcf_out)):
        print(f"{path} is written", flush=True)
    return plan


def _score_blocks(
    request: Request, source: Source, scores: Scores, specs: dict[int, dict[str, Any]], parts: Parts, plan: Plan
) -> None:
    """Add the missing blocks to `parts`."""
    roles, done = len(source.roles), parts.done
    if not plan.lines:  # everything is skipped: the result is only a header
        empty = next(iter(source.blocks()))
        parts.add(
            scores.lines(empty.lines, np.zeros((len(scores.strands), roles, 0, scores.members * len(scores.cells))))
        )
        return
    scorer = load_members(request.model, specs, as_cached=True)
    log_device()
    # finished blocks are read again, but nothing is computed for them
    blocks = (
        replace(block, windows=() if number < done else block.windows, skipped=block.skipped[:0])
        for number, block in enumerate(source.blocks())
    )
    passed, progress = 0, None
    for number, (block, values) in enumerate(outputs(scorer, blocks, roles)):
        if number < done:
            passed += len(block.lines)
            continue
        progress = progress or Progress(plan.lines, passed, "lines")
        parts.add(scores.lines(block.lines, values))
        progress.update(len(block.lines))
    if progress:
        progress.close()


def _encoders(
    model: Path,
    record: dict[str, Any],
    given: dict[str, Any] | list[dict[str, Any]] | None,
    weights: Sequence[str],
) -> dict[int, dict[str, Any]]:
    """The section of the encoder of each trained model of a checkpoint, by number; empty for a baseline. `given` and
    `weights` are `encoder_spec` and `encoder_weights` of `score`."""
    sections = given if isinstance(given, list) else [given or {}]
    found, named = {}, dict[str, str]()
    for text in weights:
        name, sign, folder = text.partition("=")
        of_one = sign and "/" not in name
        named[name if of_one else ""] = folder if of_one else text
    heads = {part.number: part.record for part in members_of(model, record) if part.record["kind"] == "head"}
    needing = sorted(
        {own["encoder"] for own in heads.values() if _with_weights(own["encoder_spec"], "/") != own["encoder_spec"]}
    )
    if "" in named and len(needing) > 1:
        raise InputError(
            f"--encoder-weights {named['']}: members read the encoders {', '.join(needing)}; give ENCODER=FOLDER for "
            "each whose weights are elsewhere"
        )
    for name in sorted(set(named) - {""}):
        if name not in needing:
            raise InputError(
                f"--encoder-weights {name}={named[name]}: no member reads the weights of "
                f"{name!r}{nearest(name, needing)}"
            )
    for part in members_of(model, record):
        own = sections[part.number] if part.number < len(sections) else {}
        own = own or part.record.get("encoder_spec", {})
        found[part.number] = _with_weights(own, named.get(part.record["encoder"], named.get("")))
    return found


def _with_weights(spec: dict[str, Any], path: str | None) -> dict[str, Any]:
    """The section of an encoder with its weights at another path; for random weights, their tokenizer if they name one.

    Weights that were adapted anew for each seed are in `draw1`, `draw2` ...; if the path contains the section's draw,
    that is used: the members of an ensemble over seeds differ in it.
    """
    weights = spec.get("weights", {})
    key = next((key for key in ("path", "tapt") if key in weights), None)
    if not path or not key:
        return {**spec, "tokenizer": path} if path and spec.get("tokenizer") else spec
    draw = Path(path) / Path(weights[key]).name
    own = str(draw) if DRAW.fullmatch(draw.name) and draw.is_dir() else path
    return {**spec, "weights": {**weights, key: own}}


def _scores(request: Request, record: dict[str, Any]) -> Scores:
    """The `Scores` that make the lines of a model."""
    cells, classification = tuple(record.get("cells") or ("",)), record["task"] == "classification"
    errors, spread = ({}, {}) if classification else validation_errors(request.model, cells)
    effects = measured_effects(*request.measured, cells) if request.measured else {}
    return Scores(
        request.name or record["model"], fingerprint(request.model)[:16], classification,
        strands(record["strand_rule"]), cells, request.confidence, errors, effects, spread,
        len(members_of(request.model, record)),
    )  # fmt: skip
