#!/usr/bin/env python3
"""docs/notebooks/ten_minutes.ipynb from docs/python.md: PYTHONPATH=build/python tools/notebook.py [--check]

The notebook is the first part of the document, up to its first `##`: text and programs in turn, with what the programs say when they run here. It is run
without jupyter, by a stand-in for its display; matplotlib's figures are kept if there is a matplotlib. --check: only that it has the document's text,
and says the same but for numbers. tests/python/test_python.py does that, too; tools/test_interop runs it by nbclient."""
import ast
import base64
import contextlib
import importlib.util
import io
import json
import os
import re
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT, NOTEBOOK = os.path.join(ROOT, "docs/python.md"), os.path.join(ROOT, "docs/notebooks/ten_minutes.ipynb")


def cells(text):
    """[(kind, source)] of the document's first part."""
    out = []
    for k, part in enumerate(re.split(r"^```python\n(.*?)^```\n", text.split("\n## ")[0], flags=re.S | re.M)):
        # Links are from docs/ in the document, from docs/notebooks/ here.
        if part.strip(): out.append(("code" if k % 2 else "markdown", (part if k % 2 else re.sub(r"\]\((?!http|#)", "](../", part)).strip()))
    return out


def programs(text):
    """[(source, modules that are not there)] of the document's other parts, which go on from the first one: ```python needs scipy torch."""
    found = re.findall(r"^```python(?: needs ([\w. ]+))?\n(.*?)^```\n", text[len(text.split("\n## ")[0]):], re.S | re.M)
    return [(source, [n for n in needs.split() if importlib.util.find_spec(n) is None]) for needs, source in found]


def lines(text):
    return text.splitlines(True)


def shown(value):
    """As a notebook shows it: each form that it has."""
    data = {"text/plain": lines(repr(value))}
    for kind, method in (("text/html", "_repr_html_"), ("image/svg+xml", "_repr_svg_")):
        if hasattr(value, method): data[kind] = lines(getattr(value, method)())
    return data


def figures():
    if "matplotlib.pyplot" not in sys.modules: return []
    plt, out = sys.modules["matplotlib.pyplot"], []
    for number in plt.get_fignums():
        png = io.BytesIO()
        plt.figure(number).savefig(png, format="png", dpi=50)
        out.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": base64.b64encode(png.getvalue()).decode("ascii"), "text/plain": ["<Figure>"]}})
    plt.close("all")
    return out


def run_cell(source, space, count):
    """Its outputs, in the format of notebooks."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    said, value = io.StringIO(), None
    with contextlib.redirect_stdout(said):
        exec(compile(tree, "cell %d" % count, "exec"), space)
        if last: value = eval(compile(ast.Expression(last.value), "cell %d" % count, "eval"), space)
    out = [{"output_type": "stream", "name": "stdout", "text": lines(said.getvalue())}] if said.getvalue() else []
    out += figures()
    return out + ([] if value is None else [{"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": shown(value)}])


def run(sources, space=None):
    """The outputs of each program, run one after the other in an empty folder; space: their variables, to be looked at."""
    os.environ.setdefault("MPLBACKEND", "agg")
    here, space = os.getcwd(), {} if space is None else space
    space["__name__"] = "__main__"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return [run_cell(s, space, k + 1) for k, s in enumerate(sources)]
        finally:
            os.chdir(here)


def notebook(text):
    out, parts = [], cells(text)
    said = iter(run([s for kind, s in parts if kind == "code"]))
    for k, (kind, source) in enumerate(parts):
        cell = {"cell_type": kind, "id": "cell-%d" % k, "metadata": {}, "source": lines(source)}
        if kind == "code":
            cell["outputs"] = next(said)
            cell["execution_count"] = sum(kind == "code" for kind, _ in parts[:k + 1])
        out.append(cell)
    return {"cells": out, "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                       "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def masked(outputs):
    """What is said, apart from numbers, pictures and the spaces of tables."""
    forms = [(o["output_type"], sorted(o.get("data", {}))) for o in outputs]
    texts = ["".join(o.get("text", [])) + "".join("".join(o["data"].get(k, [])) for k in ("text/plain", "text/html") if "data" in o) for o in outputs]
    text = re.sub(r"<img [^>]*>|[-+]?\b\d[\d.]*(e[-+]?\d+)?", "#", "\n".join(texts))
    return forms, re.sub(r"[\s#]+", " ", text)


def compare(text, stored, space=None):
    """What is wrong with the stored notebook of this document: a list of texts."""
    want, have = cells(text), [(c["cell_type"], "".join(c["source"])) for c in stored["cells"]]
    if want != have: return ["it has another text than docs/python.md: write it anew with tools/notebook.py"]
    code = [c for c in stored["cells"] if c["cell_type"] == "code"]
    wrong = []
    for c, said in zip(code, run(["".join(c["source"]) for c in code], space)):
        if "import matplotlib" in "".join(c["source"]) and "matplotlib" not in sys.modules:
            if "matplotlib" not in masked(said)[1]: wrong.append("a program that draws does not say that there is no matplotlib")
        elif masked(said) != masked(c["outputs"]):
            wrong.append("a program says something else than is stored:\n%s\n%s\n%s" % ("".join(c["source"]), masked(said), masked(c["outputs"])))
    return wrong


if __name__ == "__main__":
    with open(DOCUMENT, encoding="utf-8") as f: document = f.read()
    if sys.argv[1:] == ["--check"]:
        with open(NOTEBOOK, encoding="utf-8") as f: mistakes = compare(document, json.load(f))
        print("\n".join(mistakes) or "the notebook is that of the document")
        sys.exit(1 if mistakes else 0)
    if sys.argv[1:]: sys.exit(__doc__)
    whole = notebook(document)
    os.makedirs(os.path.dirname(NOTEBOOK), exist_ok=True)
    with open(NOTEBOOK, "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=1, ensure_ascii=False)
        f.write("\n")
