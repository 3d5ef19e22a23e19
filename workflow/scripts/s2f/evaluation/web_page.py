"""The comparison as one page that opens without a network: the text of compare.md with its pictures inside it."""

import base64
import html
import re
from collections.abc import Mapping

from markdown_it import MarkdownIt

# Every selector begins with `.comparison`, because the page is also part of Snakemake's report. The rules for `.prose`
# let the report show the page at full width, above the graph of rules.
STYLE = """
.comparison { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 0 auto; padding: 1rem }
.comparison h1 { font-size: 1.6rem; margin: 0.5rem 0 }
.comparison h2 { font-size: 1.3rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid #ccc }
.comparison h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem }
.comparison img { max-width: 100%; width: 46rem; margin: 0.5rem 0 }
.comparison table { border-collapse: collapse; font-size: 0.8rem }
.comparison th, .comparison td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #ddd; text-align: left;
  vertical-align: top }
.comparison td[style] { white-space: nowrap }
.comparison th { background: #f4f4f4 }
.comparison tbody tr:hover { background: #f8fbff }
.comparison code { font-size: 0.95em; font-weight: inherit; background: none; color: inherit }
.comparison code::before, .comparison code::after { content: none }
.comparison details { margin: 1rem 0; background: #f8f8f8; padding: 0.5rem 1rem }
.prose.max-w-lg:has(.comparison) { max-width: 76rem }
.flex:has(> div > .prose .comparison) { flex-direction: column }
.justify-center:has(.prose .comparison) { justify-content: flex-start; align-items: flex-start }
"""


def web_page(text: str, pictures: Mapping[tuple[str, str, str], bytes]) -> str:
    """HTML of a comparison from the Markdown of compare.md and PNGs by (dataset, split, panel).

    A picture is below the first heading of its panel. The explanation of the tables, which comes first in the text, is
    collapsed. Text that looks like HTML is shown literally. Raises `ValueError` for a picture whose panel is not in the
    text.
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")  # nothing is loaded
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    title, _, explained = head.partition("\nHow to read the tables:\n")
    left = dict(pictures)
    parts = [
        renderer.render(title),
        f"<details><summary>How to read the tables</summary>{renderer.render(explained)}</details>",
    ]
    for section in sections:
        place = re.match(r"## (?P<dataset>\S+), split (?P<split>\S+)", section)
        for part in re.split(r"^(?=### )", section, flags=re.MULTILINE):
            heading, _, body = part.partition("\n")
            parts.append(renderer.render(heading))
            panel = re.match(r"### Panel (?P<panel>[^\s:,]+)", heading)
            if place and panel:
                found = left.pop((place["dataset"], place["split"], panel["panel"]), None)
                if found is not None:
                    parts.append(_image(found, f"{place['dataset']}, split {place['split']}, panel {panel['panel']}"))
            # put the interval of a value below it: the table then fits the page
            parts.append(re.sub(r"(<td[^>]*>[^<]*?) \[", r"\1<br>[", renderer.render(body)))
    if left:
        raise ValueError(f"compare.md has no section for {', '.join(map(str, left))}")
    name = html.escape(title.strip().splitlines()[0].lstrip("# "))
    body = "".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{name}</title></head>\n<body>\n'
        f'<style>{STYLE}</style>\n<div class="comparison">\n{body}</div>\n</body>\n</html>\n'
    )


def _image(png: bytes, what: str) -> str:
    return f'<img alt="{html.escape(what)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">\n'
