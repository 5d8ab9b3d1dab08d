"""Convolutions 3 × 3 in f32: the training step of networks of as many channels as their pictures have, `relu` between the layers, and that
of the Hamiltonian generative network of models/hgn.hnn, whose noise is data here, so that all draw the same."""
import numpy as np

from workloads import Workload

LAYERS = """precision f32
import "std/nets"
data pictures = read("data.npz", x, y)
net picture(x: real[{c}, {s}, {s}]) {{
  var h = x
  for k in 0:{hidden} {{ h = conv_layer({c}, 3, act = relu)(h) }}
  return conv_layer({c}, 3, act = identity)(h)
}}
loss error(x: real[{c}, {s}, {s}], y: real[{c}, {s}, {s}]) = mean((picture(x) - y)^2)
train error on pictures {{ optimizer = adam(lr = 1e-3), batch = all, steps = {steps}, every = 1 }}
"""
HGN = """precision f32
import "std/nets"
data films = read("data.npz", film, noise)
net encoder(film: real[10, 32, 32]) {{
  var h = conv_layer(16, 3, stride = 2, act = swish)(film)
  h = conv_layer(32, 3, stride = 2, act = swish)(h)
  h = conv_layer(32, 3, stride = 2, act = swish)(h)
  let flat = reshape(h, 512)
  return (dense(32)(flat), dense(32)(flat))
}}
net decoder(q: real[16]) -> real[32, 32] {{
  var h = reshape(swish(dense(512)(q)), 32, 4, 4)
  for c in [16, 16, 8] {{ h = conv_layer(c, 3, act = swish)(upsample(h, 2)) }}
  return conv_layer(1, 3, act = identity)(h)[0]
}}
use E = separable_energy([128, 128], softplus)
hamiltonian learned(q: real[16], p: real[16]) = E(q, p)
loss hgn(film: real[10, 32, 32], noise: real[32]) {{
  let (mean_z, log_sd) = encoder(film)
  let z = mean_z + exp(log_sd)*noise
  let kl = sum(mean_z^2 + exp(2*log_sd) - 2*log_sd - 1)/2
  let (q, p) = trajectory(learned, z[:16], z[16:], dt = 0.125, steps = 9, method = leapfrog)
  return mean(([decoder(q[k]) for k in 0:10] - film)^2) + 1e-5*kl
}}
train hgn on films {{ optimizer = adam(lr = 1e-3), batch = all, steps = {steps}, every = 1 }}
"""


def network(c, s, batch, layers):
    r = np.random.default_rng(4)
    data = {k: r.normal(size=(batch, c, s, s)).astype(np.float32) for k in "xy"}
    steps = int(min(50, max(4, 2e10 / (54 * c * c * s * s * batch * layers))))
    reach = {16: "≥ 2× the better", 32: "≥ 1.2× the better, ≥ 60 % of peak", 64: "≥ 1× or 85 % of peak"}
    return Workload(name=f"conv-{c}-{s}x{s}-b{batch}-l{layers}", family="conv", entry="error", steps=steps, data=data,
                    model=LAYERS.format(c=c, s=s, hidden=layers - 1, steps=steps), config=dict(lr=1e-3), reach=reach[c])


def hgn():
    """Frames are discs that move on circles: what they show does not matter for the time."""
    r = np.random.default_rng(5)
    phase = r.uniform(0, 2 * np.pi, (16, 1, 1, 1)) + 0.3 * np.arange(10)[:, None, None]
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    film = 1 / (1 + np.exp(20 * (np.hypot(x - 0.7 * np.sin(phase), y - 0.7 * np.cos(phase)) - 0.15)))
    return Workload(name="hgn-b16", family="hgn", entry="hgn", steps=10, model=HGN.format(steps=10), config=dict(lr=1e-3, dt=0.125),
                    data=dict(film=film.astype(np.float32), noise=r.normal(size=(16, 32)).astype(np.float32)), reach="≥ 2× the better")


def workloads():
    return [network(c, s, batch, layers) for c in (16, 32, 64) for s in (16, 32) for batch in (16, 64) for layers in (2, 4)] + [hgn()]
