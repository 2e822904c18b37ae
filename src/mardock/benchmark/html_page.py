"""The frame of a report that needs no network: one HTML page of sections, in the reader's light or dark theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from mardock.benchmark.svg import COLOURS

_STYLE = """
:root { color-scheme: light dark; --page: #fafafa; --card: #fff; --text: #1c2430; --soft: #5b6675; --rule: #e3e7ec;
  --warn: #9a5b00; --c0: #2563eb; --c1: #d9480f; --c2: #0f8a5f; --c3: #9333ea; --c4: #b7860b; --c5: #0e7490; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1a2029; --text: #e6eaf0; --soft: #9aa6b5;
  --rule: #2b3440; --warn: #f0b35a; --c0: #6ea2ff; --c1: #ff8f5c; --c2: #4cc79a; --c3: #c08bff; --c4: #e2b84a;
  --c5: #4fc3d9; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 32px 24px; }
h1 { margin: 0; font-size: 26px; } h2 { margin: 0 0 12px; font-size: 16px; }
p, li { color: var(--soft); } p { margin: 4px 0 24px; } section p { margin: 0; } h1 { overflow-wrap: anywhere; }
section { padding: 20px; overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; }
section.doubts li { color: var(--warn); }
.stack { display: grid; gap: 20px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.wide { grid-column: 1 / -1; }
@media (max-width: 900px) { .stack { grid-template-columns: minmax(0, 1fr); } }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 8px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: 13px; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
.remarks th:last-child, .remarks td:last-child { min-width: 220px; text-align: left; white-space: normal; }
ul { margin: 0; padding-left: 20px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 8px; padding: 0; list-style: none;
  font-size: 13px; }
.key { display: inline-block; width: 18px; border-top: 3px solid; margin-right: 7px; vertical-align: middle; }
.key.dot { width: 0; margin: 0 12px 0 4px; border: 5px solid; border-radius: 50%; }
.key.dashed { border-top-style: dashed; } .line.dashed { stroke-dasharray: 6 4; }
svg { display: block; width: 100%; max-width: 860px; height: auto; margin: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .line { fill: none; stroke-width: 2; }
""" + "".join(
    f".line.c{i} {{ stroke: var(--c{i}); }} .mark.c{i} {{ fill: var(--c{i}); }} "
    f".key.c{i} {{ border-color: var(--c{i}); }}\n"
    for i in range(COLOURS)
)


def page(title: str, details: Iterable[str], sections: Iterable[str]) -> str:
    """Return the page.

    Args:
        details: lines below the title.
        sections: as `section` returns them.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f"<p>{'<br>'.join(map(escape, details))}</p>"
        f'<div class="stack">{"".join(sections)}</div></main></body></html>\n'
    )


def section(title: str, content: str, classes: str = "") -> str:
    """Return a card; `content` is HTML, `wide` one of its `classes`."""
    return f'<section class="{classes}"><h2>{escape(title)}</h2>{content}</section>'


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts, the first column to the left."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
