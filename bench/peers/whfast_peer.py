"""REBOUND: WHFast (Rein and Tamayo 2015), symplectic correctors of order 17, steps synchronised at the end alone."""
from peers import Missing
from peers.rebound_peer import Bodies, versions  # noqa: F401


def whfast(sim, dt):
    sim.integrator = "whfast"
    sim.dt = dt
    sim.integrator.safe_mode = 0
    sim.integrator.corrector = 17


def build(spec, data, start):
    if spec["family"] != "bodies" or not spec["config"]["coarse"]:
        raise Missing("its error is far above the others'; it is measured at its own")
    return Bodies(spec, data, [spec["config"]["span"] / n for n in (400000, 200000, 100000, 60000, 40000, 30000, 25000, 20000, 16000, 13000, 10000, 8000, 6000, 5000, 4000)], whfast)
