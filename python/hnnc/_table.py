"""Tables of runs and reports: aligned text, and HTML for notebooks. A column that says nothing is left out."""
import base64
import html


def _shown(v):
    if v is None: return ""
    if isinstance(v, bool): return "true" if v else "false"
    if isinstance(v, float): return "%.5g" % v
    if isinstance(v, (list, tuple)): return "[" + ", ".join(_shown(x) for x in v) + "]"
    return str(v)


def _kept(heads, rows):
    """(heads, rows of texts, whether a column is of numbers): of columns that say something."""
    keep = [k for k in range(len(heads)) if any(_shown(r[k]) for r in rows)]
    number = [all(r[k] is None or isinstance(r[k], (int, float)) and not isinstance(r[k], bool) for r in rows) for k in keep]
    return [heads[k] for k in keep], [[_shown(r[k]) for k in keep] for r in rows], number


def as_text(heads, rows, indent=""):
    """Numbers to the right, words to the left; the heads first."""
    heads, rows, number = _kept(heads, rows)
    widths = [max(len(r[k]) for r in [heads] + rows) for k in range(len(heads))]
    return "\n".join((indent + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(r, widths, number))).rstrip() for r in [heads] + rows)


def as_html(heads, rows):
    heads, rows, number = _kept(heads, rows)
    side = ["right" if n else "left" for n in number]

    def row(tag, cells):
        return "<tr>" + "".join('<%s style="text-align: %s">%s</%s>' % (tag, s, html.escape(c), tag) for c, s in zip(cells, side)) + "</tr>"
    return "<table><thead>%s</thead><tbody>%s</tbody></table>" % (row("th", heads), "".join(row("td", r) for r in rows))


def as_image(kind, data):
    """A picture inside of HTML: apart from others, so that what is called alike in two of them does not meet."""
    return '<img src="data:image/%s;base64,%s">' % (kind, base64.b64encode(data).decode("ascii"))


def paragraph(text):
    return "<p>%s</p>" % html.escape(text)
