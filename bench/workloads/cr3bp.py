"""The Hamiltonian of the circular restricted three-body problem, Earth and Moon, in f64: one function of six numbers, on arrays of many
points. What is measured is how a library is called: arguments are read and results written where they are."""
import numpy as np

from workloads import Workload

MU = 0.01215058560962404
MODEL = """precision f64
const μ = {mu}
fn energy(x: real, y: real, z: real, px: real, py: real, pz: real) {{
  let r1 = sqrt((x + μ)^2 + y^2 + z^2)
  let r2 = sqrt((x - 1 + μ)^2 + y^2 + z^2)
  return (px^2 + py^2 + pz^2)/2 + y*px - x*py - (1 - μ)/r1 - μ/r2
}}
"""


def points(n, calls):
    r = np.random.default_rng(11)
    data = {k: r.normal(0.5, 1, n) for k in ("x", "y", "z", "px", "py", "pz")}
    return Workload(name=f"cr3bp-n{n}", family="cr3bp", kind="call", precision="f64", entry="energy", model=MODEL.format(mu=repr(MU)),
                    data=data, config=dict(mu=MU, calls=calls), out=1, rtol=1e-12, scale=n, unit="ns a point", per=1e-9,
                    reach="≥ 1× heyoka's cfunc and JAX")


def workloads():
    return [points(4096, 500), points(10**6, 2)]
