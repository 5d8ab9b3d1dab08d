"""Tables of runs and reports: aligned text, and HTML for notebooks. A column that says nothing is left out."""
from __future__ import annotations

import base64
import html
from typing import Any


def _shown(v: Any) -> str:
    if v is None: return ""
    if isinstance(v, bool): return "true" if v else "false"
    if isinstance(v, float): return "%.5g" % v
    if isinstance(v, (list, tuple)): return "[" + ", ".join(_shown(x) for x in v) + "]"
    return str(v)


def _kept(heads: list[str], rows: list[list[Any]]) -> tuple[list[str], list[list[str]], list[bool]]:
    """(heads, rows of texts, whether a column is of numbers): of columns that say something."""
    keep = [k for k in range(len(heads)) if any(_shown(r[k]) for r in rows)]
    number = [all(r[k] is None or isinstance(r[k], (int, float)) and not isinstance(r[k], bool) for r in rows) for k in keep]
    return [heads[k] for k in keep], [[_shown(r[k]) for k in keep] for r in rows], number


def as_text(heads: list[str], rows: list[list[Any]], indent: str = "") -> str:
    """Numbers to the right, words to the left; the heads first."""
    heads, cells, number = _kept(heads, rows)
    widths = [max(len(r[k]) for r in [heads] + cells) for k in range(len(heads))]
    return "\n".join((indent + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(r, widths, number))).rstrip() for r in [heads] + cells)


def as_html(heads: list[str], rows: list[list[Any]]) -> str:
    heads, cells, number = _kept(heads, rows)
    side = ["right" if n else "left" for n in number]

    def row(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join('<%s style="text-align: %s">%s</%s>' % (tag, s, html.escape(c), tag) for c, s in zip(cells, side)) + "</tr>"
    return "<table><thead>%s</thead><tbody>%s</tbody></table>" % (row("th", heads), "".join(row("td", r) for r in cells))


def as_image(kind: str, data: bytes, told: str = "") -> str:
    """A picture inside of HTML: apart from others, so that what is called alike in two of them does not meet."""
    return '<img alt="%s" src="data:image/%s;base64,%s">' % (html.escape(told), kind, base64.b64encode(data).decode("ascii"))


def paragraph(text: str) -> str:
    return "<p>%s</p>" % html.escape(text)
