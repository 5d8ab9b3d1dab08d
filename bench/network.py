#!/usr/bin/env python3
"""Ranks on machines that are not there: each in a network namespace with a host name of its own, joined by links with a latency and a bandwidth.

    bench/network.py --ranks 2 --latency 500e-6 --rate 125e6 -- build/driver/hnnc bench models/pendulum.hnn --threads 1

A namespace has a TUN device, whose packets this program passes on after latency + length/rate: links of a switch, one packet after the other on
each. It does so to about 0.1 ms, and takes a core: latencies below 0.2 ms say little. On a busy
machine the ranks wait for their cores; as root, `sh -c 'echo -15 >/proc/$$/autogroup; exec hnnc ...'` as the command puts them first. Open MPI starts its ranks by an agent that enters the
namespace instead of ssh. Needs root, and Open MPI.
"""
import argparse
import fcntl
import heapq
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x0001, 0x1000
MTU, NET = 9000, "10.77.0."


def sh(*words):
    subprocess.run(words, check=True)


def tun(k):
    """A device in namespace k; what is written to the descriptor arrives there."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", b"hnncnet%d" % k, IFF_TUN | IFF_NO_PI))
    name, space = "hnncnet%d" % k, "hnnc%d" % k
    sh("ip", "netns", "add", space)
    sh("ip", "link", "set", name, "netns", space)
    for words in (["addr", "add", "%s%d/24" % (NET, k + 1), "dev", name], ["link", "set", name, "mtu", str(MTU), "up"], ["link", "set", "lo", "up"]):
        sh("ip", "-n", space, *words)
    return fd


def switch(fds, latency, rate, over):
    """Packets by their address, each when it would arrive: before all that waits for a core, so that other work does not lengthen the links."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        print("bench/network.py: the switch has no priority, and waits for its core like all others", file=sys.stderr)
    of = {int.from_bytes(bytes(map(int, (NET + str(k + 1)).split("."))), "big"): fd for k, fd in enumerate(fds)}
    free, waiting, number = dict.fromkeys(fds, 0.0), [], 0
    while not over.is_set():
        now = time.monotonic()
        rest = min(0.05, max(0.0, waiting[0][0] - now)) if waiting else 0.05
        for fd in select.select(fds, [], [], rest if rest > 1e-4 else 0)[0]:
            try:
                while True:
                    packet = os.read(fd, MTU + 100)
                    to = of.get(int.from_bytes(packet[16:20], "big")) if packet[0] >> 4 == 4 else None
                    if to is None:
                        continue
                    now = time.monotonic()
                    free[fd] = max(free[fd], now) + len(packet)/rate
                    heapq.heappush(waiting, (free[fd] + latency, number, to, packet))
                    number += 1
            except BlockingIOError:
                pass
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(waiting)
            try:
                os.write(to, packet)
            except OSError:
                pass


AGENT = """#!/bin/sh
# HOST WORDS...: runs the words in the namespace of the host.
k=$((${1##*.} - 1)); shift
exec ip netns exec hnnc$k unshare --uts sh -c "hostname node$k; $*"
"""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--latency", type=float, default=500e-6, help="seconds, one way")
    p.add_argument("--rate", type=float, default=1.25e9, help="bytes a second of a link")
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    command = a.command[a.command[:1] == ["--"]:]
    if os.geteuid() or not shutil.which("mpirun.openmpi") or not command:
        sys.exit("bench/network.py needs root, Open MPI (apt install openmpi-bin) and a COMMAND behind --")
    over = threading.Event()
    with tempfile.TemporaryDirectory() as dir:
        agent = os.path.join(dir, "agent")
        with open(agent, "w") as f:
            f.write(AGENT)
        os.chmod(agent, 0o755)
        try:
            fds = [tun(k) for k in range(a.ranks)]
            links = threading.Thread(target=switch, args=(fds, a.latency, a.rate, over))
            links.start()
            env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
            hosts = ",".join("%s%d:1" % (NET, k + 1) for k in range(a.ranks))
            net = NET + "0/24"
            words = ["mpirun.openmpi", "--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", net, "--mca",
                     "oob_tcp_if_include", net, "--bind-to", "none", "--host", hosts, "-n", str(a.ranks), *command]
            code = subprocess.run([agent, NET + "1", " ".join("'%s'" % w.replace("'", "'\\''") for w in words)], env=env).returncode
        finally:
            over.set()
            links.join()
            for k in range(a.ranks):
                subprocess.run(["ip", "netns", "del", "hnnc%d" % k], stderr=subprocess.DEVNULL)
    sys.exit(code)


if __name__ == "__main__":
    main()
