#!/usr/bin/env python3
"""The pictures of the pages: pictures.py HNNC [PICTURE ...] runs the programs (once each, into build/pictures; those that are there are not run again) and writes
docs/pictures. All programs take about an hour on one core; most take seconds. A picture is the SVG of a plot without what draws nothing, or a PNG by rsvg-convert
where that is smaller."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNS = os.environ.get("HNNC_PICTURES", os.path.join(ROOT, "build/pictures"))
OUT = os.path.join(ROOT, "docs/pictures")
SVG_BYTES, PNG_WIDTH = 64 << 10, 520

# picture: (program, plot). A program without a folder is one of models/.
PICTURES = {
    "orbit_path": ("docs/examples/orbit", "path"),
    "learned_orbit": ("docs/examples/learned_orbit", "orbits"),
    "force_law": ("docs/examples/learned_force", "force_law"),
    "oscillator": ("oscillator", "phase"),
    "pendulum_phase": ("pendulum", "phase"),
    "pendulum_energy": ("pendulum", "energy"),
    "two_body": ("two_body", "orbits"),
    "inner_planets": ("inner_planets", "force_law"),
    "double_pendulum": ("double_pendulum", "angles"),
    "henon_heiles_12": ("henon_heiles", "section_12"),
    "henon_heiles_8": ("henon_heiles", "section_8"),
    "henon_heiles_6": ("henon_heiles", "section_6"),
    "kepler_before": ("kepler", "orbit_before"),
    "kepler_after": ("kepler", "orbit_after"),
    "toda_before": ("toda", "before"),
    "toda_after": ("toda", "after"),
    "fput": ("fput", "exchange"),
    "fput_before": ("fput_flow", "actions_before"),
    "fput_after": ("fput_flow", "actions_after"),
    "two_moons_density": ("two_moons", "density"),
    "two_moons_samples": ("two_moons", "drawn_points"),
    "rings": ("rings", "density"),
    "eight_gaussians": ("eight_gaussians", "density"),
    "checkerboard": ("checkerboard", "density"),
    "conditional_density": ("conditional_density", "samples"),
    "langevin_paths": ("langevin", "paths"),
    "tempering": ("tempering", "visited"),
    "harmonic_chain": ("harmonic_chain", "spectrum"),
    "quartic_path": ("quartic_path", "slice"),
    "lattice_after": ("lattice_flow", "field_after"),
    "pixel_pendulum": ("pixel_pendulum", "hnn_film"),
    "pixel_energy": ("pixel_pendulum", "energy"),
    "hgn": ("hgn", "rollout"),
    "port_hamiltonian": ("port_hamiltonian", "energies"),
    "spiral_ode": ("spiral_ode", "spiral"),
    "duffing": ("duffing", "record"),
    "figure_swing": ("docs/examples/figures", "swing"),
    "figure_portrait": ("docs/examples/figures", "portrait"),
    "figure_band": ("docs/examples/figures", "measured"),
    "figure_map": ("docs/examples/figures", "map"),
    "figure_film": ("docs/examples/figures", "swing.gif"),
}


def program(name):
    return os.path.join(ROOT, name if "/" in name else "models/" + name) + ".hnn"


def run(hnnc, name):
    """The run directory of a program."""
    out = os.path.join(RUNS, os.path.basename(name))
    if not os.path.exists(os.path.join(out, "manifest.json")):
        print("running", name, flush=True)
        subprocess.run([hnnc, "run", program(name), "--out", out, "-q"], check=True, stdout=subprocess.DEVNULL)
    return out


def smaller(svg):
    """Without groups and symbols that draw nothing; numbers with one decimal."""
    while True:
        less = re.sub(r"<g [^>]*>\s*</g>\n?", "", svg)
        if less == svg:
            break
        svg = less
    used = set(re.findall(r"xlink:href='#(\w+)'", re.sub(r"<defs>.*?</defs>", "", svg, flags=re.S)))
    defs = "".join(line for line in svg.splitlines(True) if (re.search(r"id='(\w+)'", line) or [0, None])[1] in used and "\t<" in line)
    if re.search(r"xlink:href='#gpPt\d+' id='gpPt(6|8|10|12|14)'", defs):
        defs = "".join(line for line in svg.splitlines(True) if re.match(r"\t<\w+ .*id='gpPt\d+'", line))
    svg = re.sub(r"<defs>.*?</defs>\n", "<defs>\n%s</defs>\n" % defs, svg, count=1, flags=re.S)
    svg = re.sub(r"<title>.*?</title>\n|<desc>.*?</desc>\n|<!--.*?-->\n?", "", svg, flags=re.S)
    svg = re.sub(r"""\b(?:d|x|y)=(['"])[0-9MLZz., -]*\1|translate\([^)]*\)""", lambda m: re.sub(r"(\d+\.\d)\d+", r"\1", m.group()), svg)
    svg = re.sub(r' stroke-linecap="round"| class="gridline"|<tspan font-family="Helvetica" >|</tspan>', "", svg) if svg.count("<tspan") == svg.count('<tspan font-family="Helvetica" >') else svg
    return re.sub(r"[ \t]+(?=\n)|\n(?=\n)", "", svg)


def write(picture, source):
    for end in ".svg", ".png":
        if os.path.exists(os.path.join(OUT, picture + end)):
            os.remove(os.path.join(OUT, picture + end))
    with open(source, encoding="utf-8") as f:
        text = smaller(f.read())
    if len(text) <= SVG_BYTES:
        with open(os.path.join(OUT, picture + ".svg"), "w", encoding="utf-8") as f:
            f.write(text)
        return
    png = os.path.join(OUT, picture + ".png")
    subprocess.run(["rsvg-convert", "-w", str(PNG_WIDTH), source, "-o", png], check=True)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--output", png, "64", png], check=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.makedirs(OUT, exist_ok=True)
    for picture in sys.argv[2:] or PICTURES:
        name, plot = PICTURES[picture]
        plots = os.path.join(run(os.path.abspath(sys.argv[1]), name), "plots")
        if plot.endswith(".gif"): shutil.copyfile(os.path.join(plots, plot), os.path.join(OUT, picture + ".gif"))
        else: write(picture, os.path.join(plots, plot + ".svg"))


main()
