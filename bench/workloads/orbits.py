"""Orbits to the last digits, in f64: the outer planets, three bodies, the Sun and its planets, ensembles, a learned field. Our tolerance
stands in the model; a peer takes its loosest tolerance whose error is not above ours. Errors are those of the final positions, the
largest in astronomical units, against a reference in extended precision (workloads/reference.py)."""
import numpy as np

from workloads import Workload, reference

SOLAR = 0.01720209895**2 * 365**2                            # G, in AU^3 / (solar mass * (365 d)^2)
# Applegate et al., Astronomical Journal 92 (1986) 176, as heyoka's manual has it: Sun (with the inner planets), Jupiter, Saturn,
# Uranus, Neptune, Pluto; AU and AU a day.
OUTER_MASS = [1.00000597682, 1 / 1047.355, 1 / 3501.6, 1 / 22869.0, 1 / 19314.0, 7.4074074e-09]
OUTER = [[-4.06428567034226e-3, -6.08813756435987e-3, -1.66162304225834e-6, 6.69048890636161e-6, -6.33922479583593e-6, -3.13202145590767e-9],
         [3.40546614227466, 3.62978190075864, 3.42386261766577e-2, -5.59797969310664e-3, 5.51815399480116e-3, -2.66711392865591e-6],
         [6.60801554403466, 6.38084674585064, -1.36145963724542e-1, -4.17354020307064e-3, 3.99723751748116e-3, 1.67206320571441e-5],
         [11.1636331405597, 16.0373479057256, 3.61783279369958e-1, -3.25884806151064e-3, 2.06438412905916e-3, -2.17699042180559e-5],
         [-30.1777243405203, 1.91155314998064, -1.53887595621042e-1, -2.17471785045538e-4, -3.11361111025884e-3, 3.58344705491441e-5],
         [-21.3858977531573, 32.0719104739886, 2.49245689556096, -1.76936577252484e-3, -2.06720938381724e-3, 6.58091931493844e-4]]
# Standish's mean elements at J2000: a, e, inclination, mean longitude, longitudes of the perihelion and of the node (degrees);
# masses as parts of the Sun's.
PLANETS = [(0.38709927, 0.20563593, 7.00497902, 252.25032350, 77.45779628, 48.33076593, 1 / 6023600),
           (0.72333566, 0.00677672, 3.39467605, 181.97909950, 131.60246718, 76.67984255, 1 / 408523.71),
           (1.00000261, 0.01671123, -0.00001531, 100.46457166, 102.93768193, 0.0, 1 / 328900.56),
           (1.52371034, 0.09339410, 1.84969142, -4.55343205, -23.94362959, 49.55953891, 1 / 3098708),
           (5.20288700, 0.04838624, 1.30439695, 34.39644051, 14.72847983, 100.47390909, 1 / 1047.3486),
           (9.53667594, 0.05386179, 2.48599187, 49.95424423, 92.59887831, 113.66242448, 1 / 3497.898),
           (19.18916464, 0.04725744, 0.77263783, 313.23810451, 170.95427630, 74.01692503, 1 / 22902.98),
           (30.06992276, 0.00859048, 1.77004347, -55.12002969, 44.96476227, 131.78422574, 1 / 19412.24)]

BODIES = """precision f64
const G = {G!r}
const m = [{masses}]
hamiltonian H(q: real[{n}, 3], p: real[{n}, 3]) =
  sum([dot(p[i], p[i])/(2*m[i]) for i in 0:{n}]) - sum([sum([G*m[i]*m[j]/norm(q[i] - q[j]) for j in 0:i]) for i in 1:{n}])
fn roll(q: real[{n}, 3], v: real[{n}, 3]) {{
  let (a, b) = trajectory(H, q, [m[i]*v[i] for i in 0:{n}], times = [0, {span}], method = {method})
  return [concat(a[1, i], b[1, i]/m[i]) for i in 0:{n}]
}}
"""
KEPLER = """precision f64
hamiltonian kepler(q: real[2], p: real[2]) = dot(p, p)/2 - 1/norm(q)
fn roll(q: real[2], p: real[2]) {{
  let (a, b) = trajectory(kepler, q, p, times = [0, {span}], method = {method})
  return concat(a[1], b[1])
}}
"""
LEARNED = """precision f64
import "std/nets"
use energy = mlp([32, 32], 1)
hamiltonian H(q: real[1], p: real[1]) = energy(concat(q, p))[0] + q[0]^2/2 + p[0]^2/2
fn roll(q: real[1], p: real[1]) {{
  let (a, b) = trajectory(H, q, p, times = [0, {span}], method = {method})
  return concat(a[1], b[1])
}}
"""


def outer(batch):
    """Orbits whose starts differ by parts in a thousand; the first as it is."""
    x = np.array(OUTER)
    many = np.tile(x, (batch, 1, 1))
    many[1:] *= 1 + 1e-3 * np.random.default_rng(21).normal(size=many[1:].shape)
    return np.ascontiguousarray(many[:, :, :3]), np.ascontiguousarray(many[:, :, 3:] * 365)


def of_elements(a, e, incl, longitude, peri, node, gm):
    incl, longitude, peri, node = np.radians([incl, longitude, peri, node])
    mean, w = longitude - peri, peri - node
    u = mean
    for _ in range(50):
        u = u - (u - e * np.sin(u) - mean) / (1 - e * np.cos(u))
    b, rate = np.sqrt(1 - e * e), np.sqrt(gm / a**3) / (1 - e * np.cos(u))
    x = np.array([a * (np.cos(u) - e), a * b * np.sin(u), 0])
    v = np.array([-a * rate * np.sin(u), a * b * rate * np.cos(u), 0])

    def turned(z, axis, angle):
        c, s = np.cos(angle), np.sin(angle)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        out = z.copy()
        out[i], out[j] = c * z[i] - s * z[j], s * z[i] + c * z[j]
        return out
    return [turned(turned(turned(z, 2, w), 0, incl), 2, node) for z in (x, v)]


def sun_and_planets():
    """Barycentric; one sample."""
    gm = 4 * np.pi**2
    states = [(np.zeros(3), np.zeros(3))] + [of_elements(*row[:6], gm * (1 + row[6])) for row in PLANETS]
    mass = np.array([1.0] + [row[6] for row in PLANETS])
    q, v = (np.array([s[k] for s in states]) for k in (0, 1))
    return [float(x) for x in mass], gm, *((z - mass @ z / mass.sum())[None] for z in (q, v))


def bodies(name, mass, g, q, v, span, method, reach, step, coarse=False):
    n = len(mass)
    model = BODIES.format(G=g, masses=", ".join(map(repr, mass)), n=n, span=span, method=method)
    return Workload(name=name, family="bodies", kind="call", precision="f64", entry="roll", model=model, data=dict(q=q, v=v),
                    config=dict(mass=mass, G=g, span=span, coarse=coarse), exact=lambda _: reference.bodies(mass, g, q, v, span, step), out=6 * n,
                    unit="ms", per=1e-3, reach=reach)


def kepler(batch=1024, span=10.0):
    from workloads.rollout import ellipses
    q, p = ellipses(batch, 4)
    return Workload(name=f"orbits-kepler-x{batch}", family="ellipses", kind="call", precision="f64", entry="roll",
                    model=KEPLER.format(span=span, method="taylor(rtol = 1e-13)"), data=dict(q=q, p=p), config=dict(span=span),
                    exact=lambda _: reference.kepler(q, p, span), unit="ms", per=1e-3, reach="≥ 1.8× heyoka's batch mode")


def learned(batch, span, method, reach):
    r = np.random.default_rng(8)
    q, p = r.uniform(-1, 1, (2, batch, 1))
    return Workload(name=f"orbits-learned-x{batch}", family="learned", kind="call", precision="f64", entry="roll",
                    model=LEARNED.format(span=span, method=method), data=dict(q=q, p=p), config=dict(span=span),
                    exact=lambda start: reference.learned(start, q, p, span), unit="ms", per=1e-3, reach=reach)


def workloads():
    q, v = outer(8)
    mass, gm, q9, v9 = sun_and_planets()
    return [bodies("orbits-outer", OUTER_MASS, SOLAR, q[:1], v[:1], 2000.0, "gauss16(rtol = 3e-15)", "≥ 8× heyoka, at ≤ 4e-11", 0.5),
            bodies("orbits-outer-x8", OUTER_MASS, SOLAR, q, v, 2000.0, "gauss16(rtol = 1e-14)", "≥ 2× heyoka's batch mode", 0.5),
            bodies("orbits-three", OUTER_MASS[:3], SOLAR, q[:1, :3], v[:1, :3], 20000.0, "gauss16(rtol = 3e-15)",
                   "≥ 4× heyoka, at ≤ 3.5e-9", 0.5),
            bodies("orbits-planets", mass, gm, q9, v9, 200.0, "gauss16(rtol = 3e-15)", "≥ 10× heyoka and IAS15", 0.01),
            bodies("orbits-planets-coarse", mass, gm, q9, v9, 200.0, "gauss16(rtol = 1e-8)", "beside WHFast at its error", 0.01, True),
            kepler(),
            learned(1, 20.0, "taylor(rtol = 1e-14)", "≥ 8× heyoka; ≥ 1.8× dop853 here"),
            learned(1024, 20.0, "dop853(rtol = 1e-8)", "≥ 5× diffrax's dop853")]
