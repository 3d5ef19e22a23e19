"""The page of a model's motifs: HTML with its pictures inside."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from s2f.plots.interpretation import NAMES, stacks
from s2f.plots.style import drawn

NUMBERS = {"effect": ".2f", "effect_z": ".1f", "effect_p": ".1g", "control": ".2f", "specific_p": ".1g"}
PER_BASE, HEIGHT = 0.16, 0.7  # inches
STYLE = (
    "body{font-family:sans-serif;font-size:.9em;margin:2em}h1{font-size:1.4em}table{border-collapse:collapse}"
    "th,td{padding:.3em .5em;border-bottom:1px solid #ccc;text-align:left;vertical-align:middle}"
    "td{white-space:nowrap}td.n{text-align:right}"
)


def page(
    patterns: Sequence[Any],
    known: Sequence[Any],
    lines: pd.DataFrame,
    about: Mapping[str, Any],
    title: str,
    q_value: float,
    seeds: int,
    backgrounds: int,
    note: str = "",
) -> str:
    """HTML of `patterns` and `known` motifs, objects of `s2f.interpretation.motifs`, and the `lines` of their table.

    For each pattern: a logo of contributions and, if the sequences have two strands, the reverse complement below it;
    the most similar known motif with its q value (in grey above `q_value`) and a `note` on it; and the pattern's effect
    when it is inserted into `backgrounds` sequences, the mean over `seeds`.
    """
    one_strand = about["strand_rule"] == "forward"
    orders = [slice(None), *([] if one_strand else [slice(None, None, -1)])]
    logo = "logo" if one_strand else "logo; reverse complement"
    effect = f"effect ({about['score_unit']})"
    of_effect = [effect, "z", "p", "control", "p of difference"]
    head = ["pattern", "seqlets", logo, "best match", "its logo", *of_effect, "hits (sequences)"]
    of_title = {motif.title: motif for motif in known}
    rows = []
    for pattern, line in zip(patterns, lines.to_dict("records"), strict=True):
        motif = of_title[line["match"]]
        matrix = motif.matrix[::-1, ::-1] if line["strand"] == "-" else motif.matrix
        matched = float(line["q_value"]) <= q_value
        strand = "<br>reverse complement" if line["strand"] == "-" else ""
        cells = [
            f"<td>{_text(pattern.name)}<br>{pattern.sign} the score<br><code>{pattern.consensus}</code></td>",
            f'<td class="n">{pattern.seqlets}</td>',
            f"<td>{'<br>'.join(_picture(pattern.contribution[order, order]) for order in orders)}</td>",
            f"<td{'' if matched else ' style=color:#999'}>{_text(line['match'])}{strand}"
            f"<br>q {float(line['q_value']):.1g}</td>",
            f"<td>{_picture(_bits(matrix))}</td>",
            *(f'<td class="n">{line[name]:{form}}</td>' for name, form in NUMBERS.items()),
            f'<td class="n">{line["hits"]} ({line["sequences_hit"]})</td>',
        ]  # fmt: skip
        rows.append(f"<tr>{''.join(cells)}</tr>")
    of = f"{NAMES[about['method']].capitalize()}, mean over {seeds} training{'s' if seeds > 1 else ''}"
    strands = "one strand" if one_strand else "both strands"
    notes = [
        f"{of}, {strands}. Logos: mean contribution of each base over seqlets, windows of high contribution that are "
        "alike (TF-MoDISco); each has its own scale.",
        f"Best match: the known motif most alike (TOMTOM), grey if q is above {q_value:g}; its logo is in bits. "
        f"{note[:1].upper()}{note[1:]}",
        f"Effect: mean change of the score when the consensus is inserted into the middle of {backgrounds} "
        "sequences, shuffled so that dinucleotides are kept; z: effect over its standard error; p: two-sided, from "
        "a paired t test. Control: the same with the letters of the consensus in random order; the last p is for "
        "the difference.",
    ]
    if not patterns:
        notes.append("No pattern was found: too few windows of high contribution are alike. Explain more sequences.")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{_text(title)}</h1>\n"
        + "".join(f"<p>{_text(text)}</p>\n" for text in notes)
        + f"<table><tr>{''.join(f'<th>{_text(name)}</th>' for name in head)}</tr>\n"
        + "\n".join(rows)
        + f"\n</table>\n<p><small>{_text(json.dumps({k: str(about[k]) for k in sorted(about)}))}</small></p>"
        "</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(str(text))


def _bits(matrix: np.ndarray) -> np.ndarray:
    """Probabilities (W, 4) scaled to the information of each position in bits (against equally likely bases)."""
    logs = np.log2(matrix, where=matrix > 0, out=np.zeros_like(matrix))
    return matrix * (2 + (matrix * logs).sum(axis=1, keepdims=True))


def _picture(heights: np.ndarray) -> str:
    """A logo as an HTML element."""

    def draw(figure: Any) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        stacks(axes, heights)

    data = base64.b64encode(drawn(draw, PER_BASE * len(heights) + 0.1, HEIGHT)).decode()
    return f'<img alt="logo" height="50" src="data:image/png;base64,{data}">'
