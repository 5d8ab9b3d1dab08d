"""REBOUND: IAS15 (Rein and Spiegel 2015), one orbit after the other."""
import numpy as np
import rebound

from peers import Missing, loosest


def versions():
    return {"rebound": rebound.__version__}


class Bodies:
    def __init__(self, spec, data, options, settings):
        """settings(simulation, option): what is set for one of `options`, which begin with the most exact."""
        self.config, (self.q, self.v), self.settings = spec["config"], data, settings
        self.option = loosest(spec, options, self.solved)

    def compile(self):
        pass

    def begin(self, k):
        sim = rebound.Simulation()
        sim.G = self.config["G"]
        for m, x, u in zip(self.config["mass"], self.q[k], self.v[k]):
            sim.add(m=m, x=x[0], y=x[1], z=x[2], vx=u[0], vy=u[1], vz=u[2])
        self.settings(sim, self.option)
        return sim

    def solved(self, option):
        self.option = option
        return self.check()

    def run(self):
        self.out = np.empty((len(self.q), len(self.config["mass"]), 6))
        for k in range(len(self.q)):
            sim = self.begin(k)
            sim.integrate(self.config["span"])
            self.out[k] = [(p.x, p.y, p.z, p.vx, p.vy, p.vz) for p in sim.particles]
        return 1

    def check(self):
        self.run()
        return self.out.ravel()


def ias15(sim, epsilon):
    sim.integrator = "ias15"
    sim.integrator.epsilon = epsilon


def build(spec, data, start):
    if spec["family"] != "bodies":
        raise Missing("a program for bodies that attract each other")
    return Bodies(spec, data, [10.0**-k for k in range(9, 0, -1)], ias15)
