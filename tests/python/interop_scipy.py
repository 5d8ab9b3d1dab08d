"""hnnc.scipy beside SciPy itself: the same orbits, minima, matrices and integrals."""
import numpy as np
import hnnc

MODEL = """\
precision f64
import "std/nets"
fn rate(t: real, q: real, p: real) = (2*p, -3*sin(q) - p/10 + cos(t))
fn chain(q: real[3], p: real[3]) = (p, -sin(q) - 10*p)
fn valley(x: real[6]) = sum((x[1:] - x[:-1]^2)^2) + sum((1 - x)^2)/100
fn curved(x: real[6]) = nonzeros(hessian(valley))(x)
fn wave(x: real, k: real) = cos(k*x)
fn spread(x: real[9]) = sum((x - mean(x))^2)/9
use net = mlp([8], 1)
data line { let x = uniform(-1, 1, 1); yield x, y = sin(3*x) }
use seen = line(count = 500, seed = 1)
loss fit(x, y) = mean((net(x) - y)^2)
train fit on seen { steps = 1 }
"""


def with_scipy():
    import scipy
    import hnnc.scipy
    from scipy import integrate, ndimage, optimize
    m = hnnc.compile(MODEL)
    rate = hnnc.scipy.rhs(m.rate)
    plain = lambda t, y: [2*y[1], -3*np.sin(y[0]) - y[1]/10 + np.cos(t)]
    for method, more in (("RK45", {}), ("DOP853", {"vectorized": True}), ("Radau", {"jac": rate.jac}), ("BDF", {"jac": rate.jac})):
        options = {"rtol": 1e-9, "atol": 1e-11, "method": method}
        a, b = integrate.solve_ivp(rate, (0, 5), [1.0, 0.0], **options, **more), integrate.solve_ivp(plain, (0, 5), [1.0, 0.0], **options)
        assert a.success and np.allclose(a.y[:, -1], b.y[:, -1], rtol=1e-6), (method, a.y[:, -1], b.y[:, -1])
    chain = hnnc.scipy.rhs(m.chain)
    y = np.linspace(0.1, 1, 6)
    assert np.allclose(chain(0.0, y), np.concatenate([y[3:], -np.sin(y[:3]) - 10*y[3:]]))
    assert np.allclose(chain(0.0, np.stack([y, 2*y], 1))[:, 1], chain(0.0, 2*y))
    assert np.allclose(chain.jac(0.0, y)[3:, :3], np.diag(-np.cos(y[:3]))) and np.allclose(chain.jac(0.0, y)[:3, 3:], np.eye(3))
    try:
        hnnc.scipy.rhs(m.valley)
        assert False
    except TypeError as e:
        assert "no rates" in str(e)

    valley = hnnc.scipy.Objective(m.valley)
    for method, more in (("BFGS", {}), ("trust-ncg", {"hessp": valley.hessp}), ("trust-exact", {"hess": valley.hess}), ("Newton-CG", {"hessp": valley.hessp}),
                         ("trust-constr", {"hess": lambda x: m.curved.csr(m.curved(x))})):
        least = optimize.minimize(valley, np.zeros(6), jac=True, method=method, tol=1e-10 if method == "trust-constr" else 1e-8, **more)
        assert np.allclose(least.x, 1, atol=1e-3), (method, least)
    matrix = m.curved.csr(m.curved(y))
    assert matrix.format == "csr" and matrix.nnz == 16 and np.allclose(matrix.toarray(), valley.hess(y))

    x = np.linspace(-1, 1, 200)[:, None]
    fit = hnnc.scipy.Objective(m.losses["fit"], x=x, y=np.sin(3*x))
    assert optimize.check_grad(lambda w: fit(w)[0], lambda w: fit(w)[1], m.params.flat) < 1e-5
    least = optimize.minimize(fit, m.params.flat, jac=True, method="L-BFGS-B")
    m.params.flat = least.x
    assert least.fun < 1e-3 and abs(m.losses["fit"](x, np.sin(3*x)) - least.fun) < 1e-12, least

    wave = hnnc.scipy.low_level(m.wave)
    assert abs(integrate.quad(wave, 0, 1, args=(3.0,))[0] - np.sin(3)/3) < 1e-13
    assert abs(integrate.nquad(wave, [(0, 1), (1, 2)])[0] - integrate.dblquad(lambda k, x: np.cos(k*x), 0, 1, 1, 2)[0]) < 1e-10
    picture = np.random.default_rng(1).normal(size=(12, 9))
    assert np.allclose(ndimage.generic_filter(picture, hnnc.scipy.low_level(m.spread, "filter"), size=3), ndimage.generic_filter(picture, np.var, size=3))
    return "scipy %s: solve_ivp, minimize, csr_matrix, quad and generic_filter called from C" % scipy.__version__


tests = [with_scipy]
