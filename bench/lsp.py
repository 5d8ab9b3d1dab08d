#!/usr/bin/env python3
"""lsp.py HNNC [--edits N [--part K/M] [MODEL ...]]: how long the language server takes, as a table for docs/editors.md; with --edits, N random
edits of each model (tests/driver/test_driver_lsp.py): the server's own milliseconds from an edit to its messages (median, 99 %, most) and megabytes that the server
holds at rest, after a tenth of the edits and after all. --part 1/2: every other model, for two at a time."""
import argparse
import glob
import os
import statistics
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
args = argparse.ArgumentParser(description=__doc__)
args.add_argument("hnnc")
args.add_argument("--edits", type=int, default=0)
args.add_argument("--asked", type=float, default=0.33, help="the share of the edits that are waited for")
args.add_argument("--fresh", type=int, default=50, help="one edit in so many is compared with a new server")
args.add_argument("--part", default="1/1")
args.add_argument("--repeat", type=int, default=30)
args.add_argument("models", nargs="*")
opt = args.parse_intermixed_args()
sys.argv = [sys.argv[0], opt.hnnc]
sys.path.insert(0, os.path.join(ROOT, "tests/driver"))
from driver_util import HNNC, environment                    # noqa: E402
from lsp_client import Client, position, span                # noqa: E402
import test_driver_lsp                                       # noqa: E402


def cpu(c):
    f = open("/proc/%d/stat" % c.p.pid).read().split()
    return (int(f[13]) + int(f[14]))/os.sysconf("SC_CLK_TCK")


def milliseconds(f):
    """Least and median of the times of f(k)."""
    times = []
    for k in range(opt.repeat):
        begin = time.perf_counter()
        f(k)
        times.append(1e3*(time.perf_counter() - begin))
    return "%.1f / %.1f" % (min(times), statistics.median(times))


def latencies(name):
    path = os.path.join(ROOT, "models", name)
    uri, text = "file://" + os.path.abspath(path), open(path).read()
    c = Client([HNNC, "lsp"], environment())
    c.open(uri, text)
    c.diagnostics(uri)
    time.sleep(2)                       # claims
    middle = position(text, text.index("return"))
    doc = dict(textDocument=dict(uri=uri))

    def edit(new):
        c.change(uri, (*middle, *middle, new))
        c.diagnostics(uri)
    def wrong(mended):
        c.change(uri, text if mended else text + "const a = (\n")
        c.diagnostics(uri)
    before = cpu(c)
    row = [name, milliseconds(lambda k: edit("" if k % 2 else " "))]
    row.append("%.1f" % (1e3*(cpu(c) - before)/opt.repeat))
    row.append(milliseconds(lambda k: wrong(k % 2)))
    c.change(uri, text)
    c.diagnostics(uri)
    for method, more in [("hover", {}), ("completion", {}), ("signatureHelp", {}), ("definition", {}), ("references", dict(context=dict(includeDeclaration=True))),
                         ("semanticTokens/full", {}), ("inlayHint", dict(range=span(0, 0, 9999, 0))), ("formatting", dict(options={}))]:
        row.append(milliseconds(lambda k: c.ask("textDocument/" + method, **doc, position=dict(zip(("line", "character"), position(text, text.index("let "*1) + 4))), **more)))
    c.close()
    return row


def edits(name):
    try:
        times, held = test_driver_lsp.random_edits(name, opt.edits, seed=7, fresh=opt.fresh, asked=opt.asked)
        said = " | ".join("%.1f" % times[min(len(times) - 1, int(q*len(times)))] for q in (0.5, 0.99, 1)) + " | %.0f | %.0f" % tuple(held)
    except Exception as e:
        said = "FAILED: %s" % str(e)[:2000]
    print("| %s | %s |" % (name, said), flush=True)


names = opt.models or (sorted(os.path.basename(f) for f in glob.glob(ROOT + "/models/*.hnn")) if opt.edits else ["kepler.hnn", "hgn.hnn", "spring.hnn", "two_moons.hnn", "three_body.hnn"])
k, m = map(int, opt.part.split("/"))
names = names[k - 1::m]
if opt.edits:
    print("| model | median | 99 % | most | MB after a tenth | MB after all |\n| --- |" + " ---: |"*5)
else:
    print("| model | edit | its processor time | edit with an error | hover | completion | signature | definition | references | colours | shapes | layout |")
    print("| --- |" + " ---: |"*11)
for n in names:
    edits(n) if opt.edits else print("| " + " | ".join(latencies(n)) + " |", flush=True)
