#!/usr/bin/env python3
"""What the pages show: the data of `hnnc explore` fit together, derivatives are told right from wrong; `hnnc report`, and what `hnnc view` answers.
test_driver_pages.py HNNC [TEST...]. In a browser: tools/test_pages."""
import base64
import gzip
import http.client
import json
import math
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

from driver_util import check, environment, HNNC, hnnc, main, model, read, SLOWER, write

HERE = os.path.dirname(os.path.abspath(__file__))
PAGES = os.path.join(os.path.dirname(HERE), "pages")


def explored(path, *more):
    return json.loads(hnnc("explore", path, "--json", "-q", *more).out)


def consistent(d):
    """Every end of every link exists; an instruction comes from an earlier one; text and places are as they should be."""
    sizes = [len(f["text"].encode()) for f in d["files"]]
    for file, begin, end in d["places"][1:]:
        check(1 <= file <= len(sizes) and begin <= end <= sizes[file - 1], "a place lies in its file", file, begin, end)
    for k, (_, _, _, place, parent) in enumerate(d["tree"]):
        check(0 <= place < len(d["places"]) and -1 <= parent < k, "a node is behind its parent", k)
    for p in d["pieces"]:
        numbers, functions = {}, {}
        for s in p["stages"]:
            for f in s["fns"]:
                n = len(f["text"])
                check(all(len(f[c]) == n for c in ("place", "from", "role", "of", "flop", "body")), "columns are as long as each other")
                functions[f["index"]] = f
                for k in range(n):
                    check(f["first"] + k not in numbers, "a number is one instruction's")
                    numbers[f["first"] + k] = f, k
        for n, (f, k) in numbers.items():
            a = f["from"][k]
            check(abs(a) < n, "it comes from an earlier one", n, a)
            check(a >= 0 or f["role"][k] is not None and f["role"][k], "what is derived has a role", f["text"][k])
            check(not a or abs(a) in numbers, "which is there", p["name"], n, a)
            check(0 <= f["place"][k] < len(d["places"]) and f["flop"][k] >= 0, "place and work")
            check(not f["body"][k] or f["body"][k] in functions, "its body is there")
            check(all(1 <= int(x) <= k for x in re.findall(r"%(\d+)", f["text"][k])), "operands come before it", f["text"][k])
        made = p["made"]
        for node, a, b in zip(made[::3], made[1::3], made[2::3]):
            check(0 <= node < len(d["tree"]) and a in numbers and b - 1 in numbers and a < b, "what an expression made is there")
        for index, values in p["values"].items():
            check(len(values) == len(functions[int(index)]["text"]), "a value for each instruction")
        for index, t in p["turns"].items():
            n = len(functions[int(index)]["text"])
            check(len(t["first"]) == len(t["size"]) == n and t["count"] > 1, "turns of each instruction")
            check(all(s is None or 0 <= t["count"] - t["stride"]*len(s) + t["stride"] - 1 < t["stride"] for s in t["size"]), "sizes of every so many turns")
        for w in flows(p):
            check(len(w["flow"]) == len(functions[w["fn"]]["text"]), "a derivative for each instruction")
            check(all(v is None or v[1] is not None or v[2] for v in w["flow"]), "what was not compared has a reason")
        check(all(n in numbers for n, _ in p["operators"]), "operators are there")
        if isinstance(p["code"], int):
            check(0 <= p["code"] < len(d["pieces"]) and isinstance(d["pieces"][p["code"]]["code"], dict), "the piece with the same code")
        elif p["code"]:
            k = p["code"]["kernels"]
            check(len(k["text"]) == len(k["number"]) and all(not n or n in numbers for n in k["number"]), "lines of loop nests")
            lines = [(t, n) for t, n in zip(k["text"], k["number"]) if re.match(r"\s+%\d+ = ", t)]
            for t, n in lines:
                f, q = numbers.get(n, (None, 0))
                check(f and f["text"][q].split()[0] == t.split()[2], "a line is about its instruction", t)
            check(lines or not p["flops"], "there are such lines")
            apart(k, numbers)
            a = p["code"]["asm"]
            check(len(a["text"]) == len(a["number"]) and all(not n or n in numbers for n in a["number"]), "lines of assembly")
            check(not lines or sum(map(bool, a["number"])) > 0, "some are of instructions", p["name"])


def flows(p):
    """Of a piece and of its bodies."""
    return [p["flow"], *p["flow"]["bodies"]] if p["flow"] else []


def differing(p):
    """[function, instruction, text, remark] of the derivatives that disagree with finite differences."""
    text = {f["index"]: f["text"] for s in p["stages"] for f in s["fns"]}
    return [(w["fn"], k + 1, text[w["fn"]][k], v[2] if len(v) > 2 else "")
            for w in flows(p) for k, v in enumerate(w["flow"]) if v and v[1] is not None and not v[1] <= 1e-5]


def skipped(p):
    return [v[2] for w in flows(p) for v in w["flow"] if v and v[1] is None]


def apart(k, numbers):
    """Values that are in scratch at one time lie beside one another, and inside it."""
    heads = [(n, int(m.group(1))) for n, t in enumerate(k["text"]) for m in [re.search(r"kernel \S+: .*scratch (\d+) bytes", t)] if m]
    turns = [t for _, t in k["nests"]]
    check(all(0 < line < len(k["text"]) for line, _ in k["nests"]) and all(t > 0 for t in turns), "loop nests have lines")
    for begin, size in heads:
        end = min([n for n, _ in heads if n > begin], default=len(k["text"]))
        here = [q[1:] for q in k["places"] if begin < q[0] <= end]
        for n, off, bytes, t0, t1 in here:
            check((not n or n in numbers) and off >= 0 and bytes > 0 and off + bytes <= size and t0 <= t1, "a value lies in scratch", n, off, bytes, size)
        for j, a in enumerate(here):
            for c in here[:j]:
                check(a[3] > c[4] or c[3] > a[4] or a[1] >= c[1] + c[2] or c[1] >= a[1] + a[2], "no two in one place", a, c)


def piece(d, kind, name):
    return next(p for p in d["pieces"] if p["kind"] == kind and p["name"] == name)


def test_field():
    d = explored(os.path.join(PAGES, "field.hnn"))
    consistent(d)
    call = next(k for k, n in enumerate(d["tree"]) if n[0] == "call" and text_of(d, n[3]) == "field(H)(q, p)")
    p = piece(d, "gradient", "fit")
    check(call in p["made"][::3], "the call made something")
    check(len(p["operators"]) == 2 and all(e < 1e-6 for _, e in p["operators"]), "its gradients agree with differences", p["operators"])
    for p in d["pieces"]:
        check(not differing(p) and not skipped(p), "all derivatives agree", p["name"], differing(p), skipped(p))


def text_of(d, place):
    file, a, b = d["places"][place]
    return d["files"][file - 1]["text"].encode()[a:b].decode() if file else ""


def test_wrong_derivative():
    """The value whose rule is wrong differs, what is above it says so, and nothing else differs."""
    d = explored(os.path.join(PAGES, "wrong_derivative.hnn"))
    consistent(d)
    p = piece(d, "loss", "fit")
    f = next(f for s in p["stages"] for f in s["fns"] if f["index"] == p["flow"]["fn"])
    wrong = differing(p)
    check(len(wrong) == 1 and "`stop_gradient`" in wrong[0][3] and "wrong_derivative.hnn:6" in wrong[0][3], "one is wrong", wrong)
    check(skipped(p) == ["it goes through %%%d, which differs" % wrong[0][1]]*2, "two go through it", skipped(p))
    check(text_of(d, d["places"].index(d["places"][f["place"][wrong[0][1] - 1]])) == "W @ q", "what the wrong rule is by", wrong)
    by_hand = piece(d, "fn", "softplus_by_hand")
    check(len(differing(by_hand)) == 1, "in the function itself, of several numbers")
    good = read(os.path.join(PAGES, "wrong_derivative.hnn")).decode().replace("tanh(still) ", "sigmoid(still) ")
    write("good.hnn", good)
    d = explored("good.hnn")
    check(not any(differing(p) or skipped(p) for p in d["pieces"]), "mended, none is")


BY_HAND = """precision f64
fn by_hand(x: real[3]) {
  let still = stop_gradient(x)
  let slope = %s(still)
  return softplus(still) + slope*(x - still)
}
const W = [[0.7, -0.4, 0.2], [0.1, 0.9, -0.8], [-0.6, 0.3, 0.5]]
"""
# where it stands, what else there is, and whether second derivatives are taken, which are wrong however right the first one is
PLACES = [
    ("field", """hamiltonian H(q: real[3], p: real[3]) = dot(p, p)/2 + sum(by_hand(W @ q))
loss fit(q: real[3], p: real[3], dp: real[3]) = sum((field(H)(q, p)[1] - dp)^2)""", True),
    ("flow", """flow T(x: real[3], y: real[3]) {
  y += by_hand(W @ x)
  x += tanh(y)
}
loss fit(x: real[3], y: real[3]) {
  let (a, b) = T(x, y)
  return sum(a^2) + sum(b^2)
}""", False),
    ("log-determinant", """flow T(x: real[3], y: real[3]) {
  y *= exp(tanh(by_hand(W @ x)))
  x *= exp(tanh(y))
}
loss fit(x: real[3], y: real[3]) = logdet(T)(x, y)^2""", False),
    ("pairs", """const w = [0.3, -0.7, 1.1]
loss fit(x: real[6, 3]) = sum([sum([dot(w, by_hand(x[i] - x[j])) for j in 0:6]) for i in 0:6])""", False),
    ("loop", """fn step(x) = by_hand(W @ x) - x/2
loss fit(x: real[3]) = sum(iterate(step, x, steps = 20)[-1]^2)""", False),
    ("rates", """fn rate(x: real[3]) = by_hand(W @ x) - x
loss fit(x: real[3]) = sum(integrate(rate, x, times = linspace(0, 1, 5), method = dopri5(rtol = 1e-9))[4]^2)""", False),
    ("steps", """fn rate(x: real[3]) = by_hand(W @ x) - x
loss fit(x: real[3]) = sum(integrate(rate, x, dt = 0.1, steps = 10, method = rk4)[10]^2)""", False),
    ("second derivatives", """fn energy(x: real[3]) = sum(by_hand(W @ x))
loss fit(x: real[3]) = sum(hessian(energy)(x)^2)""", True),
]


def test_wrong_everywhere():
    """A rule by hand is found wherever it stands if it is wrong, in the body of a loop too, and no right one is accused."""
    for what, text, twice in PLACES:
        for rule in ("tanh", "sigmoid"):
            write("by_hand.hnn", BY_HAND % rule + text + "\n")
            d = explored("by_hand.hnn")
            p, f = piece(d, "loss", "fit"), piece(d, "fn", "by_hand")
            found = differing(p) + [e for e in p["operators"] if not e[1] <= 1e-5]
            check(bool(found) == (rule == "tanh" or twice), what, rule, found)
            check(bool(differing(f)) == (rule == "tanh"), "in the function itself", what, rule)
            if what in ("loop", "rates", "pairs") and rule == "tanh":
                check(any(w[0] != p["flow"]["fn"] for w in differing(p)), "in the body", what, differing(p))


def test_nothing_is_accused():
    """Kinks, values at rounding level, poles nearby, shifts that cancel, implicit solutions, adaptive steps, factorisations."""
    write("innocent.hnn", """precision f64
const W = [[0.7, -0.4, 0.2], [0.1, 0.9, -0.8], [-0.6, 0.3, 0.5]]
fn kinks(x: real[3]) = max(abs(x - x)) + sum(relu(0*x)) + max(abs(x)) + sum(abs(1e-17*x)) + min(x, x)[0]
fn round_off(x: real[3]) = norm((1 + x) - 1 - x) + sum(((x + 1e8) - 1e8 - x)^2)
fn poles(x: real[3]) = sum(log(1e-9*exp(x))) + 1/(1e-6 + x[0]^2) + sum(sqrt(1e-12*x^2))
fn shifts(x: real[3]) = logsumexp(1e3*x) + sum(softmax(x)^2) + sum(x - stop_gradient(x))^2
fn matrices(x: real[3]) = logabsdet(W + diag(x^2 + 1)) + dot(x, solve(W + diag(x^2 + 3), x)) + sum(eigh(W @ W.T + diag(x))[0])
hamiltonian H(q: real[3], p: real[3]) = dot(p, p)/2 + sum(1 - cos(q)) + q[0]^2*q[1]^2
fn implicit(q: real[3], p: real[3]) = trajectory(H, q, p, dt = 0.1, steps = 4, method = implicit_midpoint)[0][-1]
fn adaptive(q: real[3], p: real[3]) = trajectory(H, q, p, times = [0, 1, 2], method = dop853(rtol = 1e-8))[0][-1]
fn ties(x: real[3]) = sum(sort(concat(x, x))[:3]) + [x[i] for i in 0:3][floor(2)]
""")
    d = explored("innocent.hnn")
    consistent(d)
    for p in d["pieces"]:
        check(not differing(p) and all(e <= 1e-5 for _, e in p["operators"]), "nothing differs", p["name"], differing(p), p["operators"])


def test_turns():
    """Bodies show the first and the last turn, the turn that is not finite first, and sizes over all."""
    write("turns.hnn", """precision f64
fn grow(x: real) = 3*x
fn last(x: real) = iterate(grow, x, steps = 40)[-1]
fn sink(x: real) = sqrt(x - 1)
fn sunk(x: real) = iterate(sink, 3 + 0*x, steps = 10)[-1]
""")
    d = explored("turns.hnn")
    consistent(d)
    for name, bad in (("last", -1), ("sunk", 2)):
        p = piece(d, "fn", name)
        turns = list(p["turns"].values())
        check(turns and turns[0]["count"] in (10, 40) and turns[0]["badTurn"] == bad, name, turns)
        check((turns[0]["bad"] is not None) == (bad >= 0), "that turn is shown")
    p = piece(d, "fn", "last")
    index, t = list(p["turns"].items())[0]
    text = next(f["text"] for s in p["stages"] for f in s["fns"] if f["index"] == int(index))
    k = next(k for k, x in enumerate(text) if x.startswith("mul"))
    check(abs(p["values"][index][k][4][0]/t["first"][k][0][0]/3**39 - 1) < 1e-4, "39 turns between the first and the last")
    check(all(abs(b/a/3**t["stride"] - 1) < 0.02 for a, b in zip(t["size"][k], t["size"][k][1:])), "sizes grow by turns", t["size"][k])


def test_not_finite():
    write("nan.hnn", "precision f64\nfn f(x: real) = sqrt(x - 1e6) + 1\n")
    p = explored("nan.hnn")["pieces"][0]
    f = p["stages"][0]["fns"][0]
    first = [t for t, v in zip(f["text"], p["values"]["0"]) if v and v[3] == 2]
    check(len(first) == 1 and first[0].startswith("sqrt"), "where it is not finite first", first)


def test_bodies():
    """Loops, data, Jacobians with structure, and what is claimed."""
    write("loops.hnn", """precision f64
fn ring(x: real[8]) = [x[mod(i + 1, 8)]^2 - x[i] for i in 0:8]
fn stretched(x: real[8]) = jacobian(ring)(x)
hamiltonian H(q: real[1], p: real[1]) = dot(p, p)/2 + 1 - cos(q[0])
prove (q: real[1], p: real[1]) poisson(H, H)(q, p) == 0
""")
    d = explored("loops.hnn")
    consistent(d)
    q = piece(d, "fn", "stretched")["patterns"]
    check(len(q) == 1 and q[0]["nonzeros"] == 16 and q[0]["colours"] < 8 and len(q[0]["colour"]) == 8, "the pattern and its colours", q)
    for i, row in enumerate(q[0]["at"]):
        check(row == sorted({i, (i + 1) % 8}) and len({q[0]["colour"][j] for j in row}) == 2, "columns of a row have other colours")
    write("plain.hnn", """precision f64
fn small(x: real[3]) = [x[0]^2, x[1]*x[2], x[2]]
fn full(x: real[6]) = [sum(x^2)*x[i] for i in 0:6]
fn a(x: real[3]) = jacobian(small)(x)
fn b(x: real[6]) = jacobian(full)(x)
""")
    plain = explored("plain.hnn")
    for name, nonzeros, why in (("a", 4, "few columns"), ("b", 36, "full")):
        q = piece(plain, "fn", name)["patterns"]
        check(len(q) == 1 and q[0]["nonzeros"] == nonzeros and not q[0]["colours"] and why in q[0]["way"], "why it is not coloured", q)
    check([p["answer"] for p in d["proofs"]] == ["proved"], "the proof is there", d["proofs"])


def test_assembly():
    """Marks change no instruction: the assembly is that of --emit=asm, whose functions are the same ones."""
    write("one.hnn", "precision f64\nfn f(x: real[3]) = tanh(x)*exp(x)\n")
    code = lambda lines: [t for t in lines if re.match(r"\t[a-z]", t)]
    page = code(piece(explored("one.hnn"), "fn", "f")["code"]["asm"]["text"])
    check(page and page == code(hnnc("compile", "one.hnn", "--emit=asm").out.split("\n")), "the same instructions")


def test_scratch():
    """The text of the loop nests and the places say the same."""
    write("wide.hnn", """precision f64
import "std/nets"
use f = mlp([40, 40], 1)
loss fit(x: real[8], y: real) = (f(x)[0] - y)^2
""")
    d = explored("wide.hnn")
    consistent(d)
    p = piece(d, "gradient", "fit")
    k = p["code"]["kernels"]
    stores = {(n, int(t.split("scratch+")[1])) for t, n in zip(k["text"], k["number"]) if "store" in t and "scratch+" in t}
    places = {(q[1], q[2]) for q in k["places"]}
    check(len(stores) > 2 and stores <= places, "each store has its place", stores - places)


def test_models():
    for name in ("oscillator",):
        path = os.path.join(os.path.dirname(os.path.dirname(HERE)), "models", name + ".hnn")
        consistent(explored(path))


VALUE = {"neg": "-x", "exp": "math.exp(x)", "log": "math.log(x)", "sqrt": "math.sqrt(x)", "sin": "math.sin(x)", "cos": "math.cos(x)", "tan": "math.tan(x)",
         "tanh": "math.tanh(x)", "sigmoid": "1/(1+math.exp(-x))", "softplus": "math.log1p(math.exp(x))", "erf": "math.erf(x)", "asin": "math.asin(x)", "acos": "math.acos(x)",
         "atan": "math.atan(x)", "sinh": "math.sinh(x)", "cosh": "math.cosh(x)", "asinh": "math.asinh(x)", "atanh": "math.atanh(x)", "relu": "max(x, 0)", "abs": "abs(x)",
         "log1p": "math.log1p(x)", "expm1": "math.expm1(x)", "log2": "math.log2(x)", "log10": "math.log10(x)", "rsqrt": "1/math.sqrt(x)", "mul": "x*y", "add": "x+y",
         "sub": "x-y", "div": "x/y", "pow": "x**y", "min": "min(x, y)", "max": "max(x, y)", "acosh": "math.acosh(x + 1)", "atan2": "math.atan2(x, y)"}


def as_python(rule):
    for a, b in (("−", "-"), ("·", "*"), ("²", "**2"), ("³", "**3"), ("½", "0.5"), ("∞", "math.inf"), ("≤", "<="), (" = ", " == "), ("^", "**"), ("ε", "1e-300"), (", else", " else"),
                 ("√π", "math.sqrt(math.pi)")):
        rule = rule.replace(a, b)
    rule = re.sub(r"\|([^|]+)\|", r"abs(\1)", rule)
    rule = re.sub(r"√(\w)", r"math.sqrt(\1)", rule)
    rule = re.sub(r"√\(", "math.sqrt(", rule)
    rule = re.sub(r"log (\w+)", r"math.log(\1)", rule)
    return re.sub(r"\b(exp|sin|cos|sinh|cosh)\(", r"math.\1(", rule)


def test_rules():
    """The rules of the page, read as mathematics, are the derivatives of the functions."""
    write("one.hnn", "fn f(x: real) = x\n")
    names = {"math": math, "sigmoid": lambda v: 1 / (1 + math.exp(-v)), "sign": lambda v: (v > 0) - (v < 0), "round": round, "abs": abs}
    seen = 0
    for name, _, _, *rule in explored("one.hnn")["ops"]:
        if name not in VALUE or name == "acosh":
            continue
        for k, r in enumerate(rule):
            if r is None:
                continue
            for x, y in ((0.3, 0.7), (0.6, 1.4)):
                f = lambda a, b: eval(VALUE[name], {"math": math}, {"x": a, "y": b})
                h = 1e-6
                slope = (f(x + h, y) - f(x - h, y)) / (2 * h) if k == 0 else (f(x, y + h) - f(x, y - h)) / (2 * h)
                told = eval(as_python(r), dict(names, x=x, y=y, z=f(x, y)))
                check(abs(told - slope) < 1e-6 * max(1, abs(slope)), "the rule of", name, r, told, slope)
                seen += 1
    check(seen > 60, "rules were compared", seen)


def test_page():
    """The page has the data in it, asks for nothing, and is whole or not there."""
    hnnc("explore", os.path.join(PAGES, "field.hnn"), "-o", "field.html")
    text = read("field.html").decode()
    packed = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', text).group(1)
    d = json.loads(gzip.decompress(base64.b64decode(packed)))
    check(d["format"] == "hnnc explore 1" and d["pieces"], "the data are those")
    check("default-src 'none'" in text and not re.search(r'(src|href)="http', text), "nothing is fetched")
    check("@DATA@" not in text and "@STYLE@" not in text, "nothing was left out")
    hnnc("explore", os.path.join(PAGES, "field.hnn"), "-o", "/proc/x.html", code=4, says="cannot write")
    write("bad.hnn", "fn f(x: real) = y\n")
    hnnc("explore", "bad.hnn", code=1, says="`y`")
    check(not os.path.exists("bad.html"), "no page of a file with errors")


def get(port, path, method="GET", host=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request(method, path, headers={"Host": host} if host else {})
    r = c.getresponse()
    return r.status, r.read()


def test_report_and_view():
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q")
    hnnc("run", "m.hnn", "train.steps=100", "--seed", "1", "--out", "s", "-q", code=None)
    d = json.loads(hnnc("report", "r", "s", "--json").out)
    check([x["manifest"]["status"] for x in d["runs"]][0] == "done", "how it ended")
    check(len(d["runs"][0]["metrics"]) == 4 and d["runs"][0]["metrics"][-1]["step"] == 200, "its curve")
    check("error" in d["runs"][1]["reports"]["reports"] and "loss fit" in d["runs"][1]["model"], "reports, the model")
    hnnc("report", "r", "s", "-o", "two.html")
    check("@DATA@" not in read("two.html").decode(), "the page")
    hnnc("report", "nowhere", code=4, says="nowhere")
    p = subprocess.Popen([HNNC, "view", "r"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, env=environment())
    try:
        port, token = re.match(r"http://127.0.0.1:(\d+)/([0-9a-f]{32})/$", p.stdout.readline().strip()).groups()
        port = int(port)
        status, body = get(port, "/%s/" % token)
        check(status == 200 and b"hnnc report" in body, "the page is served")
        status, body = get(port, "/%s/data" % token)
        check(status == 200 and json.loads(body)["live"] and len(json.loads(body)["runs"][0]["metrics"]) == 4, "and its data")
        for path in ("/", "/%s" % token, "/%s/../manifest.json" % token, "/%s/model.hnn" % token, "/" + "0" * 32 + "/", "/%s/data/x" % token):
            check(get(port, path)[0] == 404, "nothing else is", path)
        check(get(port, "/%s/" % token, "POST")[0] == 405, "nothing can be sent")
        for host, code in [("evil.example", 404), ("127.0.0.1.evil.example", 404), ("localhost.evil.example:%d" % port, 404), ("127.0.0.1:1x", 404),
                           ("localhost", 200), ("LOCALHOST:%d" % port, 200), ("127.0.0.1:8000", 200)]:
            check(get(port, "/%s/" % token, host=host)[0] == code, "nor under another name", host)
        drips = socket.create_connection(("127.0.0.1", port))
        drips.sendall(b"G")
        began, answered = time.time(), []
        t = threading.Thread(target=lambda: answered.append(get(port, "/%s/data" % token)[0]))
        t.start()
        try:
            while not answered and time.time() < began + 15:
                drips.sendall(b"x")
                time.sleep(0.5)
        except OSError:
            pass                                   # it was let go
        t.join(30)
        drips.close()
        check(answered == [200] and time.time() < began + 12*SLOWER, "a byte now and then keeps others waiting", answered)
    finally:
        p.terminate()
        p.wait(10)
    check(p.returncode == -15, "a signal ends it", p.returncode)


def damaged(how, text):
    """What is left of a file, None: nothing."""
    return {"random": random.Random(19).randbytes(300), "empty": b"", "cut": text[:2*len(text)//3], "missing": None,
            "list": b"[1, 2]\n", "text": b'{"train": 1, "reports": 1, "plots": "x"}\n', "control": b"\x00\x1b[2J\n", "folder": "folder", "huge": "huge"}[how]


def test_damaged():
    """Each file of a run, in each way: an error with its place, and a page that is there stays."""
    model()
    with open("m.hnn", "a") as f:
        f.write("plot energy = { kind = line, y = [H([k], [0]) for k in 0:5] }\n")
    hnnc("run", "m.hnn", "--out", "r", "-q", "train.steps=40")
    hnnc("report", "r", "-q", "-o", "page.html")
    page = read("page.html")
    whole = {"model.hnn": ("cut", "list", "text")}    # what a text says is the text's business
    names = ["manifest.json", "metrics.jsonl", "reports.json", "model.hnn"] + (["plots/energy.svg"] if os.path.exists("r/plots/energy.svg") else [])
    for name in names:
        text = read("r/" + name)
        for how in ("random", "empty", "cut", "missing", "list", "text", "control", "folder", "huge"):
            if how in whole.get(name, ()) or (how, name) == ("huge", "plots/energy.svg"):
                continue
            left = damaged(how, text)
            os.unlink("r/" + name)
            if how == "folder":
                os.mkdir("r/" + name)
            elif how == "huge":
                with open("r/" + name, "wb") as f:
                    f.truncate(3 << 30)
            elif left is not None:
                write("r/" + name, left)
            r = hnnc("report", "r", "-q", "-o", "page.html", code=4, says="r is not a run directory" if name == "manifest.json" and how in ("folder", "missing") else "r/" + name)
            check(read("page.html") == page, "the page stays", name, how)
            check("\x1b" not in r.err and "Traceback" not in r.err, "and says it in print", r.err)
            os.rmdir("r/" + name) if how == "folder" else os.path.exists("r/" + name) and os.unlink("r/" + name)
            write("r/" + name, text)
    hnnc("report", "r", "-q", "-o", "page.html")
    text, manifest = read("r/metrics.jsonl"), read("r/manifest.json")
    write("r/manifest.json", manifest.replace(b'"status": "done"', b'"status": "failed"'))
    write("r/metrics.jsonl", text + b'{"train":"fi')
    hnnc("report", "r", "-q", "-o", "page.html")              # a line that was being written
    write("r/metrics.jsonl", text + b"\x93\x00~")
    hnnc("report", "r", "-q", "-o", "page.html", code=4, says="r/metrics.jsonl: its end is no line that is being written")
    write("r/metrics.jsonl", text)
    write("r/manifest.json", manifest)
    where = {"manifest.json": [(b'"seed": 0', b'"seed": "0"', "`seed` should be a whole number, found a text"), (b'"status": "done"', b'"state": 1', "`status` should be a text, and is missing"),
                               (b'"svg": true', b'"svg": 1', "`plots.0.svg` should be true or false, found a number"),
                               (b'"energy"', b'"../../x"', "the name of a plot has a `/` in it")],
             "metrics.jsonl": [(b'"step":40', b'"step":[]', "r/metrics.jsonl:1: `step` should be a whole number, found a list")],
             "reports.json": [(b'"holds": true', b'"holds": null', "`expects.0.holds` should be true or false, found null"), (b'"mean": ', b'"mean": {}, "x": ', "`reports.error.mean` should be")]}
    for name, cases in where.items():
        text = read("r/" + name)
        for old, by, says in cases:
            if b"svg" in old + by and not os.path.exists("r/plots/energy.svg"):
                continue
            check(old in text, "the file has", old)
            write("r/" + name, text.replace(old, by, 1))
            hnnc("report", "r", "-q", "-o", "page.html", code=4, says=says)
        write("r/" + name, text)


def test_folder_of_runs():
    model()
    hnnc("run", "m.hnn", "--out", "s", "-q", "--sweep", "width=[4, 6]", "train.steps=10")
    d = json.loads(hnnc("report", "s", "--json").out)
    check(sorted(x["manifest"]["overrides"][-1] for x in d["runs"]) == ["width=4", "width=6"], "the runs of a sweep, beside one another", len(d["runs"]))
    one = os.path.dirname([os.path.join(f, "reports.json") for f, _, names in os.walk("s") if "reports.json" in names][0])
    write(one + "/reports.json", b"{")
    hnnc("report", "s", "-o", "page.html", code=4, says="reports.json:1: this is not JSON")
    os.makedirs("none/x")
    hnnc("report", "none", code=4, says="none")


class Served:
    """A run that is viewed, at (port, token)."""

    def __init__(self, run):
        self.process = subprocess.Popen([HNNC, "view", run], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, env=environment())
        port, self.token = re.match(r"http://127.0.0.1:(\d+)/([0-9a-f]{32})/$", self.process.stdout.readline().strip()).groups()
        self.port = int(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def test_side_by_side():
    """Who asks slowly, or takes its answer slowly, keeps nobody waiting; more of them than there are places neither."""
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q", "train.steps=40")
    with open("r/metrics.jsonl", "ab") as f:       # an answer that no buffer of a socket holds
        f.write(b"".join(b'{"train":"fit","action":0,"step":%d,"loss":0.5,"monitor":{%s}}\n' % (k, b",".join(b'"%s%d":%d' % (b"m"*200, i, i) for i in range(20))) for k in range(50, 4000)))
    with Served("r") as s:
        request = ("GET /%s/data HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % s.token).encode()
        stalled = []
        for k in range(40):
            c = socket.create_connection(("127.0.0.1", s.port))
            if k % 8 == 7:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
                c.sendall(request)                 # and never reads
            else:
                c.sendall(request[:k % 8])         # and never ends
            stalled.append(c)
            if k in (5, 31, 39):
                began = time.time()
                status, body = get(s.port, "/%s/data" % s.token)
                check(status == 200 and len(json.loads(body)["runs"][0]["metrics"]) > 3000, "answered beside those that stall", k)
                check(time.time() - began < 15*SLOWER, "long before those have to go", k, time.time() - began)
        slow = stalled[39]
        slow.settimeout(20)
        got = b""
        while True:
            piece = slow.recv(1 << 16)
            got += piece
            if not piece:
                break
        head, body = got.split(b"\r\n\r\n", 1)
        check(len(body) == int(re.search(rb"Content-Length: (\d+)", head).group(1)), "who is slow has the whole answer in the end", len(body))
        began = time.time()
        stalled[38].settimeout(60*SLOWER)
        check(stalled[38].recv(1) == b"" and time.time() - began < 30*SLOWER, "who never asks is let go", time.time() - began)
        for c in stalled:
            c.close()
        os.rename("r/reports.json", "r/away.json")
        write("r/reports.json", b"{")
        status, body = get(s.port, "/%s/data" % s.token)
        check(status == 500 and b"r/reports.json:1" in body, "damage is told of", status, body[:200])
        os.rename("r/away.json", "r/reports.json")
        check(get(s.port, "/%s/data" % s.token)[0] == 200, "and served again when it is mended")


sys.exit(main(globals()))
