"""CasADi's generated C, compiled by gcc -O3 (casadi_peer.py)."""
from peers import casadi_peer
from peers.casadi_peer import versions  # noqa: F401: of this peer, too


def build(spec, data, start):
    return casadi_peer.build(spec, data, start, generated=True)
