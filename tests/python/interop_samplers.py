"""Log densities of hnnc in BlackJAX and nutpie, and sampled by hnnc's own hybrid Monte Carlo: the same means and variances, within their errors."""
import numpy as np
import hnnc

MODEL = """\
precision f64
import "std/sampling"
fn log_p(x: real[2]) = -x[0]^2 + x[0]*x[1] - x[1]^2                  # variances 2/3, covariance 1/3
fn gamma(s: real[2]) = 3*log(s[0]) + log(s[1]) - 2*s[0] - s[1]       # means 4/2, 2/1
flow positive(u: real[2]) { u = exp(u) inverse log(u) }

hamiltonian H(q: real[2], p: real[2]) = -log_p(q) + dot(p, p)/2
hamiltonian G(q: real[2], p: real[2]) = -gamma(exp(q)) - sum(q) + dot(p, p)/2
data chains {
  fn move(dt: real)(q: real[2]) = hmc(H, q, 6, dt*uniform(0.5, 1))
  fn moved(dt: real)(q: real[2]) = hmc(G, q, 6, dt*uniform(0.5, 1))
  let (start, dt) = warm_up(move, normal(0, 1, 2), 0.1, steps = 300, target = 0.8)
  let (there, step) = warm_up(moved, normal(0, 1, 2), 0.1, steps = 300, target = 0.8)
  let (x, accepted) = markov_chain(move(dt), start, steps = 1000)
  let (u, also) = markov_chain(moved(step), there, steps = 1000)
  yield x, s = exp(u)
}
use chain = chains(count = 64, seed = 1)
save chain = { x = x, s = s } on chain
"""
EXACT = {"x": ([0, 0], [2/3, 2/3]), "s": ([2, 2], [1, 2])}


def agrees(who, name, draws):
    """draws [chains, draws, 2]: means and variances within five standard errors, from the spread of the chains."""
    for what, want, of_chain in (("mean", EXACT[name][0], draws.mean(1)), ("variance", EXACT[name][1], ((draws - EXACT[name][0])**2).mean(1))):
        error = of_chain.std(0, ddof=1)/len(draws)**0.5
        assert (error < 0.1).all() and (np.abs(of_chain.mean(0) - want) < 5*error).all(), (who, name, what, of_chain.mean(0), want, error)


def with_hnnc(m, folder):
    arrays = m.run(folder, progress=False).arrays("chain")
    for name in EXACT: agrees("hnnc", name, arrays[name])


def with_blackjax():
    import blackjax
    import jax
    import jax.numpy as jnp
    import hnnc.jax
    import tempfile
    jax.config.update("jax_enable_x64", True)
    m = hnnc.compile(MODEL)
    with tempfile.TemporaryDirectory() as folder: with_hnnc(m, folder + "/r")
    for name, d in (("x", hnnc.Density(m.log_p)), ("s", hnnc.Density(m.gamma, through=m.positive))):
        log_p = hnnc.jax.density(d)
        at = jnp.array([0.3, -0.2])
        assert np.allclose(jax.grad(log_p)(at), d.log_density_gradient(np.asarray(at))[1])
        warmup = blackjax.window_adaptation(blackjax.nuts, log_p)
        (state, parameters), _ = warmup.run(jax.random.key(1), at, 300)
        kernel = blackjax.nuts(log_p, **parameters)

        @jax.jit
        def chains(keys):
            def one(key):
                def step(state, key):
                    state, _ = kernel.step(key, state)
                    return state, state.position
                return jax.lax.scan(step, state, jax.random.split(key, 400))[1]
            return jax.vmap(one)(keys)
        draws = np.asarray(chains(jax.random.split(jax.random.key(2), 24)))[:, 50:]
        agrees("BlackJAX", name, d.param_constrain(draws))
    print("ok   blackjax %s: nuts through hnnc.jax, as hnnc's own hmc" % blackjax.__version__)


def with_nutpie():
    import nutpie
    m = hnnc.compile(MODEL)
    for name, d in (("x", hnnc.Density(m.log_p)), ("s", hnnc.Density(m.gamma, through=m.positive))):
        trace = nutpie.sample(d.nutpie(), draws=800, tune=400, chains=16, cores=2, seed=3, progress_bar=False)
        agrees("nutpie", name, trace.posterior[name].values)
    print("ok   nutpie %s: from functions, as hnnc's own hmc" % nutpie.__version__)


tests = [with_blackjax, with_nutpie]
