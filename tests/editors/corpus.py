"""The programs that grammars are held against, and what the compiler says that each word of them is: programs of models/, of docs/*.md and of the
tests, those alone that are read without a syntax error."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/driver"))
from lsp_client import Client                                # noqa: E402
CLASSES = {"comment": "comment", "keyword": "keyword", "number": "number", "string": "string", "operator": "operator", "type": "type", "function": "name", "parameter": "name",
           "variable": "name", "property": "name"}


def programs():
    """Pairs of a name and a text: files, and blocks of pages."""
    for path in sorted(glob.glob(ROOT + "/models/**/*.hnn", recursive=True) + glob.glob(ROOT + "/docs/**/*.hnn", recursive=True) + glob.glob(ROOT + "/tests/**/*.hnn", recursive=True)):
        with open(path, "rb") as f:
            data = f.read()
        try:
            yield os.path.relpath(path, ROOT), data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass                                             # a test of what is no text
    for path in sorted(glob.glob(ROOT + "/docs/**/*.md", recursive=True) + [ROOT + "/README.md"]):
        with open(path, encoding="utf-8") as f:
            page = f.read()
        for m in re.finditer(r"^```hnn[^\n]*\n(.*?)^```$", page, re.M | re.S):
            yield "%s:%d" % (os.path.relpath(path, ROOT), page.count("\n", 0, m.start(1)) + 1), m[1]


def accepted(dump, folder):
    """Name, text, and a file of it, of each program that `syntax_dump` reads without an error."""
    found, seen = [], set()
    for name, text in programs():
        if text in seen:
            continue
        seen.add(text)
        path = os.path.join(folder, "%d.hnn" % len(seen))
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(text)
        if subprocess.run([dump, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            found.append((name, text, path))
    return found


def classes(hnnc, of):
    """Of each program a list of (begin, end, class) in characters, of the compiler's own tokens."""
    env = dict(os.environ, HNNC_PATIENCE="100000")
    c = Client([hnnc, "lsp"], env)
    semantic = c.capabilities["semanticTokensProvider"]["legend"]
    library = 1 << semantic["tokenModifiers"].index("defaultLibrary")
    out = []
    for k, (_, text, path) in enumerate(of):
        uri = "file://" + path
        c.open(uri, text)
        data = c.ask("textDocument/semanticTokens/full", textDocument=dict(uri=uri))["data"]
        c.tell("textDocument/didClose", textDocument=dict(uri=uri))
        out.append(list(placed(text, data, semantic["tokenTypes"], library)))
    c.close()
    return out


def placed(text, data, types, library):
    starts, at = [], 0
    for line in text.split("\n"):
        starts.append(at)
        at += len(line) + 1
    line = unit = 0
    for k in range(0, len(data), 5):
        line, unit = line + data[k], data[k + 1] + (0 if data[k] else unit)
        rest = text[starts[line]:].split("\n", 1)[0].encode("utf-16-le")
        begin = starts[line] + len(rest[:2*unit].decode("utf-16-le"))
        end = begin + len(rest[2*unit:2*(unit + data[k + 2])].decode("utf-16-le"))
        kind = types[data[k + 3]]
        yield begin, end, "library" if kind == "function" and data[k + 4] & library else CLASSES[kind]
