#!/usr/bin/env python3
"""hnnc lsp: what comes over the wire. Whatever it is, the server answers the next good request, or ends as it should."""
import fcntl
import json
import os
import random
import select
import subprocess
import sys
import time

from driver_util import HNNC, check, environment, main
from lsp_client import Client, span

URI = "file:///tmp/wire.hnn"
TEXT = "const n = 2\nfn f(x: real[n]) = dot(x, x)\nreport r = f([1, n])\n"
METHODS = ["hover", "definition", "references", "completion", "signatureHelp", "prepareRename", "rename", "documentSymbol", "semanticTokens/full", "inlayHint", "codeAction", "formatting",
           "foldingRange", "selectionRange", "documentHighlight", "documentLink", "codeLens", "prepareCallHierarchy"]


def raw(body, length=None):
    return b"Content-Length: %d\r\n\r\n%s" % (len(body) if length is None else length, body)


def message(**m):
    return raw(json.dumps(dict(jsonrpc="2.0", **m)).encode())


def put(c, data):
    c.p.stdin.write(data)
    c.p.stdin.flush()


def start(text=TEXT):
    c = Client([HNNC, "lsp"], environment())
    c.open(URI, text)
    return c


def alive(c, what):
    names = [s["name"] for s in c.ask("textDocument/documentSymbol", textDocument=dict(uri=URI))]
    check(names == ["n", "f", "r"], "another document after %s" % what, names)


def end(c):
    check(c.close() == 0, "another exit code", c.errors)
    check(not c.errors, "something on stderr", c.errors)


def error(c):
    while True:
        m = c.read(30)
        check(m is not None, "no answer")
        if "error" in m:
            return m


def spawn(**more):
    return subprocess.Popen([HNNC, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), **more)


HELLO = message(id=0, method="initialize", params={})


def test_headers():
    c = start()
    for what, data, code in [("no JSON", raw(b"{{{{{"), -32700), ("an array", raw(b"[]"), -32600), ("a number", raw(b"17"), -32700), ("nothing", raw(b""), -32700), ("no method", message(id=7), -32600),
                             ("a method that is no text", message(id=7, method=3), -32600), ("no length", b"Content-Type: x\r\n\r\n", -32700), ("no number", b"Content-Length: -5\r\n\r\n", -32700),
                             ("no UTF-8", raw(b'{"method": "\xff\xfe"}'), -32700), ("a batch", raw(json.dumps([dict(jsonrpc="2.0", id=1, method="shutdown")]).encode()), -32600),
                             ("1000 brackets", raw(b"["*100000), -32700), ("too long", raw(b"x"*(65 << 20)), -32700), ("half a body", raw(b'{"id": 1, ', 10), -32700)]:
        put(c, data)
        got = error(c)
        check(got["error"]["code"] == code, "%s: another error" % what, got)
        check(got["id"] == (7 if "method" in what else None), "%s: another id" % what, got)
        alive(c, what)
    put(c, b"rubbish \x00\xff{}[] \r\n" * 400)            # more than a header may have
    alive(c, "rubbish")
    for b in message(id="α", method="textDocument/hover", params=dict(textDocument=dict(uri=URI), position=dict(line=1, character=3))):
        put(c, bytes([b]))
    while c.read(30).get("id") != "α":
        pass
    put(c, b"content-length:3\r\nContent-Type: y\r\ncontent-LENGTH:   %d\r\n\r\n" % 2 + b"{}")
    error(c)
    alive(c, "two lengths")
    end(c)


def test_order():
    p = spawn()
    early = b"".join([message(id=1, method="textDocument/hover", params={}), message(id=2, method="shutdown"), message(method="textDocument/didOpen", params=dict(textDocument=dict(uri=URI, text="let", version=1)))])
    out, err = p.communicate(early + HELLO + message(id=3, method="shutdown") + message(id=4, method="textDocument/hover", params={}) + message(id=5, method="initialize") + message(method="exit"), timeout=60)
    check(out.count(b"-32002") == 2 and out.count(b"-32600") == 2 and b"publishDiagnostics" not in out and p.returncode == 0 and not err, "order", out, err, p.returncode)
    for what, data, code in [("exit alone", message(method="exit"), 1), ("nothing", b"", 1), ("half a header", HELLO + b"Content-Len", 1), ("half a body", HELLO + raw(b'{"id"', 500), 1), ("exit before shutdown", HELLO + message(method="exit"), 1),
                             ("shutdown and the end", HELLO + message(id=1, method="shutdown"), 0), ("the rest of a long one", b"Content-Length: 99999999999999999999\r\n\r\n{}", 1)]:
        p = spawn()
        out, err = p.communicate(data, timeout=60)
        check(p.returncode == code and not err, "%s: code %s, not %d" % (what, p.returncode, code), out, err)


def test_pipes():
    p = spawn()                                        # nobody reads any more
    p.stdout.close()
    p.stdin.write(HELLO)
    p.stdin.flush()
    check(p.wait(60) == 1 and not p.stderr.read(), "the reader is gone", p.returncode)
    p.stdin.close()
    c = start()                                        # both ends do not wait, and the reader is slow
    for end_of in (c.p.stdin, c.p.stdout):
        flags = fcntl.fcntl(end_of, fcntl.F_GETFL)
        fcntl.fcntl(end_of, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
    end(c)
    a, b = os.pipe(), os.pipe()
    for fd in a + b:
        os.set_blocking(fd, False)
    p = subprocess.Popen([HNNC, "lsp"], stdin=a[0], stdout=b[1], env=environment())
    os.close(a[0]), os.close(b[1])
    n, text = 300, "".join("fn f%d(x: real) = x\n" % k for k in range(60))
    data = HELLO + message(method="textDocument/didOpen", params=dict(textDocument=dict(uri=URI, text=text, version=1)))
    data += b"".join(message(id=k, method="textDocument/semanticTokens/full", params=dict(textDocument=dict(uri=URI))) for k in range(1, n)) + message(id=n, method="shutdown") + message(method="exit")
    got, until = b"", time.time() + 60
    while time.time() < until:
        reads, writes, _ = select.select([b[0]], [a[1]] if data else [], [], 5)
        if writes:
            data = data[os.write(a[1], data[:3000]):]
        if reads and not (data and random.random() < 0.9):
            more = os.read(b[0], 5000)
            if not more:
                break
            got += more
    check(p.wait(60) == 0 and got.count(b'"data":[') == n - 1, "pipes that do not wait", p.returncode, len(got))
    os.close(a[1]), os.close(b[0])


def test_texts():
    """Ends of lines of all kinds, a mark of byte order, places that are not there, documents that go while they are asked for."""
    c = start()
    for text, change, after in [("a\r\nb\r\nc", (1, 0, 1, 1, "B"), "a\r\nB\r\nc"), ("a\rb\nc", (1, 0, 1, 99, "B"), "a\rB\nc"), ("a\nb", (0, 99, 1, 0, ""), "ab"), ("ab", (7, 0, 9, 9, "c"), "abc"), ("ab", (0, 2, 0, 1, "c"), "abc"),
                                ("\ufeffab", (0, 1, 0, 2, ""), "\ufeffb"), ("𝛼b", (0, 1, 0, 2, "x"), "xb"), ("", (0, 0, 0, 0, "x"), "x"), ("a\r\nb", (0, 1, 0, 9, "x"), "ax\r\nb"), ("a\n\r\nb", (1, 0, 2, 0, ""), "a\nb")]:
        said = []
        for one in [(text, change), (after,)]:
            c.change(URI, *one)
            said.append((c.diagnostics(URI), c.ask("textDocument/semanticTokens/full", textDocument=dict(uri=URI))["data"]))
        check(said[0] == said[1] and said[0][1], "%r by %r is not %r" % (text, change, after), said)
    c.change(URI, "\ufeff" + TEXT)
    check(c.diagnostics(URI) == [], "a mark of byte order", c.published)
    alive(c, "a mark of byte order")
    for changes in [3, [3], [{}], [dict(text=3)], [dict(range=3, text="const n = 2\n")], [dict(range=span(0, 0, 10**12, -3), text=TEXT)], [dict(range=dict(start=None), text="")]]:
        c.tell("textDocument/didChange", textDocument=dict(uri=URI, version=50), contentChanges=changes)
        c.ask("textDocument/documentSymbol", textDocument=dict(uri=URI))
    c.version[URI] = 60
    c.change(URI, TEXT)
    alive(c, "broken changes")
    for uri in ["", "x", "file://", "file:///%", "file:///%00", "file:///%ff/é", "untitled:Untitled-1", "file://localhost/tmp/x.hnn", "\0"]:
        c.open(uri, TEXT)
        c.ask("textDocument/documentSymbol", textDocument=dict(uri=uri))
        c.tell("textDocument/didClose", textDocument=dict(uri=uri))
    put(c, b"".join([message(id=900, method="textDocument/hover", params=dict(textDocument=dict(uri=URI), position=dict(line=0, character=6))), message(method="textDocument/didClose", params=dict(textDocument=dict(uri=URI))),
                     message(id=901, method="textDocument/hover", params=dict(textDocument=dict(uri=URI), position=dict(line=0, character=6)))]))
    answers = {}
    while 901 not in answers:
        m = c.read(30)
        answers[m.get("id")] = m
    check("result" in answers[900] and "error" in answers[901], "a document that is closed", answers)
    end(c)


SLOW = "".join("fn f%d(x: real[8]) = sum([dot(x, x)*k for k in 0:60])\nreport r%d = f%d(ones(8))\n" % (k, k, k) for k in range(400))


def test_overtaken():
    """Who asks of a text that was changed since, or takes the request back, is told, and nobody waits for it."""
    c = start(SLOW)
    c.diagnostics(URI)
    begin = time.time()
    c.change(URI, SLOW + " ")
    c.diagnostics(URI)
    one = time.time() - begin
    doc = dict(textDocument=dict(uri=URI), position=dict(line=0, character=3))

    def change(version):
        return message(method="textDocument/didChange", params=dict(textDocument=dict(uri=URI, version=version), contentChanges=[dict(text=SLOW + " "*(version % 7))]))
    begin = time.time()
    n = 20
    put(c, b"".join(change(100 + k) + message(id=1000 + k, method="textDocument/hover", params=doc) for k in range(n)))
    put(c, change(200) + message(id=2000, method="textDocument/hover", params=doc) + message(method="$/cancelRequest", params=dict(id=2000)) + message(id=2001, method="textDocument/hover", params=doc))
    c.version[URI], answers = 200, {}
    while 2001 not in answers:
        m = c.read(60)
        answers[m.get("id")] = m.get("error", {}).get("code", 0)
    took = time.time() - begin
    codes = [answers[1000 + k] for k in range(n)]
    check(set(codes) <= {0, -32801} and codes.count(-32801) > n/2, "none is overtaken", codes)
    check(answers[2000] in (0, -32800) and answers[2001] == 0, "the one that is taken back", answers[2000], answers[2001])
    check(took < 0.6*n*one, "%d analyses of %.3f s take %.3f s" % (n, one, took))
    check(c.diagnostics(URI) == [], "messages", c.published)
    end(c)


def anything(rng, depth=0):
    return rng.choice([lambda: None, lambda: True, lambda: rng.randrange(-5, 99), lambda: 1e300, lambda: 2**62, lambda: "", lambda: "x\0𝛼", lambda: URI, lambda: {}, lambda: [],
                       lambda: [anything(rng, depth + 1)] if depth < 3 else 0, lambda: dict(line=anything(rng, depth + 1), character=anything(rng, depth + 1)) if depth < 3 else 0,
                       lambda: dict(uri=anything(rng, depth + 1)) if depth < 3 else 0])()


def test_anything():
    """Requests and notices with anything in the place of anything, bytes turned over, messages cut and doubled."""
    rng, c = random.Random(5), start()
    names = ["textDocument", "position", "range", "context", "newName", "positions", "options", "contentChanges", "item", "query", "id"]
    for k in range(600):
        method = rng.choice(["textDocument/" + rng.choice(METHODS), "workspace/symbol", "callHierarchy/incomingCalls", "workspace/executeCommand", "$/cancelRequest", "$/setTrace", "textDocument/didChange", "x/y"])
        params = dict(textDocument=dict(uri=URI), position=dict(line=rng.randrange(5), character=rng.randrange(30)), range=span(0, 0, rng.randrange(9), 0), context={}, options={}, positions=[dict(line=1, character=4)],
                      newName="a", query="f")
        for n in rng.sample(names, rng.randrange(4)):
            params[n] = anything(rng)
        m = dict(jsonrpc="2.0", method=method, params=anything(rng) if k % 11 == 0 else params)
        if method != "textDocument/didChange" and rng.random() < 0.9:
            m["id"] = rng.choice([k + 10**6, str(k), anything(rng)])
        body = json.dumps(m).encode()
        kind = rng.randrange(8)
        if kind == 0:
            at = rng.randrange(len(body))
            body = body[:at] + bytes([rng.randrange(256)]) + body[at + 1:]
        if kind == 1:
            body = body[:rng.randrange(len(body))]
        put(c, raw(body) if kind != 2 else raw(body) + raw(body) + b"\r\n")
        if k % 20 == 19:
            c.version[URI] = 1000 + k
            c.change(URI, TEXT)
            alive(c, "message %d" % k)
    end(c)


if __name__ == "__main__":
    sys.exit(main(globals()))
