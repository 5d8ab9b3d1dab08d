"""hnnc beside PyTorch and JAX: values, first and second derivatives, memory that is shared."""
import numpy as np
import hnnc

MODEL = """\
precision f64
import "std/nets"
use energy = mlp([16, 16], 1)
hamiltonian H(q: real[2], p: real[2]) = energy(concat(q, p))[0] + sum(q^4)
fn two(x: real[2], t: real) = (sin(x)*t, sum(x^2) + t)
fn flat(x: real[2]) = -sum(x^2)
data points { yield q = uniform(-1, 1, 2), p = uniform(-1, 1, 2) }
use seen = points(count = 10)
loss fit(q, p) = H(q, p)^2
train fit on seen { steps = 1 }
"""
m = hnnc.compile(MODEL)
rng = np.random.default_rng(1)
q, p = rng.normal(size=(2, 9, 2))
W = [m.params["energy/dense.%d/W" % k].copy() for k in range(3)]
B = [m.params["energy/dense.%d/b" % k].copy() for k in range(3)]


def close(a, b, tolerance=1e-11):
    assert np.allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance), (np.asarray(a), np.asarray(b))


def refused(kind, says, f, *args):
    try:
        f(*args)
    except kind as e:
        assert says in str(e), (says, str(e))
        return
    assert False, "nothing was raised: " + says


def with_torch():
    import torch
    import hnnc.torch
    torch.set_default_dtype(torch.float64)
    w, b = ([torch.tensor(x, requires_grad=True) for x in y] for y in (W, B))

    def plain(q, p):
        h = torch.cat([q, p], -1)
        for k in range(3):
            h = h @ w[k].T + b[k]
            if k < 2: h = torch.tanh(h)
        return h[..., 0] + (q**4).sum(-1)

    module = hnnc.torch.Module(m.H)
    answers = []
    for energy, parameters in ((plain, [x for pair in zip(w, b) for x in pair]), (module, [module.weights])):
        a, c = torch.tensor(q, requires_grad=True), torch.tensor(p, requires_grad=True)
        E = energy(a, c)
        force, = torch.autograd.grad(E.sum(), a, create_graph=True)
        loss = (force**2).mean() + (E**2).mean()
        slopes = torch.autograd.grad(loss, parameters + [c])
        answers.append([E.detach(), force.detach(), slopes[-1], torch.cat([s.ravel() for s in slopes[:-1]])])
    for x, y in zip(*answers): close(x, y)
    two = hnnc.torch.function(m.two)
    x, t = torch.tensor(q, requires_grad=True), torch.tensor(p[:, 0].copy(), requires_grad=True)
    assert torch.autograd.gradcheck(two, (x, t)) and torch.autograd.gradgradcheck(two, (x, t))
    close(torch.func.vmap(two)(x, t)[1].detach(), (q**2).sum(1) + p[:, 0])
    close(torch.func.grad(lambda x, t: two(x, t)[0].sum())(x[0], t[0]).detach(), np.cos(q[0])*p[0, 0])
    close(two(x, 2.0)[1].detach(), (q**2).sum(1) + 2)
    adam = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        a = torch.tensor(q, requires_grad=True)
        force, = torch.autograd.grad(module(a, torch.tensor(p)).sum(), a, create_graph=True)
        loss = ((force - 1)**2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5*losses[0], losses[::20]
    m.params.flat = np.concatenate([x.ravel() for pair in zip(W, B) for x in pair])
    raw = torch.tensor(q)
    out = torch.empty(9, dtype=torch.float64)
    assert m.H(raw, torch.tensor(p), out=out) is out and (out.numpy() == m.H(q, p)).all()
    weight = torch.from_dlpack(m.params["energy/dense.0/W"])
    before = m.H(q[0], p[0])
    weight *= 2
    assert m.H(q[0], p[0]) != before and (weight.numpy() == m.params["energy/dense.0/W"]).all()
    m.params["energy/dense.0/W"][...] = W[0]
    try:
        m.H(torch.tensor(q, requires_grad=True), p)
        assert False, "a tensor that is differentiated"
    except TypeError as e:
        assert "hnnc.torch.function" in str(e)
    H, vjp = hnnc.torch.function(m.H), hnnc.torch.function(m.H.vjp)
    refused(ValueError, "H: `p` should be [..., 2], found an array of the shape [9, 3]", H, raw, torch.ones(9, 3))
    refused(ValueError, "H: the leading shapes of its arguments do not go together: q [9], p [4]", module, raw, torch.ones(4, 2))
    refused(TypeError, "H lacks its argument `p`", H, raw)
    refused(ValueError, "H_vjp: the leading shape of `g` should be [9]", vjp, raw, raw, torch.ones(9, 1))
    for make, name in ((hnnc.torch.Module, "Module"), (hnnc.torch.function, "function")):
        refused(TypeError, "hnnc.torch.%s takes a function of a model, as m.functions has them, found a model: take one of its functions (m.energy, m.H" % name, make, m)
        refused(TypeError, "found <loss fit(q: f64[..., 2], p: f64[..., 2])>: a loss is trained by m.run()", make, m.losses["fit"])
        refused(TypeError, "found 3", make, 3)
    return "torch %s: values, gradients of gradients by arguments and parameters, vmap, force matching, memory" % torch.__version__


def with_jax():
    import jax
    import jax.numpy as jnp
    import hnnc.jax
    jax.config.update("jax_enable_x64", False)
    says = 'is in f64, and JAX has no f64 as it is set: write jax.config.update("jax_enable_x64", True) first, or `precision f32` in the file'
    refused(TypeError, "H " + says, hnnc.jax.function(m.H), q, p)
    refused(TypeError, "flat " + says, hnnc.jax.density(hnnc.Density(m.flat)), q[0])
    single = hnnc.jax.function(hnnc.compile("precision f32\nfn f(x: real) = 2*x\n").f)
    assert single(3.0) == 6
    jax.config.update("jax_enable_x64", True)

    def plain(q, p):
        h = jnp.concatenate([q, p], -1)
        for k in range(3):
            h = h @ W[k].T + B[k]
            if k < 2: h = jnp.tanh(h)
        return h[..., 0] + (q**4).sum(-1)

    H = hnnc.jax.function(m.H)
    for f in (lambda E: E(q, p), lambda E: jax.jit(E)(q, p), lambda E: jax.grad(lambda q: E(q, p).sum())(q),
              lambda E: jax.jit(jax.grad(lambda q: (jax.grad(lambda x: E(x, p).sum())(q)**2).sum()))(q),
              lambda E: jax.vmap(jax.grad(E))(q, p), lambda E: jax.vmap(E, (None, 0))(q[0], p)):
        close(f(H), f(plain))
    assert (m.H(jnp.asarray(q), jnp.asarray(p)) == m.H(q, p)).all()
    try:
        m.H(q, p, out=jnp.empty(9))
        assert False, "an array that cannot be written"
    except ValueError as e:
        assert "out should be a writable array" in str(e)
    refused(ValueError, "H: `p` should be [..., 2], found an array of the shape [9, 3]", H, q, jnp.ones((9, 3)))
    refused(ValueError, "H: the leading shapes of its arguments do not go together: q [9], p [4]", jax.jit(H), q, jnp.ones((4, 2)))
    refused(TypeError, "H takes 2 arguments (q, p), found 3", H, q, q, q)
    refused(ValueError, "H_vjp: the leading shape of `g` should be [9]", hnnc.jax.function(m.H.vjp), q, p, np.ones((9, 1)))
    refused(TypeError, "hnnc.jax.function takes a function of a model, as m.functions has them, found a model", hnnc.jax.function, m)
    refused(TypeError, "hnnc.jax.density takes an hnnc.Density, found", hnnc.jax.density, m.H)
    return "jax %s: values, gradients of gradients, jit, vmap, memory" % jax.__version__


tests = [with_torch, with_jax]
