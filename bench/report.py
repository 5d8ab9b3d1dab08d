"""Figures of bench/compare as tables, and docs/performance.md."""
from workloads import everything

QUIET = 0.5               # load average beyond a measurement's own, up to which the machine counts as idle

HEAD = """# Performance

Training steps, orbits and sparse matrices of hnnc beside other tools: time, compile time, memory, growth, threads. [Speed](speed.md) is the summary. `bench/compare` writes this page; [bench/README.md](../bench/README.md) says how to
repeat the measurements.
"""

METHOD = """## How it is measured

- **Results before times.** Each peer reads the same data and start parameters from files. Its result must agree with hnnc's before its time counts: the losses before each of K training
  steps, or the ends of the orbits. The last table shows how well. {differ}
{orbits}- **Pairs**: hnnc, peer, peer, hnnc, …: at least {rounds} pairs, with at least {seconds} s on each side. A ratio is the peer's time over hnnc's: the median of the pairs, with the lowest and the highest.
{clock}- Compile time is never part of a step.
- **hnnc** on one core is the library of `hnnc compile`, called in a loop from C. So are functions of many samples on any number of cores. A library trains on one thread, so a training step on all cores
  is `hnnc bench`, after the losses of `hnnc run` on as many threads were compared.
- **Peers**: JAX runs K steps in one `jit(lax.scan)` with donated buffers. PyTorch eager uses the fused Adam. In `torch.compile`, derivatives are by `torch.func`.
- **Share of peak**: the operations counted in hnnc's IR (for a network, its products and functions) per time, over the rate of fused multiply-adds that `hnnc bench` measures in the same run.
"""
ORBITS = """- **Orbits** (`orbits-...`) are compared at equal error, against results in extended precision. hnnc has the tolerance of its model. A peer has the loosest tolerance (a power of ten) whose error is not above
  hnnc's, or its best if none reaches that and it is at most ten times hnnc's. A row shows both errors, in the unit of the positions.
"""
CPU_CLOCK = """- On one core, times are processor time of all threads of a process (`--clock cpu`), on both sides, because on a busy machine the wall clock would count other programs. On several
  cores they are wall time.
"""


def figure(x, digits=3):
    if x is None:
        return ""
    return f"{x:.0f}" if abs(x) >= 10 ** (digits - 1) else f"{x:.{digits}g}"


def ratio(r):
    if "ratio" not in r:
        return "differs" if "disagrees" in r else "–"
    q, error = r["ratio"], f", error {r['error']:.1e}" if r.get("error") else ""
    return f"**{figure(q['median'])}** ({figure(q['low'])}–{figure(q['high'])}){error}"


def table(head, rows):
    line = lambda cells: "| " + " | ".join(str(c) for c in cells) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def in_units(result, seconds):
    return seconds / result["per"]


def peers_of(results):
    """Those that did anything, in the order of the figures."""
    names = list(dict.fromkeys(n for r in results for n in r["peers"]))
    return [n for n in names if any("ratio" in r["peers"].get(n, {}) for r in results)]


def error_of(result):
    return f", error {result['quality']:.1e}" if "quality" in result else ""


def run_table(results):
    names = peers_of(results)
    rows = []
    for r in results:
        t = r["hnnc_s"]
        rows.append([r["workload"], f"{figure(in_units(r, t['median']))} ({figure(in_units(r, t['low']))}–"
                     f"{figure(in_units(r, t['high']))}) {r['unit']}{error_of(r)}", f"{100 * r['share']:.0f} %" if "share" in r else "",
                     *[ratio(r["peers"].get(n, {})) for n in names], r["reach"], f"{r['load']:.1f}"])
    return table(["workload", "hnnc", "of peak", *names, "reach", "load"], rows)


def milliseconds(s):
    return "–" if s is None else figure(s * 1e3)


def step_compile_table(results):
    names = peers_of(results)
    rows = [[r["workload"], milliseconds(r["cold_s"]), milliseconds(r["cached_s"]),
             *[milliseconds(r["peers"].get(n, {}).get("compile_s")) for n in names]] for r in results if "cold_s" in r]
    return table(["workload", "hnnc, first step, cold", "cached", *names], rows)


def model_compile_table(rows):
    """Files of runs before the parts were told apart have only the sums."""
    def cells(r):
        part = lambda when, what: milliseconds((r.get(when) or {}).get(what))
        all_of = lambda when, old: part(when, "all_s") if r.get(when) else milliseconds(r.get(old))
        return [r["model"], all_of("cold", "first_step_s"), part("cold", "compiler_s"), part("cold", "data_s"),
                all_of("cached", "first_step_cached_s"), part("cached", "compiler_s"), part("cached", "data_s"), milliseconds(r.get("library_s"))]
    return table(["model", "first step, cold", "compiler", "data", "first step, cached", "compiler", "data", "all functions"],
                 [cells(r) for r in rows if "failed" not in r])


def growth_table(rows, what, axis):
    """One row for what grows along `axis`: the rows with the value of the other one that most have."""
    other = "width" if axis == "layers" else "layers"
    values = [r[other] for r in rows if r["what"] == what]
    fixed = max(set(values), key=values.count)
    mine = {r[axis]: r for r in rows if r["what"] == what and r[other] == fixed}
    at = sorted(mine)
    return table([f"{what}, {fixed} {'wide' if other == 'width' else 'layers'}: {axis}", *[str(n) for n in at]],
                 [["ms", *[milliseconds(mine[n].get("compiler_s")) for n in at]]])


def agreement_table(results):
    names = peers_of(results)
    def show(p):
        if "difference" not in p:
            return "–"
        return f"{p['difference']:.0e}" + (f", error {p['error']:.0e}" if p.get("error") else "")
    return table(["workload", "`hnnc run`", *names],
                 [[r["workload"], f"{r['run_difference']:.0e}" if "run_difference" in r else "",
                   *[show(r["peers"].get(n, {})) for n in names]] for r in results])


def memory_table(results):
    names = peers_of(results)
    return table(["workload", "hnnc", *names],
                 [[r["workload"], figure(r["hnnc_peak_mb"]),
                   *[figure(r["peers"].get(n, {}).get("peak_mb")) or "–" for n in names]] for r in results])


def by_cores(figures):
    """[(title, results)]"""
    counts = list(dict.fromkeys(r["cores"] for r in figures["results"]))
    return [("One core" if n == 1 else f"All {n} cores", [r for r in figures["results"] if r["cores"] == n]) for n in counts]


def reasons(figures):
    """(peer, reason) -> workloads, in order."""
    found = {}
    for r in figures["results"]:
        for name, p in r["peers"].items():
            for why in (p.get("missing"), f"**differs**: {p['disagrees']}" if "disagrees" in p else None):
                if why:
                    found.setdefault((name, why), dict())[r["workload"]] = True
    return found


def families(some, known):
    """Names of workloads; `hnn-…` for all of a kind."""
    kinds = {}
    for name in known:
        kinds.setdefault(name.split("-")[0], []).append(name)
    whole = {kind for kind, names in kinds.items() if len(names) > 1 and all(n in some for n in names)}
    return ", ".join(dict.fromkeys(f"{n.split('-')[0]}-…" if n.split("-")[0] in whole else n for n in some))


def reason_lines(figures):
    known = list(dict.fromkeys(r["workload"] for r in figures["results"]))
    rows = [[name, f"not installed: {why}", "all"] for name, why in figures["not_installed"]]
    rows += [[name, why, "all" if len(where) == len(known) else families(where, known)] for (name, why), where in reasons(figures).items()]
    return table(["peer", "reason", "workloads"], rows) if rows else "Every peer ran every workload."


def versions(figures):
    found = {}
    for r in figures["results"]:
        for name, p in r["peers"].items():
            if p.get("versions"):
                found[name] = ", ".join(f"{k} {v}" for k, v in p["versions"].items())
    return found


def busy_text(figures):
    """The load of the last minute when a workload began: up to one for each core is from the workload before."""
    low, high = min(figures["load"]), max(figures["load"])
    text = f"Load average during the run: {low:.2f} to {high:.2f}, of which the measurement is 1 on one core."
    busy = [r for r in figures["results"] if r["load"] > r["cores"] + QUIET]
    if not busy:
        return text
    return (f"**The machine was not idle** during {len(busy)} of {len(figures['results'])} workloads (column `load`). {text} Other programs make "
            "absolute times and shares of peak worse, above all on all cores. They affect ratios less, because the two sides of a pair run within a second or two; check the spread.")


def tables(figures):
    return "\n\n".join(f"{title}\n\n{run_table(results)}" for title, results in by_cores(figures))


def machine_text(m):
    return (f"{m['cpu']}, {m['cores']} core{'s' if m['cores'] > 1 else ''}, {m['vector']}, caches {m['caches']}, "
            f"{m['memory_gb']} GB; Linux {m['kernel']}; {m['hnnc']} at {m['commit']}; {m['date']}.")


def peers_table(figures):
    known = versions(figures)
    return table(["peer", "versions", "how"], [[k, known.get(k, "–"), what] for k, what in figures["peers"].items()])


def scaling_rows(axis):
    cells = lambda r: [r["n"], figure(r["us"]), f"{100 * r['share']:.0f} %", figure(r["peak_mb"]), figure(r["compile_ms"]),
                       f"{r['load']:.1f}"]
    return table(["", "µs a step", "of peak", "peak MB", "compile, ms", "load"], [cells(r) for r in axis["rows"]])


def threads(rows):
    """Parts of the document: a step on one core and on all."""
    cells = lambda r: [r["model"], r["n"], figure(r["one_us"]), figure(r["all_us"]), f"**{r['one_us'] / r['all_us']:.2f}**"]
    return ["## Threads", "The training step of Hamiltonian networks by `hnnc bench`, with one thread and with one per core, in turn; "
            "the best of three. Both give the same bits.",
            table(["network", "batch", "1 thread, µs", f"{rows[0]['threads']} threads, µs", "speed-up"], map(cells, rows))]


def scaling(axes):
    """Parts of the document, from the figures of bench/scale."""
    parts = ["## Growth", "One core, `bench/scale`: time of a training step beside the expected law (dashed, through the last "
             "point), peak memory of the process, and compile time without the cache."]
    for name, axis in axes.items():
        if name == "threads":
            continue
        grown = f"; measured over the larger half: {axis['exponent']:.2f}" if axis["exponent"] else ""
        parts.append(f"**{name}**: {axis['what']}. Expected: {axis['law']}, exponent {axis['power']}{grown}.")
        if axis.get("plotted"):
            parts.append(f'![cost over {name}](scaling-{name}.svg)')
        parts.append(scaling_rows(axis))
        parts += [f"{f['n']}: {f['why']}." for f in axis["failed"]]
    return parts + (threads(axes["threads"]["rows"]) if "threads" in axes else [])


def fill_shares(results):
    """A function has no `hnnc bench` of its own: the peak is that of the same precision and cores."""
    peaks = {(r["precision"], r["cores"]): r["peak_gflops"] for r in results if r.get("peak_gflops")}
    for r in results:
        peak = peaks.get((r["precision"], r["cores"]))
        if "share" not in r and r.get("flop") and peak:
            r["share"] = r["flop"] / r["hnnc_s"]["median"] * 1e-9 / peak


def document(figures, axes):
    fill_shares(figures["results"])
    parts = [HEAD, machine_text(figures["machine"]), busy_text(figures), peers_table(figures)]
    for title, results in by_cores(figures):
        parts += [f"## {title}", "Time of hnnc: median (lowest–highest). Peers: the peer's time over hnnc's, in the same form; above 1, hnnc is faster. "
                  "`reach` is the goal on one core. `load` is the load average when the workload began.", run_table(results)]
    one = by_cores(figures)[0][1] if figures["results"] else []
    if any("cold_s" in r for r in one):
        parts += ["## Compilation", "Milliseconds. hnnc: from the start of the process to the first training step, including reading "
                  "the file and making its data, without and with its cache. Peers: tracing and compiling, "
                  "without the start of Python and imports; for PyTorch eager, the first step.", step_compile_table(one)]
    if figures["compile"]:
        parts += ["Programs of `models/`, milliseconds from the start of the process to the first training step. `compiler` and `data` are the parts spent waiting for "
                  "the compiler (including the start of the process and proofs) and for the data; all cores compile while data are made. The last column is code for every "
                  "function of the file (`hnnc compile --emit=obj`, the whole process).", model_compile_table(figures["compile"]),
                  *[f"`{r['model']}`: {r['failed']}" for r in figures["compile"] if "failed" in r]]
    growth = figures.get("compile_growth")
    if growth:
        parts += ["Wait for the compiler before the first step, without the cache, for networks (2-h-...-h-1, an HNN step) and "
                  "symplectic flows (couplings `irrotational(h)` in two dimensions) of growing size:",
                  *[growth_table(growth, what, axis) for what in ("network", "flow") for axis in ("layers", "width")]]
    if one:
        parts += ["## Memory", "Largest resident size of the process in MB, with interpreter and libraries. hnnc, too, "
                  "is called from Python here.", memory_table(one)]
    if axes:
        parts += scaling(axes)
    parts += ["## Combinations that were not run", reason_lines(figures)]
    differ = reasons(figures)
    on_cpu = any(r.get("clock") == "cpu" for r in figures["results"])
    parts += [METHOD.format(clock=CPU_CLOCK if on_cpu else "", orbits=ORBITS if any("quality" in r for r in figures["results"]) else "", rounds=figures["rounds"], seconds=figures["seconds"],
                            differ="**Some did not agree; they have no time.**" if any("**differs**" in w for _, w in differ) else
                            "All agreed."),
              "Largest difference from hnnc's numbers, relative to the largest of them:"]
    if one:
        parts += [agreement_table(one)]
    return "\n\n".join(p.strip() for p in parts) + "\n"


def merge(all_figures):
    """Several runs on one machine as one: what a later one measured again replaces what an earlier one did, peer by peer
    where they were timed by the same clock."""
    first, *others = all_figures
    for more in others:
        if more["machine"]["cpu"] != first["machine"]["cpu"]:
            raise SystemExit("compare: these figures are of different machines")
        key = lambda r: (r["workload"], r["cores"], r.get("clock"))
        known = {key(r): r for r in first["results"]}
        for r in more["results"]:
            if key(r) in known:                                    # other peers, or the same once more
                known[key(r)]["peers"].update(r["peers"])
        replaced = {k[:2] for k in map(key, more["results"]) if k not in known}
        first["results"] = [r for r in first["results"] if key(r)[:2] not in replaced]
        first["results"] += [r for r in more["results"] if key(r) not in known]
        first["load"] += more["load"]
        first["peers"].update(more["peers"])
        first["compile"] = more["compile"] or first["compile"]
        first["compile_growth"] = more.get("compile_growth") or first.get("compile_growth", [])
        first["not_installed"] = more["not_installed"]
        if more["rounds"] != first["rounds"] or more["seconds"] != first["seconds"]:
            first["rounds"], first["seconds"] = min(first["rounds"], more["rounds"]), min(first["seconds"], more["seconds"])
    order = {name: k for k, name in enumerate(everything())}
    first["results"].sort(key=lambda r: (r["cores"], order.get(r["workload"], len(order))))
    return first


def write(figures, path, axes=None):
    with open(path, "w", encoding="utf-8") as f:
        f.write(document(figures, axes))
