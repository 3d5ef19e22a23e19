"""Pictures of results: one message each, axes with units, n in the caption, colours for the colour-blind."""

import io
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from s2f.common.files import atomic

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with every common form of colour blindness
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = "osD^vP"  # with the colours, they distinguish this many models
GREY = "#666666"
NO_DATE: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
STYLE = {
    "font.size": 11, "axes.titlesize": 12, "axes.labelsize": 11, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "legend.fontsize": 10, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}  # fmt: skip
WORDS_OF_SUFFIX = {"": "", "_abs": ", alternate alleles", "_delta": ", effect alt - ref"}
# main metrics of a panel, if it has them; each is one column of the picture
SHOWN = ("pearson", "pearson_abs", "pearson_delta", "auroc", "auprc")


def save(path: str | Path, draw: Callable[[Figure], None], width: float, height: float) -> None:
    """Draw on a new figure of `width` x `height` inches with `draw(figure)` and write it atomically, as SVG if the name
    ends in .svg, otherwise as PNG.

    The bytes depend only on the picture: the file contains neither date nor version. Text in an SVG stays text.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(drawn(draw, width, height, "svg" if Path(path).suffix == ".svg" else "png"))


def drawn(draw: Callable[[Figure], None], width: float, height: float, form: str = "png") -> bytes:
    """The bytes of a picture as in `save`, as PNG or SVG."""
    stream = io.BytesIO()
    with rc_context(STYLE | {"svg.hashsalt": "s2f", "svg.fonttype": "none"}):
        figure = Figure(figsize=(width, height))
        draw(figure)
        figure.savefig(stream, format=form, metadata=NO_DATE[form])
    return stream.getvalue()


def looks_of(models: Sequence[str], baseline: str, floors: Collection[str]) -> dict[str, dict[str, Any]]:
    """How the line of each model is drawn: the baseline vermillion, floors grey and dotted."""
    colours = [colour for colour in LINES if colour not in (VERMILLION, BLACK)]
    looks: dict[str, dict[str, Any]] = {}
    others = 0
    for model in models:
        look = {"linewidth": 1.5, "markersize": 5, "linestyle": "-"}
        if model == baseline:
            look |= {"color": VERMILLION, "marker": "D", "linewidth": 2.5}
        elif model in floors:
            look |= {"color": GREY, "marker": MARKERS[list(floors).index(model) % len(MARKERS)], "linestyle": ":"}
        else:
            look |= {
                "color": colours[others % len(colours)],
                "marker": MARKERS[(others // len(colours)) % len(MARKERS)],
            }
            others += 1
        looks[model] = look
    return looks
