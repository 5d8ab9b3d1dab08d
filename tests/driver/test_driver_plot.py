#!/usr/bin/env python3
"""Plots end to end: numbers, scripts, pictures, and what happens where gnuplot is missing or fails:
test_driver_plot.py HNNC [TEST...]; prints `N passed, N failed`."""
import math
import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree

from driver_util import check, environment, hnnc, load, main, model, read, write

GNUPLOT = shutil.which("gnuplot")
SVG = "{http://www.w3.org/2000/svg}"

DATA = """\
data ring {
  let a = uniform(0, 2*pi)
  yield q = [cos(a)], p = [sin(a)], r = a
}
use points = ring(count = 50, seed = 3)
"""


def plots(text, out="r", file="p.hnn", code=0, says=(), data=DATA, env=None, *args):
    write(file, data + text)
    return hnnc("run", file, "--out", out, *args, code=code, says=says, env=env)


def sets(path):
    """The data sets of a .dat: (names of the columns, blocks of rows)."""
    out = []
    for part in read(path).decode().split("\n\n\n"):
        comments = [x for x in part.split("\n") if x.startswith("#")]
        body = "\n".join(x for x in part.split("\n") if not x.startswith("#")).strip("\n")
        blocks = [[[float(v) for v in row.split()] for row in b.split("\n") if row] for b in body.split("\n\n")]
        out.append((comments[-1][1:].split(), blocks))
    return out


def picture(path, least=1):
    """Well-formed, with at least so many line segments and points drawn."""
    if not GNUPLOT:
        return
    root = xml.etree.ElementTree.parse(path).getroot()
    check(root.tag == SVG + "svg", "an SVG", root.tag)
    paths = "".join(e.get("d", "") for e in root.iter(SVG + "path"))
    marks = len(list(root.iter(SVG + "use")))
    drawn = len(re.findall("[ML]|(?<=\\d) (?=[-\\d])", paths)) + marks + 1000*len(list(root.iter(SVG + "image")))
    check(drawn >= least, "%s draws something" % path, drawn)


def close(a, b, eps=1e-12):
    return abs(a - b) <= eps*max(1, abs(b))


# ---- numbers -------------------------------------------------------------------------------------------------


def test_line():
    r = plots("""
plot curve = { kind = line, x = linspace(0, 1, 5), y = [r + k^2 for k in 0:5], samples = 10, xlabel = "t" } on points
plot two = { kind = line, y = (q[0], p[0]^2), labels = ["q", "squares"] } on points
plot alone = { kind = line, x = [1, 2, 4], y = ([1, 4, 16], [2, 2, 2]) }
report first = min(r, r) on points
""")
    check(re.search(r"^plot curve +r/plots/curve\.%s$" % ("svg" if GNUPLOT else "dat"), r.out, re.M), "a line of the summary", r)
    (columns, blocks), = sets("r/plots/curve.dat")
    check(columns == ["sample", "x", "y"], "named columns", columns)
    check([b[0][0] for b in blocks] == [5*i for i in range(10)], "samples spread over the set", blocks)
    for b in blocks:
        for k, (_, x, y) in enumerate(b):
            check(close(x, k/4) and close(y, b[0][2] + k*k), "x and y", b)
    text = read("r/plots/curve.dat").decode()
    check("10 of the 50 samples of `points`" in text and "kind line" in text, "the header says what it is", text[:300])
    (_, one), (_, two) = sets("r/plots/two.dat")
    check(len(one) == 1 and len(one[0]) == 50, "one curve through the samples", len(one[0]))
    for (i, x, q), (_, _, p2) in zip(one[0], two[0]):
        check(x == i and close(q*q + p2, 1, 1e-14), "fields", i, q, p2)
    (_, a), (_, b) = sets("r/plots/alone.dat")
    check(a == [[[0, 1, 1], [0, 2, 4], [0, 4, 16]]] and [x[2] for x in b[0]] == [2, 2, 2], "constants", a, b)
    for name in "curve", "two", "alone":
        picture("r/plots/%s.svg" % name, 3)


def test_points():
    plots("""
hamiltonian H(q: real[1], p: real[1]) = q[0]^2 + p[0]^2
plot cloud = { kind = scatter, x = q[0], y = p[0], colour = r } on points
plot section_ = { kind = section, xy = trajectory(H, q, p, dt = 0.1, steps = 20, method = leapfrog), samples = 4 } on points
""")
    (columns, ((*rows,),)), = sets("r/plots/cloud.dat")
    check(columns[-1] == "colour" and len(rows) == 50, "columns", columns)
    for _, x, y, a in rows:
        check(close(x, math.cos(a)) and close(y, math.sin(a)), "points", x, y, a)
    (_, blocks), = sets("r/plots/section_.dat")
    check([len(b) for b in blocks] == [21]*4, "orbits", [len(b) for b in blocks])
    for _, x, y in blocks[2]:
        check(abs(x*x + y*y - 1) < 0.02, "on the circle", x, y)
    picture("r/plots/cloud.svg", 50)
    picture("r/plots/section_.svg", 84)


def test_phase_levels():
    """Lines of functions that differ by a constant are the same lines; the lattice goes around the orbits."""
    plots("""
hamiltonian H(q: real[1], p: real[1]) = q[0]^2 + 2*p[0]^2
fn shifted(x, y) = x^2 + 2*y^2 + 7
plot portrait = {
  kind = phase, n = 41, contours = 6
  xy = trajectory(H, q, p, dt = 0.1, steps = 20, method = leapfrog)
  levels = [H, shifted]
} on points
plot lines = { kind = phase, levels = H, xrange = [-2, 2], yrange = [-1, 1], n = 11 }
""")
    levels = [[float(x) for x in m.split(",")] for m in re.findall("levels discrete (.*)", read("r/plots/portrait.gp").decode())]
    check(len(levels) == 2 and len(levels[0]) == 6, "levels", levels)
    check(all(abs(b - a - 7) < 1e-2 for a, b in zip(*levels)), "shifted by the constant", levels)
    curve, first, second = sets("r/plots/portrait.dat")
    check(first[0] == ["x", "y", "z"] and len(first[1]) == 41 and len(first[1][0]) == 41, "a lattice")
    for row in first[1]:
        for x, y, z in row:
            check(close(z, x*x + 2*y*y, 1e-7), "values", x, y, z)
    check(first[1][0][0][0] < -1.2, "around the orbits", first[1][0][0])
    (_, rows), = sets("r/plots/lines.dat")
    check(rows[0][0][:2] == [-2, -1] and rows[10][10][:2] == [2, 1], "as asked for", rows[0][0], rows[10][10])
    picture("r/plots/portrait.svg", 100)
    picture("r/plots/lines.svg", 50)


def test_aspect():
    """Equal lengths of a unit: asked for, or where the axes are a coordinate and its momentum, unless that leaves a strip."""
    plots("""
hamiltonian H(q: real[1], p: real[1]) = q[0]^2 + p[0]^2
plot equal_names = { kind = scatter, xy = (q, p) } on points
plot equal_elements = { kind = line, x = p[0], y = q[0] } on points
plot equal_labels = { kind = line, x = r, y = r, xlabel = "Q^", ylabel = "P^" } on points
plot equal_hats = { kind = line, x = r, y = r, xlabel = "q\u0302\u2081", ylabel = "p\u0302\u2081" } on points
plot equal_phase = { kind = phase, levels = H, xrange = [-2, 2], yrange = [-1, 1], n = 11 }
plot equal_section = { kind = section, xy = trajectory(H, q, p, dt = 0.1, steps = 20, method = leapfrog) } on points
plot equal_said = { kind = line, x = r, y = 1000*r, aspect = equal } on points
plot equal_heat = { kind = heat, z = H, xrange = [-2, 2], yrange = [-1, 1], n = 11, aspect = equal }
plot equal_logs = { kind = line, x = r, y = r, logx = true, logy = true, aspect = equal } on points
plot equal_counts = { kind = histogram, x = r, aspect = equal } on points
plot free_said = { kind = scatter, xy = (q, p), aspect = auto } on points
plot free_phase = { kind = phase, levels = H, xrange = [-2, 2], yrange = [-1, 1], n = 11, aspect = auto }
plot free_others = { kind = line, x = r, y = p[0] } on points
plot free_unlike = { kind = line, x = r, y = r, xlabel = "q", ylabel = "P" } on points
plot free_squares = { kind = line, x = r, y = r, xlabel = "q^2", ylabel = "p^2" } on points
plot free_strip = { kind = line, x = r, y = 1000*r, xlabel = "q", ylabel = "p" } on points
plot free_log = { kind = line, x = r, y = r, xlabel = "q", ylabel = "p", logx = true } on points
""")
    names = sorted(n[:-3] for n in os.listdir("r/plots") if n.endswith(".gp"))
    check(len(names) == 17, "all are written", names)
    for name in names:
        equal = "set size ratio -1\n" in read("r/plots/%s.gp" % name).decode()
        check(equal == name.startswith("equal"), name)
        picture("r/plots/%s.svg" % name, 3)


def test_heat():
    plots("""
fn f(x, y) = x*y
plot map = { kind = heat, z = f, xrange = [0, 2], yrange = [-1, 1], n = 5 }
plot matrix = { kind = heat, z = [[1, 2, 3], [4, 5, 6]] }
plot field = { kind = heat, z = [[k*r, 1] for k in 0:3] } on points
""")
    (_, rows), = sets("r/plots/map.dat")
    check(len(rows) == 5 and rows[4] == [[x/2, 1, x/2] for x in range(5)], "the function", rows[4])
    (_, rows), = sets("r/plots/matrix.dat")
    check(rows == [[[0, 0, 1], [1, 0, 2], [2, 0, 3]], [[0, 1, 4], [1, 1, 5], [2, 1, 6]]], "the matrix", rows)
    (_, rows), = sets("r/plots/field.dat")
    check(close(rows[2][0][2], 2*rows[1][0][2]) and rows[2][1][2] == 1, "that of the first sample", rows)
    picture("r/plots/map.svg", 5)
    picture("r/plots/matrix.svg", 6)


def test_histogram():
    plots("""
plot linear = { kind = histogram, x = r, bins = 7 } on points
plot ratio = { kind = histogram, x = (r, 2*r), logx = true, labels = ["r", "2 r"] } on points
""")
    (columns, ((*rows,),)), = sets("r/plots/linear.dat")
    check(columns == ["low", "high", "count", "density"] and len(rows) == 7, "bins", rows)
    check(sum(x[2] for x in rows) == 50, "all are counted", rows)
    check(close(sum(x[3]*(x[1] - x[0]) for x in rows), 1, 1e-9), "a density has the area 1", rows)
    check(all(a[1] == b[0] for a, b in zip(rows, rows[1:])), "bins are side by side", rows)
    for c, (_, ((*rows,),)) in enumerate(sets("r/plots/ratio.dat")):
        check(sum(x[2] for x in rows) == 50, "all are counted", c, rows)
        check(all(close(a[1]/a[0], rows[0][1]/rows[0][0], 1e-9) for a in rows), "equal ratios", rows)
    picture("r/plots/linear.svg", 7)


def test_exact_density():
    """A function of one variable over a histogram, drawn as a density."""
    plots("""
fn bell(u: real) = exp(-u^2/2)/sqrt(2*pi)
fn flat(u: real[1]) = where(u[0] > 0, 1/(2*pi), 0)
plot exact = { kind = histogram, x = r, density = bell, n = 5 } on points
plot two = { kind = histogram, x = r, density = [bell, flat], logy = true } on points
""")
    _, (columns, ((*rows,),)) = sets("r/plots/exact.dat")
    check(columns == ["x", "y", "z"] and len(rows) == 5, "a row of the lattice", rows)
    check(all(close(z, math.exp(-x*x/2)/math.sqrt(2*math.pi), 1e-6) for x, _, z in rows), "its values", rows)
    check("using (($1 + $2)/2):4" in read("r/plots/exact.gp").decode(), "densities are drawn")
    picture("r/plots/exact.svg", 5)
    plots("""
fn bell(u: real) = exp(-u^2/2)
plot alone = { kind = histogram, x = r } on points
plot under = { kind = histogram, x = r, density = bell } on points
""")
    alone, under = (next(iter(sets("r/plots/%s.dat" % name))) for name in ("alone", "under"))
    check(alone == under, "a curve over it changes no bin", alone, under)


def test_pairs_of_points():
    """xy of a real[2] for each sample, of a real[n, 2], of a list of points; points over a map."""
    plots("""
fn z(x: real[2]) = x[0] + 2*x[1]
plot samples = { kind = scatter, xy = [r, 2*r] } on points
plot paths = { kind = line, xy = [[r, k] for k in 0:4], samples = 2 } on points
plot listed = { kind = scatter, xy = [[1, 2], [2, 3], [3, 5]] }
plot over = { kind = heat, z = z, xrange = [0, 1], yrange = [0, 2], n = 4, xy = [r, 2*r] } on points
""")
    (_, (rows,)), = sets("r/plots/listed.dat")
    check([r[1:] for r in rows] == [[1, 2], [2, 3], [3, 5]], "the points", rows)
    (_, (*paths,)), = sets("r/plots/paths.dat")
    check(len(paths) == 2 and [r[2] for r in paths[0]] == [0, 1, 2, 3], "a curve for each sample", paths)
    curve, grid = sets("r/plots/over.dat")
    check(sum(map(len, curve[1])) == 50 and sum(map(len, grid[1])) == 16, "points and map", curve, grid)
    script = read("r/plots/over.gp").decode()
    check("index 1 using 1:2:3 with image" in script and "index 0 using 2:3 with points" in script, "points over the map", script)
    picture("r/plots/over.svg", 5)
    plots("""
fn z(x: real[2]) = x[0] + 2*x[1]
plot around = { kind = heat, z = z, n = 3, xy = [r, 2*r] } on points
plot still = { kind = phase, levels = z, xy = ([r, r, r], [-r, 0, r]), samples = 3 } on points
plot cloud = { kind = phase, levels = z, xy = [r, 2*r] } on points
""")
    (_, (*rows,)), (_, (*grid,)) = sets("r/plots/around.dat")
    x = [p[1] for r in rows for p in r]
    low, high = grid[0][0][0], grid[0][-1][0]
    check(low < min(x) < max(x) < high and high - low < 1.2*(max(x) - min(x)), "the map lies around its points", low, high)
    cloud, still = (read("r/plots/%s.gp" % n).decode() for n in ("cloud", "still"))
    check("index 0 using 2:3 with points" in cloud and "index 0 using 2:3 with lines" in still, "no orbit goes from sample to sample", cloud)
    for layers in ("kind = histogram, x = log(-1 - r^2), density = bell", "kind = histogram, x = r, density = none",
                   "kind = heat, z = z, xrange = [0, 1], yrange = [0, 2], xy = [log(-1 - r^2), r]"):
        plots("""
fn z(x: real[2]) = x[0] + 2*x[1]
fn bell(u: real) = exp(-u^2/2)
fn none(u: real) = log(-1 - u^2)
plot p = { %s } on points
""" % layers, code=3)
    write("bad.hnn", "fn f(u: real) = u\nplot m = { kind = histogram, x = [1, 2], density = [] }\n")
    hnnc("check", "bad.hnn", code=1, says=["`density` needs a function, found an empty list"])
    write("bad.hnn", "plot m = { kind = heat, z = [[1, 2], [3, 4]], xy = [[1, 2]] }\n")
    hnnc("check", "bad.hnn", code=1, says=["over the map of a function, but not over a matrix"])


def film_data(path):
    return [[line.split() for line in block.split("\n") if line and line[0] != "#"] for block in read(path).decode().split("\n\n\n")]


def test_two_paths():
    """[a, b] of two real[n, 2] is two curves, (a, b) x and y of two."""
    plots("""const a = [[0, 1], [2, 3], [4, 6]]
const b = [[0, -1], [5, -3], [7, 8]]
plot listed = { kind = line, xy = [a, b] }
plot paired = { kind = line, xy = (a, b) }
""")
    check([[row[1:] for row in part[1][0]] for part in sets("r/plots/listed.dat")] == [[[0, 1], [2, 3], [4, 6]], [[0, -1], [5, -3], [7, 8]]], "paths")
    check(b" lt 1 title" in read("r/plots/listed.gp") and b" lt 2 dt (12,5) title" in read("r/plots/listed.gp"), "the second one is dashed")
    check([[row[1:] for row in part[1][0]] for part in sets("r/plots/paired.dat")] == [[[0, 0], [2, 5], [4, 7]], [[1, -1], [3, -3], [6, 8]]], "columns")


def test_many_points():
    """Of very many points every k-th is drawn; all are in the numbers."""
    plots("""data walk { yield x = normal(0, 1, 3000), y = normal(0, 1, 3000) }
use walks = walk(count = 10, seed = 1)
plot cloud = { kind = scatter, xy = (x, y) } on walks
""")
    check(sum(len(block) for block in sets("r/plots/cloud.dat")[0][1]) == 30000 and b" every 2 " in read("r/plots/cloud.gp"), "thinned")
    check(not GNUPLOT or len(read("r/plots/cloud.svg")) < 3 << 20, "a picture that opens", len(read("r/plots/cloud.svg")) if GNUPLOT else 0)


def test_formats():
    """The script makes a PDF and a PNG as well."""
    plots("plot a = { kind = line, y = [1, 2, 4] }\nplot film = { kind = frames, z = [[[0, 1], [1, 0]]] }\n")
    for name in ("a", "film") if GNUPLOT else ():
        for kind, magic in (("pdf", b"%PDF-"), ("png", b"\x89PNG")):
            p = subprocess.run([GNUPLOT, "-e", "format = '%s'" % kind, name + ".gp"], cwd="r/plots", capture_output=True, check=False)
            check(p.returncode == 0 and read("r/plots/%s.%s" % (name, kind)).startswith(magic), name + " as " + kind, p.stderr.decode())


def test_frames():
    film = """data d { yield film = [[[index + 10*k + 0.1*i + 0.01*j for j in 0:4] for i in 0:3] for k in 0:2] }
use three = d(count = 3)
plot film = { kind = frames, z = film, animate = true, title = "a film" } on three
plot once = { kind = frames, z = [[[[0, 0.5, 1], [2, -1, 0]]]] }
"""
    plots(film, data="precision f64\n")
    sheet, = film_data("r/plots/film.dat")
    width, height = 2*5 - 1, 3*4 - 1
    check(len(sheet) == width*height, "the size of the sheet", len(sheet))
    for x, y, v in sheet:
        k, j, n, i = *divmod(int(x), 5), *divmod(int(y), 4)
        want = math.nan if j == 4 or i == 3 else n + 10*k + 0.1*i + 0.01*j
        check(abs(float(v) - want) < 1e-9 or v == "NaN" and want != want, "pixel %s %s" % (x, y), v, want)
    check(film_data("r/plots/once.dat")[0] == [["0", "0", "0", "0.5", "1"], ["1", "0", "2", "-1", "0"]], "colours")
    script = read("r/plots/film.gp").decode()
    check("set cbrange [0:12.23]" in script and "film.gif" in script and "set yrange [10.5:-0.5]" in script, "the script", script)
    if GNUPLOT:
        check(os.path.exists("r/plots/film.svg") and os.path.exists("r/plots/once.svg"), "the pictures")
        check(gif("r/plots/film.gif") == 2 and not os.path.exists("r/plots/once.gif"), "the frames of the film")
        check([p.get("gif") for p in load("r/manifest.json")["plots"]] == [True, None], "which the manifest tells")
        check(drawn("film", "gif", "r/plots").returncode == 0 and gif("r/plots/film.gif") == 2, "from the script, too")


def gif(path):
    """The number of pictures in it: of its blocks, those that begin one."""
    b = read(path)
    check(b[:6] == b"GIF89a", "a GIF", b[:6])
    at, n = 13 + (3 << (b[10] & 7) + 1 if b[10] & 128 else 0), 0
    while b[at] != 0x3b:
        if b[at] == 0x2c:
            n, at = n + 1, at + 10 + (3 << (b[at + 9] & 7) + 1 if b[at + 9] & 128 else 0) + 1
        else:
            at += 2
        while b[at]:
            at += b[at] + 1
        at += 1
    return n


def drawn(name, kind, folder):
    return subprocess.run([GNUPLOT, "-e", "format = '%s'" % kind, name + ".gp"], cwd=folder, capture_output=True, check=False)


def test_growing():
    """A rollout as a film: its axes are those of the whole, and what does not move is no film."""
    plots("""hamiltonian H(q: real[1], p: real[1]) = q[0]^2 + p[0]^2
plot orbits = { kind = phase, xy = trajectory(H, q, p, dt = 0.1, steps = 100, method = leapfrog), levels = H, samples = 3, animate = true } on points
plot path = { kind = line, x = [0.1*k for k in 0:8], y = ([k for k in 0:8], [k*k for k in 0:8]), animate = true }
plot section_ = { kind = section, xy = trajectory(H, q, p, dt = 0.1, steps = 20, method = leapfrog), samples = 4 } on points
plot still = { kind = heat, z = H, xrange = [-1, 1], yrange = [-1, 1], n = 3 }
""")
    if not GNUPLOT:
        return
    check((gif("r/plots/orbits.gif"), gif("r/plots/path.gif")) == (60, 7), "a picture for each step, at most 60")
    check(not os.path.exists("r/plots/section_.gif"), "where it is asked for")
    check(drawn("section_", "gif", "r/plots").returncode == 0 and gif("r/plots/section_.gif") == 20, "later, from the script")
    p = drawn("still", "gif", "r/plots")
    check(p.returncode and b"nothing in this plot moves" in p.stderr and not os.path.exists("r/plots/still.gif"), "no film of a map", p)
    check(drawn("path", "pdf", "r/plots").returncode == 0 and read("r/plots/path.pdf").startswith(b"%PDF-"), "and a PDF of the whole")


def test_errors():
    """Bars at points, bands along lines; axes go around them."""
    plots("""plot bars = { kind = scatter, x = r, y = q[0], error = 2 + 0*r, colour = r } on points
plot band = { kind = line, y = ([1, 2, 4], [2, 2, 2]), error = ([0.5, 0.5, 1], [0.1, 0.2, 0.3]), labels = ["a", "b"] }
plot logarithmic = { kind = line, y = [1, 0.1, 0.01], error = [0.05, 0.05, 0.05], logy = true }
""")
    (columns, ((*rows,),)), = sets("r/plots/bars.dat")
    check(columns == ["sample", "x", "y", "error", "colour"] and all(row[3] == 2 and row[4] == row[1] for row in rows), "columns", columns, rows[0])
    low, high = re.search(r"set yrange \[(.*):(.*)\]", read("r/plots/bars.gp").decode()).groups()
    check(float(low) < -2.9 and float(high) > 2.9, "the axis goes around the bars", low, high)
    (_, a), (_, b) = sets("r/plots/band.dat")
    check([x[3] for x in a[0]] == [0.5, 0.5, 1] and [x[3] for x in b[0]] == [0.1, 0.2, 0.3], "of each curve its own", a, b)
    check(read("r/plots/band.gp").count(b"filledcurves") == 4, "bands, in the picture and in the film")
    low = float(re.search(r"set yrange \[(.*):", read("r/plots/logarithmic.gp").decode()).group(1))
    check(0 < low < 0.01 and "> 0.01 ?" in read("r/plots/logarithmic.gp").decode(), "a band ends at the axis", low)
    for name in "bars", "band", "logarithmic":
        picture("r/plots/%s.svg" % name, 3)


def test_colours():
    """Values on both sides of zero have colours from either side, unless one is hardly there; what is said holds."""
    plots("""fn f(x, y) = x + 0*y
fn high(x, y) = x + 10 + 0*y
plot auto = { kind = heat, z = f, xrange = [-2, 1], yrange = [0, 1], n = 4, zlabel = "height", zunit = "m" }
plot one = { kind = heat, z = high, xrange = [-2, 1], yrange = [0, 1], n = 4 }
plot hardly = { kind = heat, z = f, xrange = [-2, 0.1], yrange = [0, 1], n = 4 }
plot said = { kind = heat, z = high, xrange = [-2, 1], yrange = [0, 1], n = 4, colours = diverging }
plot plain = { kind = heat, z = [[-1, 1]], colours = sequential }
plot grey_ = { kind = scatter, x = r, y = r, colour = q[0], colours = grey } on points
""")
    ranges = {n: re.findall(r"set cbrange \[(.*):(.*)\]", read("r/plots/%s.gp" % n).decode()) for n in ("auto", "one", "hardly", "said", "plain", "grey_")}
    check(ranges == {"auto": [("-2", "2")], "one": [], "hardly": [], "said": [("-11", "11")], "plain": [], "grey_": []}, "centred at zero", ranges)
    check("'height (m)'" in read("r/plots/auto.gp").decode(), "its name and unit")
    check("'#101010'" in read("r/plots/grey_.gp").decode() and "#440154" in read("r/plots/plain.gp").decode(), "grey, and from dark to light")
    for name in ranges:
        picture("r/plots/%s.svg" % name, 2)


def test_words():
    """Units, captions; legends of many curves stand beside the graph, and the page is as wide as they need."""
    plots("""plot a = { kind = line, x = [1, 2, 3], y = [1, 4, 9], xlabel = "t", xunit = "s", yunit = "m", caption = "It's a square.", title = "A title" }
plot many = { kind = line, y = [[k*j for j in 0:20] for k in 0:3] }
plot elements = { kind = scatter, x = xy[0], y = xy[1] } on pairs
""", data="""precision f64
data drawn { yield xy = [uniform(0, 4), uniform(0, 1)] }
use pairs = drawn(count = 20)
""")
    script = read("r/plots/a.gp").decode()
    check("set xlabel 't (s)'" in script and "(m)'" in script, "labels with units")
    check([p.get("caption") for p in load("r/manifest.json")["plots"]] == ["It's a square.", None, None], "the caption")
    many = read("r/plots/many.gp").decode()
    check("rmargin" in many and "title '[:, 19]'" in many, "a legend beside the graph")
    elements = read("r/plots/elements.gp").decode()
    size = [int(x) for x in re.search(r"svg size (\d+),(\d+)", elements).groups()]
    check("size ratio -1" in elements and size[0] == 720 and size[1] < 350, "a page as high as what lies in it", size)


def test_precision_and_nan():
    """f32 numbers read back the same; what is not finite is NaN, and a line is broken there."""
    plots("""
plot holes = { kind = line, y = [sqrt(k - 3) for k in 0:10] }
plot tenth = { kind = line, y = (r/10) } on points
""", data="precision f32\n" + DATA)
    (_, ((*rows,),)), = sets("r/plots/holes.dat")
    check(all(math.isnan(y) for _, _, y in rows[:3]) and rows[7][2] == 2, "NaN", rows)
    check("3 points are not drawn" in read("r/plots/holes.dat").decode(), "and the header says so")
    picture("r/plots/holes.svg", 6)
    write("never.hnn", DATA + "plot never = { kind = line, y = log(r - 100) } on points\nreport one = r on points\n")
    hnnc("run", "never.hnn", "--out", "n", code=3, says=["never.svg was not made: it has no finite point", "report one"])
    check(not os.path.exists("n/plots/never.svg"), "no picture of nothing")
    hnnc("resume", "n", code=4)                # nothing was trained: no checkpoint
    plots("fn c(x, y) = 0*x + 2\nplot flat = { kind = phase, levels = c, xrange = [0, 1], yrange = [0, 1] }\n", "c",
          says="no level line goes through its range")


# ---- scripts -------------------------------------------------------------------------------------------------------


def test_script_runs_again():
    if not GNUPLOT:
        return print("     no gnuplot: the scripts are not run")
    plots("plot again = { kind = scatter, x = q[0], y = p[0] } on points\n")
    made = read("r/plots/again.svg")
    os.unlink("r/plots/again.svg")
    subprocess.run([GNUPLOT, "again.gp"], cwd="r/plots", check=True, timeout=60)
    check(read("r/plots/again.svg") == made, "the same picture")


def test_text_is_text():
    """Labels are text, whatever they hold: for gnuplot, for a shell, for XML."""
    label = "it's `touch evil` $(touch evil) <b> & _x_ {y}^2 @E \\n ω"
    r = plots('plot Ω_1 = { kind = line, y = ([1, 2], [2, 1]), title = "%s", labels = ["%s", "\'; system \'touch evil\'"],\n'
              '  xlabel = "%s", ylabel = "!touch evil" }\n' % (label.replace("\\", "\\\\"), label.replace("\\", "\\\\"), label[:9]))
    check("plots/Ω_1." in r.out, "a name in Greek", r)
    check(not os.path.exists("r/plots/evil") and not os.path.exists("evil"), "nothing is executed")
    if GNUPLOT:
        picture("r/plots/Ω_1.svg", 2)
        text = "".join(xml.etree.ElementTree.parse("r/plots/Ω_1.svg").getroot().itertext())
        check("<b> & _x_ {y}^2 @E" in text and "system 'touch evil'" in text, "as written", text)


# ---- gnuplot that is missing, fails, does not end ------------------------------------------------------------------------


def fake(script):
    os.makedirs("bin", exist_ok=True)
    write("bin/gnuplot", "#!/bin/sh\n" + script)
    os.chmod("bin/gnuplot", stat.S_IRWXU)
    return environment(PATH=os.path.abspath("bin") + ":" + os.environ["PATH"])


ONE = "plot one = { kind = line, y = [1, 2] }\n"


def no_picture(out, why, env):
    r = plots(ONE, out, env=env, says=["one.svg was not made: " + why])
    check("plot one" in r.out and "one.dat" in r.out, "the numbers are there", r)
    check(os.path.exists(out + "/plots/one.dat") and os.path.exists(out + "/plots/one.gp"), "both files")
    check(not os.path.exists(out + "/plots/one.svg"), "no half picture")
    entry, = load(out + "/manifest.json")["plots"]
    check(entry["svg"] is False and entry["why"].startswith(why), "the manifest", entry)


def test_without_gnuplot():
    no_picture("r", "gnuplot is not installed", environment(PATH=""))
    no_picture("off", "HNNC_PLOT_SECONDS is 0", environment(HNNC_PLOT_SECONDS="0"))
    no_picture("fails", "gnuplot failed: line 3: no such thing", fake("echo '  ^' >&2\necho 'line 3: no such thing' >&2\nexit 1\n"))
    no_picture("silent", "gnuplot failed: it printed no reason", fake("exit 7\n"))
    no_picture("lazy", "gnuplot did not write it", fake("exit 0\n"))
    no_picture("killed", "gnuplot was stopped by signal 9", fake("echo half > one.svg\nkill -9 $$\n"))
    slow = dict(fake("exec sleep 60\n"), HNNC_PLOT_SECONDS="0.3")
    no_picture("slow", "gnuplot took more than 0.3 seconds", slow)
    loud = dict(fake("while :; do echo no; done\n"), HNNC_PLOT_SECONDS="0.3")
    no_picture("loud", "gnuplot took more than 0.3 seconds", loud)


# ---- in the course of a run -----------------------------------------------------------------------------------------------------


def test_place_in_file():
    """A plot shows the parameters as they are at its place; resume makes what is missing, and nothing twice."""
    more = 'plot before = { kind = line, y = [H([k], [0]) for k in 0:5] }\n'
    model(precision="f64", old="train fit on", new=more + "train fit on")
    with open("m.hnn", "a") as f:
        f.write(more.replace("before", "after"))
    hnnc("run", "m.hnn", "--out", "r", env=environment(PATH=""))
    before, after = read("r/plots/before.dat"), read("r/plots/after.dat")
    check(sets("r/plots/before.dat")[0][1] != sets("r/plots/after.dat")[0][1], "trained in between")
    check([x["name"] for x in load("r/manifest.json")["plots"]] == ["before", "after"], "the manifest lists both")
    hnnc("resume", "r")
    check(read("r/plots/before.dat") == before and read("r/plots/after.dat") == after, "the same numbers")
    if GNUPLOT:
        picture("r/plots/before.svg", 4)
        picture("r/plots/after.svg", 4)
        check([x["svg"] for x in load("r/manifest.json")["plots"]] == [True, True], "now both are drawn")
        made = os.stat("r/plots/before.svg").st_mtime_ns
        hnnc("resume", "r")
        check(os.stat("r/plots/before.svg").st_mtime_ns == made, "not drawn twice")
    check([x["name"] for x in load("r/manifest.json")["plots"]] == ["before", "after"], "none is listed twice")


def test_quiet_check_and_set_aside():
    r = plots(ONE, "r", "p.hnn", 0, (), DATA, None, "-q")
    check(r.out == "" and (r.err == "" or not GNUPLOT), "quiet", r)
    hnnc("check", "p.hnn", says="1 plot\n")
    hnnc("run", "p.hnn", "--out", "r", "-q")
    earlier, = os.listdir("r/earlier")
    check(os.path.exists("r/earlier/%s/plots/one.dat" % earlier) and os.path.exists("r/plots/one.dat"), "set aside")
    write("r2/plots", "a file in the way")
    hnnc("run", "p.hnn", "--out", "r2", code=4, says="r2/plots")
    write("i.hnn", 'import "p"\n')
    hnnc("check", "i.hnn", code=1, says="an imported file may contain definitions only")
    r = hnnc("compile", "p.hnn", "--emit=ir")
    check("plot `one`" in r.out, "its function is shown", r)


if __name__ == "__main__":
    sys.exit(main(globals()))
