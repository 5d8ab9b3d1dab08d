#!/usr/bin/env python3
"""hnnc lsp, driven by the client in lsp_client.py: what is said of places, and that random edits leave it alive and up to date."""
import glob
import json
import os
import random
import re
import subprocess
import sys
import time

from driver_util import HNNC, SLOWER, check, environment, hnnc, main, write
from lsp_client import Client, position, span, units

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models")
TEXT = """\
import "std/nets"
const n = 2       # of the plane
# Energy of a particle
# at q.
hamiltonian H(q: real[n], p: real[n]) = dot(p, p)/2 + dot(q, q)/2
symplectic flow kick(h: real)(q: real[n], p: real[n]) {
  let μ𝛼 = 2*h; p += μ𝛼*q
}
net f(width: int, act = tanh)(x: real[d]) { return mlp([width], 1, act)(x)[0] }
data points {
  let q = normal(0, 1, n)
  yield q, both = [q[k]*h for k in 0:n] @ q
}
const h = 2
use some = points(count = 3)
report size = norm(q)*both on some
expect max(size) < 1e9
"""
URI = "file:///tmp/a%20b/m.hnn"


def start(text=TEXT):
    c = Client([HNNC, "lsp"], environment())
    c.open(URI, text)
    return c


def end(c, code=0):
    check(c.close() == code, "another exit code", c.errors)
    check(not c.errors, "something on stderr", c.errors)


def at(what, offset=0, text=TEXT):
    return position(text, text.index(what) + offset)


def test_messages():
    c = start()
    check(c.diagnostics(URI) == [], "a good text has messages", c.published)
    bad = TEXT.replace("norm(q)", "norm(Q)").replace("μ𝛼*q", "𝛼μ*q")
    c.change(URI, bad)
    said = {d["code"]: d for d in c.diagnostics(URI)}
    check(said["undefined"]["severity"] == 1 and "did you mean" in json.dumps(said), "no help", said)
    where = [d["range"] for d in c.diagnostics(URI) if "𝛼μ" in d["message"]]
    begin = at("𝛼μ", 0, bad)
    check(where == [span(*begin, begin[0], begin[1] + 3)], "a place in UTF-16", where, begin)
    c.tell("textDocument/didClose", textDocument=dict(uri=URI))
    c.ask("textDocument/hover", error=True, textDocument=dict(uri=URI), position=dict(line=0, character=0))
    check(c.published[URI]["diagnostics"] == [], "a closed document keeps its messages")
    end(c)


def test_incremental():
    c, text, rng = start(), TEXT, random.Random(3)
    for _ in range(60):
        a, b = sorted(rng.randrange(len(text) + 1) for _ in "ab")
        b = min(b, a + 5)
        new = rng.choice(["", "x", "𝛼\n", "(", "}", "q̂ = 1\n"])
        c.change(URI, (*position(text, a), *position(text, b), new))
        text = text[:a] + new + text[b:]
    after = c.diagnostics(URI)
    c.change(URI, text)
    check(after == c.diagnostics(URI), "the text is another one than was edited")
    c.change(URI, "const a = 1\r\nconst b = 2\r\n", (0, 99, 0, 99, "0"), (1, 10, 1, 11, "c"))
    check([d["message"][:5] for d in c.diagnostics(URI)] == ["`c` i"], "ends of lines of two characters", c.published)
    end(c)


def test_hover():
    c = start()
    for what, offset, says in [("H(q", 0, ["hamiltonian H(q: real[n], p: real[n])", "Energy of a particle\nat q."]), ("norm(q)", 1, ["norm(", "Here it gives `real`"]),
                               ("kick", 1, ["symplectic flow kick", "*proved*"]), ("mlp", 1, ["net mlp(widths: int[]", "mlp([200, 200], 1)"]), ("n = 2", 0, ["const n = 2", "of the plane"]),
                               ("both on", 0, ["`real`", "field"]), ("act)(x)", 1, ["parameter of `f`"])]:
        h = c.at("hover", URI, *at(what, offset))
        text = h["contents"]["value"] if h else ""
        check(all(s in text for s in says), "hover of %s" % what, text, says)
    check(c.at("hover", URI, *at("# of", 3)) is None, "a comment has a hover")
    end(c)


def test_places():
    c = start()
    def defined(what, offset=0):
        return c.at("definition", URI, *at(what, offset))
    for use, offset, name in [("n], p: real[n]) =", 0, "n = 2"), ("q)/2\n", 0, "q: real[n], p: real[n]) ="), ("h; p", 0, "h: real)"), ("h for k", 0, "h = 2"), ("k]*h", 0, "k in 0:n"),
                              ("μ𝛼*q", 1, "μ𝛼 = 2"), ("x)[0]", 0, "x: real[d]"), ("both on", 0, "both = "), ("points(", 0, "points {"), ("size) <", 0, "size = ")]:
        got = defined(use, offset)
        check(got and got["uri"] == URI and got["range"]["start"] == dict(zip(("line", "character"), at(name))), "definition of %s" % use, got, at(name))
    std = defined("mlp")
    check(std["uri"].endswith("nets.hnn") and os.path.exists(std["uri"][7:]), "a definition of the library", std)
    check("net mlp(" in open(std["uri"][7:]).read().split("\n")[std["range"]["start"]["line"]], "its line")
    refs = c.at("references", URI, *at("h = 2"), context=dict(includeDeclaration=True))
    check(len(refs) == 2, "references of the constant h", refs)
    names = [s["name"] for s in c.ask("textDocument/documentSymbol", textDocument=dict(uri=URI))]
    check(names == ["n", "H", "kick", "f", "points", "h", "some", "size"], "symbols", names)
    end(c)


def apply(text, edits):
    """From the end, by the protocol's positions."""
    lines = text.split("\n")
    for e in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]), reverse=True):
        a, b = e["range"]["start"], e["range"]["end"]
        head = lines[a["line"]].encode("utf-16-le")[:2*a["character"]].decode("utf-16-le")
        tail = lines[b["line"]].encode("utf-16-le")[2*b["character"]:].decode("utf-16-le")
        lines[a["line"]:b["line"] + 1] = (head + e["newText"] + tail).split("\n")
    return "\n".join(lines)


def test_rename():
    c = start()
    for what, offset, new, expected in [("μ𝛼*q", 0, "mu", TEXT.replace("μ𝛼", "mu")), ("width: int", 0, "w", TEXT.replace("width", "w")),
                                        ("h = 2", 0, "scale", TEXT.replace("q[k]*h", "q[k]*scale").replace("const h", "const scale")),
                                        ("q = normal", 0, "v", TEXT.replace("let q", "let v").replace("yield q, both = [q[k]*h for k in 0:n] @ q", "yield q = v, both = [v[k]*h for k in 0:n] @ v"))]:
        got = apply(TEXT, c.at("rename", URI, *at(what, offset), newName=new)["changes"][URI])
        check(got == expected, "rename to %s" % new, got)
    for what, new, why in [("mlp", "m", "library"), ("both on", "b", "data set"), ("h = 2", "n", "would change"), ("h = 2", "let", "not a name"), ("h = 2", "a b", "not a name"), ("norm", "m", "no name here")]:
        said = c.ask("textDocument/rename", error=True, textDocument=dict(uri=URI), position=dict(zip(("line", "character"), at(what))), newName=new)
        check(why in said["message"], "rename of %s is not refused" % what, said)
    end(c)


def test_across():
    """Definitions of the top level are found and renamed in all files that import theirs: open ones as they are there, others on the disk."""
    folder = os.path.realpath(os.getcwd())
    os.mkdir("sub")
    texts = {"part.hnn": "const scale = 2\nfn twice(x: real) = scale*x\nconst other = scale\n", "whole.hnn": 'import "part"\nconst b = scale + twice(1)\nfn f(scale: real) = scale\n',
             "sub/deep.hnn": 'import "../part"\nreport r = twice(3)\n', "none.hnn": "const scale = 7\n", "second.hnn": 'import "whole"\nconst q = b\n', "own.hnn": 'import "part"\nconst scale = 5\nreport s = scale\nreport t = other\n',
             "lib.hnn": 'import "std/nets"\nuse n = mlp([3], 1)\n', "wide.hnn": 'import "part"\nconst taken = 4\nreport u = taken*scale\n'}
    for name, text in texts.items():
        write(name, text)
    uri = {name: "file://%s/%s" % (folder, name) for name in texts}
    c = Client([HNNC, "lsp"], environment(), root="file://" + folder)
    c.open(uri["whole.hnn"], texts["whole.hnn"].replace("scale + ", "1 + scale + "))
    texts["whole.hnn"] = texts["whole.hnn"].replace("scale + ", "1 + scale + ")
    c.open(uri["part.hnn"], texts["part.hnn"])
    def found(name, what, offset=0, own=True):
        refs = c.at("references", uri[name], *at(what, offset, texts[name]), context=dict(includeDeclaration=own))
        return sorted((os.path.relpath(r["uri"][7:], folder), r["range"]["start"]["line"], r["range"]["start"]["character"]) for r in refs)
    want = [("part.hnn", 0, 6), ("part.hnn", 1, 20), ("part.hnn", 2, 14), ("whole.hnn", 1, 14), ("wide.hnn", 2, 17)]
    for place in [("part.hnn", "scale"), ("whole.hnn", "1 + scale", 5)]:
        check(found(*place) == want, "references of scale", found(*place))
    check(found("part.hnn", "scale", own=False) == want[1:], "without the definition", found("part.hnn", "scale", own=False))
    check(found("part.hnn", "twice") == [("part.hnn", 1, 3), ("sub/deep.hnn", 1, 11), ("whole.hnn", 1, 22)], "references of twice", found("part.hnn", "twice"))
    check(found("whole.hnn", "b = 1") == [("second.hnn", 1, 10), ("whole.hnn", 1, 6)], "references of b", found("whole.hnn", "b = 1"))
    check(found("whole.hnn", "scale: ") == [("whole.hnn", 2, 5), ("whole.hnn", 2, 20)], "a parameter", found("whole.hnn", "scale: "))
    c.open(uri["lib.hnn"], texts["lib.hnn"])
    check(("lib.hnn", 1, 8) in found("lib.hnn", "mlp"), "references of a layer", found("lib.hnn", "mlp"))
    for name, what in [("part.hnn", "scale"), ("whole.hnn", "scale + ")]:
        changes = c.at("rename", uri[name], *at(what, 0, texts[name]), newName="size")["changes"]
        got = {k: apply(texts[k], changes[uri[k]]) for k in texts if uri[k] in changes}
        check(got == {"part.hnn": texts["part.hnn"].replace("scale", "size"), "whole.hnn": texts["whole.hnn"].replace("+ scale", "+ size"), "wide.hnn": texts["wide.hnn"].replace("scale", "size")}, "rename across files", got)
        for k, t in got.items():
            write(k, t)
        for k in ("whole.hnn", "wide.hnn", "own.hnn", "sub/deep.hnn"):
            hnnc("check", k)
        for k in got:
            write(k, texts[k])
    for new in ["taken", "b", "twice", "x"]:                # of an importing file; of the same; of the file; of a parameter beside
        said = c.ask("textDocument/rename", error=True, textDocument=dict(uri=uri["part.hnn"]), position=dict(zip(("line", "character"), at("scale", 0, texts["part.hnn"]))), newName=new)
        check("would change" in said["message"], "scale is renamed to %s" % new, said)
    end(c)


def test_typing():
    c = start()
    s = c.at("signatureHelp", URI, *at("[width], 1, act", 12))
    check(s["signatures"][0]["label"].startswith("net mlp(") and s["activeParameter"] == 2, "signature", s)
    label, place = s["signatures"][0]["label"], s["signatures"][0]["parameters"][2]["label"]
    check(label[place[0]:place[1]] == "act = tanh", "its parameter", label[place[0]:place[1]])
    items = {i["label"]: i for i in c.at("completion", URI, *at("dot(q, q)"))["items"]}
    check({"H", "n", "q", "p", "mlp", "dot", "leapfrog", "let"} <= set(items) and "μ𝛼" not in items, "completion", sorted(items))
    check("(x" in items["norm"]["detail"], "no signature", items["norm"])
    hints = {(h["position"]["line"], h["position"]["character"]): h["label"] for h in c.ask("textDocument/inlayHint", textDocument=dict(uri=URI), range=span(0, 0, 99, 0))}
    check(hints[at("q = normal", 1)] == ": real[2]" and at("n = 2", 1) not in hints, "shapes", hints)
    text = TEXT.replace(" + dot", "+dot")
    c.change(URI, text)
    check(apply(text, c.ask("textDocument/formatting", textDocument=dict(uri=URI), options={})) == TEXT.replace("2       #", "2       #"), "formatting")
    c.change(URI, TEXT + "const = \n")
    check(c.ask("textDocument/formatting", textDocument=dict(uri=URI), options={}) is None, "a text with errors is laid out")
    end(c)


def test_colours():
    c = start()
    legend = c.capabilities["semanticTokensProvider"]["legend"]["tokenTypes"]
    data, line, unit, seen, lines = c.ask("textDocument/semanticTokens/full", textDocument=dict(uri=URI))["data"], 0, 0, {}, TEXT.split("\n")
    for k in range(0, len(data), 5):
        line, unit = line + data[k], data[k + 1] + (0 if data[k] else unit)
        word = lines[line].encode("utf-16-le")[2*unit:2*(unit + data[k + 2])].decode("utf-16-le")
        seen[word] = legend[data[k + 3]]
    want = {"let": "keyword", "μ𝛼": "variable", "H": "function", "width": "parameter", "normal": "function", "count": "property", "real": "type", "# of the plane": "comment", "+=": "operator", "1e9": "number",
            '"std/nets"': "string", "both": "property"}
    check(want.items() <= seen.items(), "colours", {w: seen.get(w) for w in want})
    end(c)


def test_mends():
    c = start()
    for bad, good in [("norm(q)*", "norn(q)*"), ("max(size)", "max(sise)"), ("count = 3", "coumt = 3")]:
        text = TEXT.replace(bad, good)
        c.change(URI, text)
        place = [d["range"] for d in c.diagnostics(URI) if "did you mean" in d["message"]]
        check(place, "no help line", c.published[URI])
        acts = c.ask("textDocument/codeAction", textDocument=dict(uri=URI), range=place[0], context=dict(diagnostics=[]))
        check(acts and apply(text, acts[0]["edit"]["changes"][URI]) == TEXT, "no mend", good, acts)
    old = "const a = [[0, 1], [1, 2]]\nplot p = { kind = line, xy = [a, 2*a] }\n"
    c.change(URI, old)
    place = [d["range"] for d in c.diagnostics(URI) if d["code"] == "meaning"]
    acts = c.ask("textDocument/codeAction", textDocument=dict(uri=URI), range=place[0], context=dict(diagnostics=[]))
    check([apply(old, x["edit"]["changes"][URI]) for x in acts] == [old.replace("[a, 2*a]", "(a, 2*a)"), "language 1\n" + old] and [x["isPreferred"] for x in acts] == [True, False], "a changed meaning", acts)
    text = TEXT.replace('import "std/nets"\n', "")
    c.change(URI, text)
    place = [d["range"] for d in c.diagnostics(URI) if "std/nets" in d["message"]]
    acts = c.ask("textDocument/codeAction", textDocument=dict(uri=URI), range=place[0], context=dict(diagnostics=[]))
    check(acts and apply(text, acts[0]["edit"]["changes"][URI]) == TEXT, "no import", acts)
    end(c)


def test_imports():
    """What is open is read as it is there; who imports it is looked at again."""
    folder = os.getcwd()
    write("part.hnn", "const a = 1\n")
    part, whole = "file://%s/part.hnn" % folder, "file://%s/whole.hnn" % folder
    c = Client([HNNC, "lsp"], environment())
    c.open(whole, 'import "part"\nconst b = a + c\n')
    check(len(c.diagnostics(whole)) == 1, "c is not there", c.published)
    c.open(part, "const a = 1\nconst c = 2\n")
    end_at = time.time() + 60
    while c.published[whole]["diagnostics"] and time.time() < end_at:
        c.read(1)
    check(not c.published[whole]["diagnostics"], "an open import is not read", c.published)
    check(c.at("definition", whole, 1, 14)["uri"] == part, "a definition in an import")
    end(c)


def test_outline():
    c, doc = start(OPTIONS), dict(textDocument=dict(uri=URI))
    symbols = c.ask("textDocument/documentSymbol", **doc)
    check([s["name"] for s in symbols] == ["f", "d", "s", "fit", "g", "train fit on s", "p"], "symbols", symbols)
    check([s["name"] for s in symbols[1]["children"]] == ["x", "y"], "fields of data", symbols[1])
    text = "# one\n# two\n" + OPTIONS.replace('import "std/nets"', 'import "std/nets"\nimport "std/flows"')
    c.change(URI, text)
    folds = {(f["startLine"], f["endLine"], f.get("kind")) for f in c.ask("textDocument/foldingRange", **doc)}
    line = at("train fit", 0, text)[0]
    check(folds == {(0, 1, "comment"), (2, 3, "imports"), (line, line + 3, None)}, "folds", folds)
    sel, seen = c.ask("textDocument/selectionRange", positions=[dict(zip(("line", "character"), at("1e-2", 1, text)))], **doc)[0], []
    lines = text.split("\n")
    while sel:
        a, b = sel["range"]["start"], sel["range"]["end"]
        seen.append("\n".join(lines)[sum(len(l) + 1 for l in lines[:a["line"]]) + a["character"]:sum(len(l) + 1 for l in lines[:b["line"]]) + b["character"]])
        sel = sel.get("parent")
    check(seen[:3] == ["1e-2", "lr = 1e-2, betas = [0.9, 0.99]", "(lr = 1e-2, betas = [0.9, 0.99])"] and seen[-1] == text and seen[-2].startswith("train fit on s {") and seen[-2].endswith("}"), "what is selected", seen)
    check(all(a in b for a, b in zip(seen, seen[1:])), "a selection is not in the next", seen)
    marks = c.at("documentHighlight", URI, *at("f([x])", 0, text))
    check([m["kind"] for m in marks] == [3, 2, 2], "places of f", marks)
    links = [l["target"].rsplit("/", 1)[1] for l in c.ask("textDocument/documentLink", **doc)]
    check(links == ["nets.hnn", "flows.hnn"], "links", links)
    lenses = c.ask("textDocument/codeLens", **doc)
    check([(l["command"]["title"], l["range"]["start"]["line"]) for l in lenses] == [("run", line), ("explore", line)] and lenses[0]["command"]["arguments"] == ["/tmp/a b/m.hnn"], "what can be run", lenses)
    end(c)


def test_calls():
    folder = os.path.realpath(os.getcwd())
    write("base.hnn", "fn inner(x: real) = x\nfn outer_(x: real) = inner(x) + inner(2*x)\nfn alone(x: real) = x\n")
    write("top.hnn", 'import "base"\nreport r = inner(1) + outer_(2)\n')
    c = Client([HNNC, "lsp"], environment(), root="file://" + folder)
    uri = "file://%s/base.hnn" % folder
    c.open(uri, open("base.hnn").read())
    item = c.at("prepareCallHierarchy", uri, 1, 22)
    check(len(item) == 1 and item[0]["name"] == "inner" and item[0]["selectionRange"]["start"] == dict(line=0, character=3), "an item", item)
    calls = {(r["from"]["name"], r["from"]["uri"].rsplit("/", 1)[1], len(r["fromRanges"])) for r in c.ask("callHierarchy/incomingCalls", item=item[0])}
    check(calls == {("outer_", "base.hnn", 2), ("r", "top.hnn", 1)}, "who calls it", calls)
    item = c.at("prepareCallHierarchy", uri, 1, 4)
    calls = [(r["to"]["name"], len(r["fromRanges"])) for r in c.ask("callHierarchy/outgoingCalls", item=item[0])]
    check(calls == [("inner", 2)], "whom it calls", calls)
    found = sorted((s["name"], s["location"]["uri"].rsplit("/", 1)[1]) for s in c.ask("workspace/symbol", query="R"))
    check(found == [("inner", "base.hnn"), ("outer_", "base.hnn"), ("r", "top.hnn")], "symbols of the workspace", found)
    c.ask("callHierarchy/incomingCalls", item=dict(uri="file:///nowhere"))
    end(c)


OPTIONS = """\
import "std/nets"
use f = mlp([8], 1)
data d { let x = uniform(-1, 1); yield x, y = x }
use s = d(count = 10, seed = 3)
loss fit(x, y) = (f([x])[0] - y)^2
fn g(q: real[2]) = integrate(f, q, times = [0, 1], method = dop853(rtol = 1e-9), counts = true)
train fit on s {
  optimizer = adamw(lr = 1e-2, betas = [0.9, 0.99]), batch = all
  steps = 10, schedule = cosine(to = 1e-4)
  
}
plot p = { kind = histogram, x = x, bins = 10 } on s
"""


def offered(c, text, before, offset=0):
    """Labels that are offered behind a text, or in its middle; how many there are in all."""
    c.change(URI, text)
    items = c.at("completion", URI, *position(text, text.index(before) + (offset or len(before))))["items"]
    return {i["label"].removesuffix(" = ") for i in items if i["sortText"] == "0"}, len(items)


def test_options():
    """What can be given by name, and is not yet, is offered and explained."""
    c, t = start(OPTIONS), OPTIONS
    for what, says in [("optimizer", ["train: optimizer = adam()", "moves the parameters"]), ("adamw", ["adamw(lr = 0.001", "weight_decay = 0.01", "arXiv:1711.05101"]), ("betas", ["[0.9, 0.999]", "*takes*: [real, real]"]),
                       ("cosine", ["cosine(to = 0, warmup = 0)", "cos(pi s/n)"]), ("counts", ["integrate: counts = false"]), ("rtol", ["dop853: rtol = 1e-6"]), ("bins", ["plot: bins", "2 n^(1/3)"]), ("seed", ["data: seed = 0"]),
                       ("dop853", ["of order 8", "max_steps = 10^6"]), ("all\n", ["all samples in each step"])]:
        h = c.at("hover", URI, *at(what, 1, t))
        check(h and all(s in h["contents"]["value"] for s in says), "hover of %s" % what, h, says)
    got, n = offered(c, t, "1e-4)\n  ")
    check(got == {"clip", "only", "test", "every", "seed", "memory", "keep", "monitor", "patience", "average"} and n == len(got), "options of train", got, n)
    check(offered(c, t.replace("steps = 10, ", ""), "1e-4)\n  ")[0] >= {"steps", "epochs"}, "neither `steps` nor `epochs` is offered")
    for text, before, want in [(t.replace("cosine(to = 1e-4)", ""), "schedule = ", {"constant", "cosine", "steps", "plateau"}), (t.replace("  \n}", "  memory = \n}"), "memory = ", {"auto", "stored", "reversible"}),
                               (t, "kind = ", {"line", "scatter", "section", "phase", "heat", "histogram", "frames"})]:
        got, n = offered(c, text, before)
        check(got == want and n == len(want), "words behind %s" % before, got, n)
    for text, before, want, without in [(t, "counts", {"dt", "steps", "every", "stop"}, {"times", "method", "counts"}), (t, "rtol", {"atol", "max_steps"}, {"rtol"}), (t, "betas", {"eps", "weight_decay"}, {"lr", "betas"}),
                                        (t, "bins", {"density", "labels", "n"}, {"kind", "x", "levels"}), (t, "method = ", {"leapfrog", "taylor", "rk4"}, {"dt"}), (t, "seed", set(), {"count", "seed"})]:
        got = offered(c, text, before, 1 if before in ("counts", "rtol", "betas", "bins", "seed") else 0)[0]
        check(want <= got and not without & got, "offered at %s" % before, got)
    c.change(URI, t)
    for what, offset, label, active in [("= 10, schedule", 3, "train {", "steps"), ("1e-2, betas", 1, "adamw(", "lr"), ("counts = true", 10, "integrate(", "counts"), ("bins =", 7, "plot {", "bins"), ("count = 10", 8, "d(", "count")]:
        s = c.at("signatureHelp", URI, *at(what, offset, t))
        head, place = s["signatures"][0]["label"], s["signatures"][0]["parameters"][s["activeParameter"]]["label"]
        check(head.startswith(label) and head[place[0]:place[1]].startswith(active + " ="), "signature at %s" % what, s)
    end(c)


def test_options_are_the_checkers():
    """The table that editors have lists what the checkers take, no more and no less."""
    c = start(OPTIONS)
    def told(text):
        c.change(URI, text)
        said = [d["message"] for d in c.diagnostics(URI)]
        return {w.strip() for m in said for l in m.split("\n") if "options" in l and ": " in l for w in l.rsplit(": ", 1)[1].split(",")}, said
    check(told(OPTIONS.replace("steps = 10", "qqqq = 3"))[0] == offered(c, OPTIONS.replace("steps = 10, schedule = cosine(to = 1e-4)", "").replace("optimizer = adamw(lr = 1e-2, betas = [0.9, 0.99]), batch = all", ""), "{\n  ")[0],
          "options of train")
    for word, option in [(o, "optimizer") for o in ("adam", "adamw", "sgd", "rmsprop", "lbfgs")] + [(s, "schedule") for s in ("cosine", "steps", "constant", "plateau")]:
        text = OPTIONS.replace("optimizer = adamw(lr = 1e-2, betas = [0.9, 0.99])", "batch = 3").replace(", batch = all", "").replace(", schedule = cosine(to = 1e-4)", "").replace("  \n}", "  %s = %s(qqqq = 1)\n}" % (option, word))
        check(told(text)[0] == offered(c, text.replace("qqqq = 1", ""), "%s(" % word)[0] - {"x", "y"}, "options of %s" % word, told(text), offered(c, text.replace("qqqq = 1", ""), "%s(" % word)[0])
    for kind in ("line", "scatter", "section", "phase", "heat", "histogram", "frames"):
        text = OPTIONS.replace("histogram, x = x, bins = 10", kind + ", qqqq = 1")
        check(told(text)[0] == offered(c, text.replace("qqqq = 1", ""), kind + ", ")[0] | {"kind"}, "options of %s" % kind, told(text), offered(c, text.replace("qqqq = 1", ""), kind + ", "))
    with open(os.path.join(MODELS, "../frontend/builtin/option.def")) as f:
        every = {*re.findall(r'^OPTION\("[^"]*", "(\w+)"', f.read(), re.M), "qqqq"}
    for call, others in [("integrate(f, q, ", {"x", "y", "q"}), ("trajectory(h, q, q, ", {"x", "y", "q"}), ("section(h, q, q, ", {"x", "y", "q"}), ("events(f, q, ", {"x", "y", "q"}), ("iterate(f, q, ", {"x", "y", "q"}), ("dop853(", {"x", "y", "q"})]:
        text = OPTIONS.replace("integrate(f, q, times = [0, 1], method = dop853(rtol = 1e-9), counts = true)", call + ")").replace("fn g", "hamiltonian h(q: real[2], p: real[2]) = dot(p, p)\nfn g")
        names = offered(c, text, call)[0] - others
        for name in sorted(names):
            said = told(text.replace(call, call + name + " = 1"))[1] + told(text.replace(call, call + name + " = 1").replace("fn g(q", "report rr = g(ones(2))\nfn g(q"))[1]
            check(not any("has no option" in m for m in said), "%s%s" % (call, name), said)
        for name in sorted(every - names):
            said = told(text.replace(call, call + name + " = 1").replace("fn g(q", "report rr = g(ones(2))\nfn g(q"))[1]
            check(any("no option `%s`" % name in m for m in said), "%s takes `%s`, which is not offered" % (call, name), said)
    text = OPTIONS.replace("count = 10, seed = 3", "qqqq = 1")
    check(told(text)[0] == offered(c, text.replace("qqqq = 1", ""), "use s = d(")[0] - {"x", "y"}, "options of data", told(text))
    end(c)


def resident(c):
    with open("/proc/%d/status" % c.p.pid) as f:
        return next(int(l.split()[1])/1024 for l in f if l.startswith("VmRSS"))


def busy(c):
    """Seconds that its threads ran."""
    def ran(task):
        with open("/proc/%d/task/%s/schedstat" % (c.p.pid, task)) as f:
            return 1e-9*int(f.read().split()[0])
    return sum(map(ran, os.listdir("/proc/%d/task" % c.p.pid)))


def at_rest(c, most=0, seconds=20):
    """Megabytes, when nothing has come for a while and claims are decided: below `most`, or as they stay."""
    until, seen = time.time() + seconds, [resident(c)]
    while time.time() < until and seen[-1] > most and (len(seen) < 10 or max(seen[-6:]) != min(seen[-6:])):
        time.sleep(0.2)
        seen.append(resident(c))
    return seen[-1]


def test_many_documents():
    """Those not looked at give their memory back, and know their imports all the same."""
    text = 'import "part"\n' + "".join("fn f%d(x: real) = a*x + %d\n" % (k, k) for k in range(3000))
    folder, n = os.getcwd(), 40
    part, uris = "file://%s/part.hnn" % folder, ["file://%s/d%d.hnn" % (folder, k) for k in range(40)]
    c = Client([HNNC, "lsp"], environment())
    c.open(part, "const a = 1\n")
    for u in uris:
        c.open(u, text)
        check(c.diagnostics(u) == [], "a good text has messages", c.published[u])
    held = at_rest(c, 160)
    check(held < 160 or SLOWER > 1, "%d documents take %.0f MB" % (n, held))
    check("f7" in json.dumps(c.at("hover", uris[0], 8, 3)), "a document without an analysis has no hover")
    c.change(part, "const b = 1\n")
    end_at = time.time() + 60
    while not all(c.published[u]["diagnostics"] for u in uris) and time.time() < end_at:
        c.read(1)
    check(all(c.published[u]["diagnostics"] for u in uris), "an import changed, and not all documents were looked at")
    end(c)


def test_protocol():
    c = start()
    c.ask("textDocument/nothing", error=True)
    c.p.stdin.write(b"Content-Length: 5\r\n\r\n{{{{{")
    c.p.stdin.flush()
    answer = {}
    while "error" not in answer:
        answer = c.read()
    check(answer["error"]["code"] == -32700, "no parse error", answer)
    for broken in [{}, dict(textDocument=1), dict(textDocument=dict(uri=URI), position=-1), dict(textDocument=dict(uri=URI), position=dict(line=-5, character=10**15), range=[])]:
        for method in ["hover", "completion", "rename", "codeAction", "inlayHint", "signatureHelp", "references"]:
            c.id += 1
            c.send(id=c.id, method="textDocument/" + method, params=broken)
            while c.read().get("id") != c.id:
                pass
    c.tell("textDocument/didChange", contentChanges=3)
    c.tell("textDocument/didOpen")
    c.tell("$/cancelRequest", id=3)
    check(c.ask("initialize", error=True)["code"] == -32600, "initialized twice")
    for blanks in ["", " "]:                       # a message that is cut is cut between characters
        check("there is no" in c.ask(blanks + 300*"é", error=True)["message"], "no answer")
    end(c)
    p = subprocess.Popen([HNNC, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    early = json.dumps(dict(jsonrpc="2.0", id=1, method="textDocument/hover", params={})).encode()
    said = p.communicate(b"Content-Length: %d\r\n\r\n%s" % (len(early), early), timeout=60)[0]
    check(b"-32002" in said, "asked before `initialize`", said)
    p = Client([HNNC, "lsp"], environment())
    p.p.stdin.close()
    check(p.p.wait(60) == 1, "the end of the input is no shutdown")


def piece(rng, text):
    """An edit that somebody could make: characters typed or gone, a line moved, a word of elsewhere."""
    a = rng.randrange(len(text) + 1)
    kind = rng.randrange(5)
    b = min(len(text), a + (rng.randrange(4) if kind else rng.randrange(200)))
    c = rng.randrange(len(text) + 1)
    new = rng.choice([rng.choice("qp01.,=(){}[]+*/^:;# \n\"e"), text[c:c + rng.randrange(40)], "", rng.choice(["let ", "real[", "grad(", "𝛼", "q̂", "inverse", "jacobian(f)(x)", "\0"])])
    return a, b, new


def random_edits(name, n, seed=1, fresh=10, asked=0.9, rest=True):
    """n edits, a share of which are asked about and waited for; what is said is what a new server says of the same text, of one in `fresh`. The server's own
    milliseconds from each edit to its messages, and megabytes that it holds at rest after a tenth of the edits and after all."""
    uri = "file://" + os.path.join(MODELS, name)
    original = text = open(os.path.join(MODELS, name)).read()
    c, rng, times, held = Client([HNNC, "lsp"], environment()), random.Random(seed), [], []
    c.open(uri, text)
    c.diagnostics(uri)
    for k in range(n):
        a, b, new = piece(rng, text)
        begin = busy(c)
        c.change(uri, (*position(text, a), *position(text, b), new))
        text = text[:a] + new + text[b:]
        method = rng.choice(["hover", "definition", "completion", "signatureHelp", "documentSymbol", "semanticTokens/full", "inlayHint", "formatting", "references", "foldingRange", "documentHighlight", "codeLens"])
        if rng.random() < asked:
            c.at(method, uri, *position(text, rng.randrange(len(text) + 1)), range=span(0, 0, 99, 0), options={}, context=dict(includeDeclaration=True))
            c.diagnostics(uri)
            times.append(1e3*(busy(c) - begin))
        if k % fresh == fresh - 2:
            c.ask("textDocument/documentSymbol", textDocument=dict(uri=uri))
            said = c.diagnostics(uri)
            other = Client([HNNC, "lsp"], environment())
            other.open(uri, text)
            check(other.diagnostics(uri) == said, "stale messages of %s, edit %d, seed %d" % (name, k, seed), said, other.published)
            other.close()
        if k % 10 == 9:
            text = original
            c.change(uri, text)
        if rest and k in (n//10, n - 1):
            c.change(uri, original)
            text = original
            check(c.diagnostics(uri) == [], "the text as it was has messages", name, c.published)
            held.append(at_rest(c))
    end(c)
    check(not rest or SLOWER > 1 or held[1] < 1.1*held[0] + 8, "%s: %d edits took the server from %.0f to %.0f MB" % (name, n, *(held or [0, 0])))
    return sorted(times), held


def test_random_edits():
    names = sorted(os.path.basename(f) for f in glob.glob(MODELS + "/*.hnn"))
    for name in names[::40 if SLOWER > 1 else 9]:
        random_edits(name, 20, rest=False)


def test_memory():
    """What a layer's masks are made of does not stay (this model took 600 MB), and edits add nothing."""
    name = os.path.join(MODELS, "quartic_path.hnn")
    c = Client([HNNC, "lsp"], environment())
    c.open("file://" + name, open(name).read())
    check(c.diagnostics("file://" + name) == [] and (resident(c) < 200 or SLOWER > 1), "an analysis takes %.0f MB" % resident(c))
    held = at_rest(c, 60)
    check(held < 60 or SLOWER > 1, "at rest the server holds %.0f MB" % held)
    end(c)
    if SLOWER == 1:
        random_edits("hgn.hnn", 100, fresh=50)


if __name__ == "__main__":
    sys.exit(main(globals()))
