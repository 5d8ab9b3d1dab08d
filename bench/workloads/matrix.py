"""Sparse matrices of derivatives in f64: the Jacobian of the force of an FPUT-β ring, and the Hessian of its energy. What is
compared are the structural nonzeros, row by row."""
import numpy as np

from workloads import Workload

JACOBIAN = """precision f64
fn force(q: real[{n}]) {{
  let d = roll(q, -1) - q
  let f = d + d^3
  return f - roll(f, 1)
}}
fn matrix(q: real[{n}]) = nonzeros(jacobian(force))(q)
"""
HESSIAN = """precision f64
fn energy(q: real[{n}]) {{
  let d = roll(q, -1) - q
  return sum(d^2/2 + d^4/4)
}}
fn matrix(q: real[{n}]) = nonzeros(hessian(energy))(q)
"""


def fput(what, model, n, calls=100):
    q = 0.1 * np.random.default_rng(7).normal(size=(1, n))
    return Workload(name=f"fput-{what}-n{n}", family=f"fput-{what}", kind="call", precision="f64", entry="matrix",
                    model=model.format(n=n), data=dict(q=q), config=dict(n=n, calls=calls), out=3 * n, rtol=1e-12, scale=1,
                    unit="µs a matrix", per=1e-6, reach="≤ 4 evaluations; ≥ 4× CasADi")


def workloads():
    return [fput("jacobian", JACOBIAN, 1024), fput("hessian", HESSIAN, 1024)]
