"""Draw docs/rulegraph.svg: which rule reads the files of which other rules, as planned by Snakemake.

    PYTHONPATH=workflow/scripts:tests python tests/programs/draw_rulegraph.py docs/rulegraph.svg

`snakemake --rulegraph` plans a study with every section, in which every program has a job. Its graph has too many
arrows for a picture: an arrow is omitted if a longer path says the same. Rules that run the same program are one box.
Boxes are in layers, each box below all that it reads, and are ordered by the mean position of their neighbours
(Sugiyama, Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system structures"). Graphviz is not
needed.
"""

import argparse
import itertools
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from helpers.forked_snakemake import snakemake

ROOT = Path(__file__).resolve().parents[2]
# stage: (colour of its boxes, files of workflow/rules); light enough for black letters, and distinguished by place too
STAGES = {
    "rows and splits": ("#FFF3CC", ("downloads", "rows", "splits")),
    "language model and embeddings": ("#D6ECFA", ("language_model", "embeddings")),
    "what is trained": ("#FBDDC8", ("heads", "stage2", "baselines")),
    "evaluation and comparison": ("#D9F0E3", ("ensembles", "evaluation", "evaluation_plots")),
    "looking inside": ("#F1DCEA", ("interpretation", "representation", "motifs")),
    "use of trained models": ("#E4E4E4", ("scoring", "design")),
}
CHARACTER, BOX, LAYER, BESIDE = 6.7, 32, 60, 8  # px: width of a letter, height of a box and of a layer, distance
LONG = 13  # most letters of a name on one line
SWEEPS = 40


def study_of_all_rules() -> dict:
    """The embedded study with the sections it lacks: a download, stage 2, a series, a learning curve, scores,
    designs."""
    embedded = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    head, rbp = "kmer5/no_shift/boda-sum-512-512", embedded["datasets"]["simulated_rbp"]
    columns = {name: name for name in ("row_id", "sequence", "label", "chrom")}
    source = {"kind": "table", "files": {"rows": "resources/rows.tsv"}, "columns": columns}
    return {
        **embedded,
        "train_together": False,
        "cache": {"shards": 2},
        "downloads": {"rows.tsv": {"urls": ["https://example.org/rows.tsv"]}},
        "datasets": {
            **embedded["datasets"],
            "downloaded": {**embedded["datasets"]["simulated_k562"], "source": source, "against": "mean"},
            "simulated_rbp": {**rbp, "series": "proteins"},
            "simulated_rbp2": {**rbp, "source": {**rbp["source"], "seed": 2}, "series": "proteins"},
        },
        "stage2": {"last": {"unfrozen": ["downres_block_5"]}},
        "learning_curve": {"fractions": [0.1, 1], "models": ["kmer-ridge", head]},
        "ensembles": {
            "both": {"members": [head, "alphagenome-tiny/no_shift/boda-flatten-512-512"], "over": "encoders"},
        },
        "scoring": {
            "controls": {
                "dataset": "simulated_k562", "models": ["kmer-ridge", head], "table": "controls.tsv",
                "columns": ["sequence"], "controls": "measured",
            },
        },
        "drift": {"rows": 8},
        "interpretation": [{"panel": "chromosome", "top": 100}],
        "motifs": [{"panel": "chromosome", "models": ["onehot/none/chip-cnn"], "known": "known.meme", "window": 10}],
        "design": {
            "strong": {
                "dataset": "simulated_k562", "model": head, "judge": "malinois-1cell-narrow", "methods": ["evolution"],
                "start": {"random": 2},
            },
        },
        "models": [
            *embedded["models"],
            {"datasets": ["downloaded"], "baselines": ["mean"]},
            {
                "datasets": ["simulated_k562"], "encoders": ["alphagenome-tiny"], "augmentations": ["no_shift"],
                "stage2": ["last"], "heads": ["boda-flatten-512-512"],
            },
            {
                "datasets": ["simulated_rbp2"], "encoders": ["onehot"], "augmentations": ["none"],
                "heads": ["chip-cnn"],
            },
        ],
    }  # fmt: skip


def planned(folder: Path) -> str:
    """The text of `snakemake --rulegraph dot` for that study, planned in an empty folder."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study_of_all_rules()))
    (folder / "controls.tsv").write_text("sequence\tmeasured\n")
    (folder / "known.meme").touch()
    return snakemake(ROOT, folder, "--rulegraph", "dot", "--configfile", folder / "study.yaml")


def programs_of(dot: str) -> dict[str, set[str]]:
    """{program: the programs whose files it reads} from a graph of rules, without the target rule.

    A rule is named after its program; rules made per set of panels or per strand have a suffix.
    """
    programs = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    rules = {}
    for number, name in re.findall(r'(\d+)\[label = "(\w+)"', dot):
        if name != "all":
            found = [program for program in programs if name == program or re.match(rf"{program}_(\d+|strand)$", name)]
            if len(found) != 1:
                raise ValueError(f"rule {name}: expected one program of this name, found {found}")
            rules[number] = found[0]
    if not rules:
        raise ValueError(f"no graph of rules:\n{dot}")
    graph: dict[str, set[str]] = {program: set() for program in rules.values()}
    for before, after in re.findall(r"(\d+) -> (\d+)", dot):
        if before in rules and after in rules and rules[before] != rules[after]:
            graph[rules[after]].add(rules[before])
    return graph


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without arrows that a longer path implies (its transitive reduction)."""
    behind = {node: _all_before(graph, node) for node in graph}
    return {
        node: {parent for parent in parents if not any(parent in behind[other] for other in parents)}
        for node, parents in graph.items()
    }


def _all_before(graph: dict[str, set[str]], node: str) -> set[str]:
    found: set[str] = set()
    waiting = [*graph[node]]
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting += graph[parent]
    return found


def layers_of(graph: dict[str, set[str]]) -> dict[str, int]:
    """{node: its layer}: 0 for a node that reads nothing, otherwise one more than the deepest node that it reads."""
    layer: dict[str, int] = {}

    def depth(node: str) -> int:
        if node not in layer:
            layer[node] = max((depth(parent) + 1 for parent in graph[node]), default=0)
        return layer[node]

    for node in graph:
        depth(node)
    return layer


def lines_of(name: str) -> list[str]:
    """A name as one line or, if it is long, two, split at the underscore that makes the longer line shortest."""
    parts = name.split("_")
    halves = [["_".join(parts[:n]) + "_", "_".join(parts[n:])] for n in range(1, len(parts))]
    return min(halves, key=lambda lines: max(map(len, lines))) if len(name) > LONG and halves else [name]


def width_of(name: str) -> float:
    """Width of the box of a name, in px."""
    return CHARACTER * max(map(len, lines_of(name))) + 10


def chains(graph: dict[str, set[str]], layer: dict[str, int]) -> list[list[tuple[str, ...]]]:
    """Each arrow as the points it passes, one per layer: its ends, and between them points that keep its path free."""
    found = []
    for node in sorted(graph):
        for parent in sorted(graph[node]):
            between = [(parent, node, str(level)) for level in range(layer[parent] + 1, layer[node])]
            found.append([(parent,), *between, (node,)])
    return found


def places(graph: dict[str, set[str]], layer: dict[str, int]) -> dict[tuple[str, ...], float]:
    """The x of the centre of every box and of every point that an arrow passes, in px from 0."""
    width = {(node,): width_of(node) for node in graph}
    neighbours: dict[tuple[str, ...], set[tuple[str, ...]]] = {point: set() for point in width}
    level = {(node,): layer[node] for node in graph}
    for chain in chains(graph, layer):
        for depth, point in enumerate(chain, layer[chain[0][0]]):
            level[point] = depth
            neighbours.setdefault(point, set())
        for upper, lower in itertools.pairwise(chain):
            neighbours[upper].add(lower)
            neighbours[lower].add(upper)
    rows = [sorted(p for p in level if level[p] == depth) for depth in range(max(level.values()) + 1)]
    x = {point: float(number) for row in rows for number, point in enumerate(row)}

    def spread(row, wanted):
        """Boxes side by side in the order of their wanted positions, and as near to these as space allows."""
        row.sort(key=lambda point: (wanted[point], point))
        groups: list[tuple[list, float, float]] = []  # points, their width, sum of (wanted middle - offset) per point
        for point in row:
            own = width.get(point, 8) + BESIDE
            groups.append(([point], own, wanted[point] - own / 2))
            while len(groups) > 1 and groups[-2][2] + groups[-2][1] > groups[-1][2]:
                points, size, start = groups.pop()
                before, before_size, before_start = groups.pop()
                n, m = len(before), len(points)
                joined = (n * before_start + m * (start - before_size)) / (n + m)
                groups.append((before + points, before_size + size, joined))
        for points, _, start in groups:
            for point in points:
                own = width.get(point, 8) + BESIDE
                x[point] = start + own / 2
                start += own

    for sweep in range(SWEEPS):  # downwards by the layer above, upwards by the layer below, finally by both
        step = -1 if sweep % 2 == 0 else 1
        for row in rows[::-step]:
            wanted = {}
            for point in row:
                near = [
                    x[n] for n in sorted(neighbours[point]) if sweep >= SWEEPS // 2 or level[n] == level[point] + step
                ]
                wanted[point] = sum(near) / len(near) if near else x[point]
            spread(row, wanted)
    left = min(x[point] - width.get(point, 8) / 2 for point in x)
    return {point: place - left + BESIDE for point, place in x.items()}


def stages_of(programs: Iterable[str]) -> dict[str, str]:
    """{program: the stage whose rule files call it}."""
    folder, found = ROOT / "workflow" / "rules", {}
    for stage, (_, files) in STAGES.items():
        paths = [path for name in files for path in (folder / f"{name}.smk", folder / f"common_{name}.smk")]
        text = "".join(path.read_text() for path in paths if path.exists())
        found |= dict.fromkeys(re.findall(r"\{params\.python\} (\w+) ", text), stage)
    return {program: found[program] for program in programs}


def picture(graph: dict[str, set[str]], stages: dict[str, str]) -> str:
    """The graph as SVG; every arrow has the id edge-FROM-TO."""
    layer = layers_of(graph)
    x = places(graph, layer)
    top = 46
    y = {node: top + layer[node] * LAYER for node in graph}
    width = max(x[(node,)] + width_of(node) / 2 for node in graph) + BESIDE
    lines = []
    for chain in chains(graph, layer):
        (first,), (last,) = chain[0], chain[-1]
        points = [(x[(first,)], y[first] + BOX)]
        for depth, point in enumerate(chain[1:-1], layer[first] + 1):
            points += [(x[point], top + depth * LAYER), (x[point], top + depth * LAYER + BOX)]
        points.append((x[(last,)], y[last]))
        path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            middle = (y0 + y1) / 2
            path += f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
        lines.append(f'<path id="edge-{first}-{last}" d="{path}"/>')
    boxes = []
    for node in sorted(graph):
        text, own, middle = lines_of(node), width_of(node), x[(node,)]
        boxes.append(
            f'<rect x="{middle - own / 2:.0f}" y="{y[node]}" width="{own:.0f}" height="{BOX}" rx="4" '
            f'fill="{STAGES[stages[node]][0]}"/>'
        )
        for number, line in enumerate(text):
            boxes.append(f'<text x="{middle:.0f}" y="{y[node] + 20 + 13 * number - 6 * (len(text) - 1)}">{line}</text>')
    legend = []
    for number, (stage, (colour, _)) in enumerate(STAGES.items()):
        left, height = 12 + 240 * (number % 3), 8 + 17 * (number // 3)
        legend.append(
            f'<rect x="{left}" y="{height}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{left + 17}" y="{height + 10}" text-anchor="start">{stage}</text>'
        )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {max(y.values()) + BOX + 10}" '
            'font-family="monospace" font-size="11" text-anchor="middle">',
            "<!-- made by tests/programs/draw_rulegraph.py -->",
            '<rect width="100%" height="100%" fill="white"/>',
            '<g fill="none" stroke="#777777">',
            *lines,
            "</g>",
            *legend,
            *boxes,
            "</svg>\n",
        ]
    )


def main() -> None:
    """Plan, lay out, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="picture to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph = reduced(programs_of(planned(Path(folder))))
    arguments.out.write_text(picture(graph, stages_of(graph)), encoding="utf-8")


if __name__ == "__main__":
    main()
