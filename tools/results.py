"""Runs the models with several seeds and writes docs/results.md: mean and standard deviation over the
seeds, beside the figures of the papers; and for the canonical transformations the circle loss in training, over the whole
orbit and on fresh orbits; for densities the held-out log-likelihood above the entropy of the data; and what variational flows
and fits say beside what is exact.

    python3 tools/results.py [--hnnc build/hnnc] [--seeds 5] [--flow-seeds 3] [--density-seeds 3] [--only pendulum,spring]
                             [--out docs/results.md]
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time

# model, quantity shown, where it is: ("test", loss) the last test loss of a training, ("report", name) its mean, or ("median", name),
# the paper's figure, the bound we hold ourselves to (None: shown only).
ROWS = [
    ("spring", "HNN test loss", ("test", "hnn"), "3.5928e-2", None),
    ("spring", "baseline test loss", ("test", "baseline"), "3.6656e-2", None),
    ("spring", "HNN energy MSE", ("report", "hnn_energy_mse"), "3.8416e-4", None),
    ("spring", "baseline energy MSE", ("report", "baseline_energy_mse"), "1.7077e-1", None),
    ("pendulum", "HNN test loss", ("test", "hnn"), "3.5586e-2", 3.65e-2),
    ("pendulum", "baseline test loss", ("test", "baseline"), "3.5273e-2", None),
    ("pendulum", "HNN energy MSE", ("report", "hnn_energy_mse"), "2.4852e-2", None),
    ("pendulum", "baseline energy MSE", ("report", "baseline_energy_mse"), "4.1519e-2", None),
    ("real_pendulum", "HNN test loss", ("report", "test_loss"), "5.9584e-3", 6.0e-3),
    ("two_body", "HNN test loss", ("report", "test_loss"), "2.8218e-6", 5e-6),
    ("two_body", "HNN energy MSE", ("report", "energy_mse"), "3.8751e-5", 4e-5),
    ("three_body", "HNN test loss", ("report", "test_loss"), "4.88e-1", None),
    ("three_body", "HNN test loss, bodies 0.3 apart", ("report", "test_loss_apart"), "", None),
    ("three_body", "HNN energy MSE", ("report", "energy_mse"), "4.19e-2", None),
    ("inner_planets", "force exponent", ("report", "force_exponent"), "-2 (exact)", None),
    ("inner_planets", "GM at 1 au", ("report", "gm_at_1au"), "39.478 (exact)", None),
    ("fput_ring", "spread of the waves' actions", ("report", "wandering_before"), "", None),
    ("fput_ring", "spread of the learned actions", ("report", "wandering_after"), "", None),
    ("fput_ring", "circle loss, unseen orbits", ("report", "circle_loss"), "", None),
    ("double_pendulum", "HNN energy error, median", ("median", "hnn_energy_error"), "", None),
    ("double_pendulum", "baseline energy error, median", ("median", "plain_energy_error"), "", None),
    ("double_pendulum", "HNN angle error, median", ("median", "hnn_angle_error"), "", None),
    ("double_pendulum", "baseline angle error, median", ("median", "plain_angle_error"), "", None),
    ("port_hamiltonian", "error of the damping", ("report", "damping_error"), "0 (exact)", None),
    ("port_hamiltonian", "gain", ("report", "gain_found"), "1.5 (exact)", None),
    ("port_hamiltonian", "energy lost under a new control", ("report", "lost_found"), "8.0995 (exact)", None),
    ("port_hamiltonian", "relative error of a rollout", ("report", "rollout_error"), "", None),
    ("pixel_pendulum", "HNN test loss", ("report", "hnn_test_loss"), "1.8451e-4", 1.85e-4),
    ("pixel_pendulum", "baseline test loss", ("report", "baseline_test_loss"), "1.7306e-4", None),
    ("pixel_pendulum", "HNN energy MSE", ("report", "hnn_energy_mse"), "1.5315e-4", 1.5e-4),
    ("pixel_pendulum", "baseline energy MSE", ("report", "baseline_energy_mse"), "9.2748e-3", None),
    ("pixel_spring", "HNN test loss", ("report", "hnn_test_loss"), "", 5e-4),
    ("pixel_spring", "baseline test loss", ("report", "baseline_test_loss"), "", None),
    ("pixel_spring", "HNN energy MSE", ("report", "hnn_energy_mse"), "", 1.5e-4),
    ("pixel_spring", "baseline energy MSE", ("report", "baseline_energy_mse"), "", None),
    ("hgn", "pixel MSE, reconstruction", ("report", "pixel_mse"), "1.172e-3", 5e-4),
    ("hgn_spring", "pixel MSE, reconstruction", ("report", "hgn_pixel_mse"), "6.23e-4", 6.2e-4),
    ("hgn_spring", "the same, baseline", ("report", "baseline_pixel_mse"), "", None),
    ("hgn_spring", "pixel MSE, second half of the rollout", ("report", "hgn_rollout_mse"), "", None),
    ("hgn_spring", "the same, baseline", ("report", "baseline_rollout_mse"), "", None),
    ("hgn_spring", "drift of the learned energy", ("report", "energy_drift"), "", None),
    ("hgn_pendulum", "pixel MSE, reconstruction", ("report", "hgn_pixel_mse"), "1.172e-3", 1.17e-3),
    ("hgn_pendulum", "the same, baseline", ("report", "baseline_pixel_mse"), "", None),
    ("hgn_pendulum", "pixel MSE, second half of the rollout", ("report", "hgn_rollout_mse"), "", None),
    ("hgn_pendulum", "the same, baseline", ("report", "baseline_rollout_mse"), "", None),
    ("hgn_pendulum", "drift of the learned energy", ("report", "energy_drift"), "", None),
    ("hgn_two_bodies", "pixel MSE, reconstruction", ("report", "hgn_pixel_mse"), "1.647e-3", 1.65e-3),
    ("hgn_two_bodies", "the same, baseline", ("report", "baseline_pixel_mse"), "", None),
    ("hgn_two_bodies", "pixel MSE, second half of the rollout", ("report", "hgn_rollout_mse"), "", None),
    ("hgn_two_bodies", "the same, baseline", ("report", "baseline_rollout_mse"), "", None),
    ("hgn_two_bodies", "drift of the learned energy", ("report", "energy_drift"), "", None),
    ("hgn_flow", "new frames, MSE from a disc, median", ("median", "fresh_picture_error"), "", None),
    ("hgn_flow", "the same without the flow", ("median", "plain_picture_error"), "", None),
    ("hgn_flow", "new films, error of the law, median", ("median", "fresh_law_error"), "", None),
    ("hgn_flow", "the same without the flow", ("median", "plain_law_error"), "", None),
    ("particles", "F", ("report", "F"), "", None),
    ("particles", "ln Z by the flow", ("report", "log_z"), "", None),
    ("particles", "ln Z, uniform draws", ("report", "plain_log_z"), "", None),
    ("particles", "ESS of the flow", ("report", "ess"), "", None),
    ("particles", "ESS, uniform draws", ("report", "plain_ess"), "", None),
]

# model, overrides, gradients of 128 points (Adam + L-BFGS), the published figure, the bound we hold ourselves to: reports circle_loss, circle_loss_whole, circle_loss_fresh.
FLOWS = [
    ("kepler", "", "2000", "", None),
    ("kepler", "train.steps=52000", "52 000", "2.15e-9, the authors' own run", 2.15e-9),
    ("kepler_evolve", "", "2000", "", None),
    ("kepler_finish", "", "2000 + 1383", "", 2.15e-9),
    ("neumann", "", "4000 + 15 483", "0.038, after 119 000 steps", 5e-4),
    ("calogero_moser", "", "12 000 + 7366", "0.0055, after 33 000 steps", 1e-5),
    ("toda", "", "5000 + 13 674", "", 1e-4),
    ("fput_flow", "", "96 000", "", None),
]

# model, the flow, the entropy of the data or the report that has it, the bound above it that we hold ourselves to: reports held_out_nll, mass.
DENSITIES = [
    ("two_moons", "Real NVP, 12 couplings", 2.39367, None),
    ("moons_splines", "8 spline couplings", 2.39367, 0.01),
    ("moons_autoregressive", "12 masked autoregressive steps", 2.39367, None),
    ("moons_continuous", "continuous, Hutchinson's trace", 2.39367, None),
    ("eight_gaussians", "8 spline couplings", 2.83188, 0.01),
    ("rings", "8 spline couplings", 2.62318, 0.04),
    ("checkerboard", "8 spline couplings", 3.46574, 0.035),
    ("conditional_density", "6 conditional spline couplings", "entropy", 0.01),
]

# model, quantity, its report, what it should be (a number, or the report that has it), how far off it may be, or None: it should be at least that.
EXACT = [
    ("ring2d", "ln Z", "log_z", 4.371549, 0.01),
    ("ring2d", "effective sample size", "ess", 0.9, None),
    ("harmonic_chain", "F", "F", -57.063812, 0.01),
    ("harmonic_chain", "error of the worst frequency", "off", 0, 0.01),
    ("ring2d_data", "NLL of q above the entropy", "above", 0, 0.02),
    ("ring2d_data", "NLL of q and p above the entropy", "above_of_both", 0, 0.45),
    ("harmonic_chain_data", "NLL above the entropy", "above", 0, 0.03),
    ("harmonic_chain_data", "error of the worst of 8 slow frequencies", "off_slow", 0, 0.01),
    ("harmonic_chain_data", "error of the worst frequency", "off", 0, 0.08),
    ("quartic_path", "ln Z", "log_z", "exact_log_z", 0.005),
    ("quartic_path", "effective sample size", "ess", 0.9, None),
    ("phi4", "ln Z", "log_z", 9.2899, 0.01),
    ("phi4", "⟨φ²⟩", "phi2", 0.14345, 0.003),
    ("phi4", "effective sample size", "ess", 0.2, None),
    ("phi4", "ln Z, from Monte Carlo fields", "log_z_hmc", 9.2899, 0.03),
    ("phi4", "forward effective sample size", "forward_ess", 0.2, None),
    ("phi4", "share of fields above zero", "up", 0.5, 0.03),
    ("phi4_convolutions", "ln Z", "log_z", 9.2899, 0.03),
    ("phi4_convolutions", "⟨φ²⟩", "phi2", 0.14345, 0.003),
    ("phi4_convolutions", "effective sample size", "ess", 0.03, None),
    ("lattice_flow", "ln Z", "log_z", 9.2899, 0.03),
    ("lattice_flow", "⟨φ²⟩", "phi2", 0.14345, 0.005),
    ("lattice_flow", "effective sample size", "ess", 0.05, None),
    ("duffing", "noise", "noise", 0.05, 0.006),
]


def run(hnnc, model, seed, folder, more=""):
    """The run directory's figures, or None with the reason printed."""
    out = os.path.join(folder, f"{model}-{seed}{more}")
    start = time.monotonic()
    done = subprocess.run([hnnc, "run", f"models/{model}.hnn", "--out", out, "--seed", str(seed), "-q"] + more.split(),
                          capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode not in (0, 3):
        print(f"{model} seed {seed}: exit code {done.returncode}\n{done.stderr}", file=sys.stderr)
        return None
    with open(os.path.join(out, "reports.json"), encoding="utf-8") as f:
        reports = json.load(f)["reports"]
    tests = {}
    with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            tests[row["train"]] = row["test"]
    print(f"{model} seed {seed}: {seconds:.1f} s", file=sys.stderr)
    return {"reports": reports, "tests": tests, "seconds": seconds}


def figure(result, where):
    kind, name = where
    value = result["tests"].get(name) if kind == "test" else result["reports"][name]["quantile(0.5)" if kind == "median" else "mean"]
    return float("nan") if value is None else value


def mean_sd(values):
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0
    return mean, sd


def flow_lines(args, wanted, folder):
    """The table of canonical transformations. Whole orbit: that of the file as it stands, and the largest of the seeds."""
    lines = []
    for model, more, cost, published, bound in FLOWS:
        if wanted and model not in wanted:
            continue
        runs = [r for r in (run(args.hnnc, model, seed, folder, more) for seed in range(args.flow_seeds)) if r]
        if not runs:
            continue
        each = {what: [figure(r, ("report", what)) for r in runs]
                for what in ("circle_loss", "circle_loss_whole", "circle_loss_fresh")}
        cells = ["{:.2g}".format(values[0]) + (" (≤ {:.2g})".format(max(values)) if len(values) > 1 else "")
                 for values in each.values()]
        held = "" if bound is None else "yes" if max(each["circle_loss_whole"]) <= bound else "**no**"
        lines.append("| " + " | ".join([f"`{model}`", cost, *cells, published, str(bound or ""), held]) + " |")
    if not lines:
        return []
    return ["", "## Circle losses", "",
            "The circle loss is the mean squared difference of the radii r_k = q̂_k² + p̂_k² between two random times, averaged over k, as the authors measure it.", "",
            "- **In training**: over the samples of the data.",
            "- **Whole orbit**: twice the variance of r_k over 401 points of it.",
            "- **Fresh orbits**: the same on orbits that were not trained on; each file says which.",
            "- **Gradients**: steps of Adam + evaluations of L-BFGS, in gradients of 128 points.", "",
            f"A figure is that of the file as written. In parentheses: the largest of seeds 0 to {args.flow_seeds - 1}, which the bound applies to.", "",
            "| model | gradients | in training | whole orbit | fresh orbits | published | bound | held |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |"] + lines


def number(result, what):
    """`what`, or the report of that name; None if there is none."""
    return what if not isinstance(what, str) else result["reports"][what]["mean"] if what in result["reports"] else None


def density_lines(results):
    lines = []
    for model, flow, floor, bound in DENSITIES:
        if not results.get(model):
            continue
        runs = results[model]
        above = [number(r, "held_out_nll") - number(r, floor) for r in runs]
        mass = [abs(m - 1) for m in (number(r, "mass") for r in runs) if m is not None]
        held = "" if bound is None else "yes" if max(above) <= bound else "**no**"
        lines.append(f"| `{model}` | {flow} | {number(runs[0], floor):.5f} | " + " ".join(f"{a:.4f}" for a in above) +
                     f" | {bound or ''} | {held} | {f'{max(mass):.0e}' if mass else ''} |")
    if not lines:
        return []
    return ["", "## Densities", "",
            "Held-out negative log-likelihood of 10⁵ samples minus the entropy of the data, in nats, for each seed from 0. The bound applies to the largest. A mean of",
            "10⁵ samples is itself ± 0.003. Mass is how far the sum of the density over a lattice is from 1, for the worst seed.", "",
            "| model | flow | entropy | above it | bound | held | mass |", "| --- | --- | --- | --- | --- | --- | --- |"] + lines


def exact_lines(results):
    lines = []
    for model, what, name, exact, off in EXACT:
        if not results.get(model):
            continue
        pairs = [(number(r, name), number(r, exact)) for r in results[model]]
        held = all(abs(v - e) <= off if off is not None else v >= e for v, e in pairs)
        lines.append(f"| `{model}` | {what} | " + " ".join(f"{v:.6g}" for v, _ in pairs) + " | " +
                     (f"{pairs[0][1]:.6g} | {off}" if off is not None else f"≥ {pairs[0][1]:g} | ") + f" | {'yes' if held else '**no**'} |")
    if not lines:
        return []
    return ["", "## Variational flows and fits", "", "Trained without data, or on one record. The exact values are known from theory or from other computations; each file says how.", "",
            "| model | quantity | each seed | exact | tolerance | held |", "| --- | --- | --- | --- | --- | --- |"] + lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hnnc", default="build/hnnc")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--flow-seeds", type=int, default=3)
    parser.add_argument("--density-seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", default="docs/results.md")
    args = parser.parse_args()
    wanted = [m for m in args.only.split(",") if m]
    models = [m for m in dict.fromkeys(row[0] for row in ROWS) if not wanted or m in wanted]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            runs = [run(args.hnnc, model, seed, folder) for seed in range(args.seeds)]
            results[model] = [r for r in runs if r]
        flows = flow_lines(args, wanted, folder)
        densities = {}
        for model in dict.fromkeys(row[0] for row in DENSITIES + EXACT):
            if not wanted or model in wanted:
                densities[model] = [r for r in (run(args.hnnc, model, seed, folder) for seed in range(args.density_seeds)) if r]
    lines = ["# Results", "",
             f"Figures of the programs in `models/`: mean ± standard deviation over seeds 0 to {args.seeds - 1}, beside those of papers. Seed 0 is the file as written; other seeds change data,",
             "start and order of the samples. The papers' figures are of one seed (Greydanus, Dzamba & Yosinski, arXiv:1906.01563, README of their code). **bound** is what",
             f"we require of the mean. Notes follow the tables. `python3 tools/results.py --seeds {args.seeds}` writes this page.", "",
             "| model | quantity | hnnc | each seed | paper | bound | held |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for model, what, where, paper, bound in ROWS:
        if not results.get(model):
            continue
        values = [figure(r, where) for r in results[model]]
        mean, sd = mean_sd(values)
        each = " ".join(f"{v:.3g}" for v in values)
        held = "" if bound is None else "yes" if mean <= bound else "**no**"
        lines.append(f"| {model} | {what} | {mean:.4g} ± {sd:.2g} | {each} | {paper} | {bound or ''} | {held} |")
    lines += flows + density_lines(densities) + exact_lines(densities)
    notes = "docs/results-notes.md"
    if os.path.exists(notes):
        with open(notes, encoding="utf-8") as f:
            lines += ["", f.read().rstrip()]
    with open(args.out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
