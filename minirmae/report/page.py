"""A report: one HTML page that contains everything it shows and opens without a network."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field

FIGURE_DPI = 160
"""Dots per inch of the pictures, so that a page shows them at the size they were drawn for."""
_CSS_DPI = 96
_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 2rem 1.2rem;
       max-width: 60rem; }
h1 { font-size: 1.9rem; margin: 0 0 .4rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .4rem; }
p { max-width: 46rem; } img { max-width: 100%; height: auto; display: block; margin: .8rem 0; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #d8dee4; }
th:first-child, td:first-child { text-align: left; } th { background: #f3f5f7; }
pre { background: #f3f5f7; padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }
footer { margin-top: 3rem; color: #59636e; font-size: .85rem; }
"""


@dataclass(frozen=True)
class Table:
    """Column names and rows of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """The table for a terminal: the first column aligned left, the others right."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = []
        for row in (self.columns, *self.rows):
            cells = [f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        """The table in Markdown: the first column aligned left, the others right."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


@dataclass(frozen=True)
class Section:
    """A heading and its text, followed by a table, figures and preformatted text, if any."""

    heading: str
    text: str
    table: Table | None = None
    figures: Sequence[tuple[str, bytes]] = field(default_factory=tuple)
    """(what the picture shows, PNG bytes) of each figure."""
    preformatted: str = ""


def page(title: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """Return the HTML of a report; pictures are embedded, all text is escaped."""
    body = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(lead)}</p>"]
    for section in sections:
        body += [f"<h2>{html.escape(section.heading)}</h2>", f"<p>{html.escape(section.text)}</p>"]
        if section.table is not None:
            body.append(_table(section.table))
        for caption, png in section.figures:
            data = base64.b64encode(png).decode("ascii")
            size = f'width="{round(_width(png) * _CSS_DPI / FIGURE_DPI)}"'
            body.append(f'<img alt="{html.escape(caption)}" {size} src="data:image/png;base64,{data}">')
        if section.preformatted:
            body.append(f"<pre>{html.escape(section.preformatted)}</pre>")
    body.append(f"<footer>{html.escape(footer)}</footer>")
    content = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n{content}\n</body>\n</html>\n"
    )


def _width(png: bytes) -> int:
    """Width of a PNG in pixels, from its header."""
    return int.from_bytes(png[16:20], "big")


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(c)}</th>" for c in table.columns)
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in table.rows)
    return f"<table>\n<tr>{head}</tr>\n{rows}\n</table>"
