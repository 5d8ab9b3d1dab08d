"""Data parallel training steps: one rank and several, hnnc beside PyTorch (DistributedDataParallel over gloo) and JAX (jit over a mesh of
processes, gloo collectives). The network of a Hamiltonian, 2-200-200-1 in f32, full batches, Adam. A rank has one core.

For each system: the time of a step on each number of ranks, how many times faster than its own single rank, and whether the parameters after the
steps have the same bits. Needs an idle machine with as many cores as ranks.
"""
import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, ROUNDS = 200, 7
MODEL = """precision f32
import "std/nets"
use energy = mlp([%d, %d], 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
data points {
  let q = normal(0, 1, [1])
  let p = normal(0, 1, [1])
  yield q, p, dq = p, dp = -q
}
use train_set = points(count = %d, seed = 0)
loss hnn(q, p, dq, dp) {
  let (vq, vp) = field(learned)(q, p)
  return mean(concat(vq - dq, vp - dp)^2)
}
train hnn on train_set { optimizer = adam(lr = 1e-3), steps = %d, batch = all }
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start():
    """Samples and parameters that every rank makes alike."""
    import numpy as np
    draw = np.random.default_rng(0)
    sizes = [2, WIDTH, WIDTH, 1]
    params = [a.astype("float32") for i, o in zip(sizes, sizes[1:]) for a in (draw.normal(0, i**-0.5, (i, o)), np.zeros(o))]
    x = draw.normal(0, 1, (args.batch, 2)).astype("float32")
    return params, x, np.stack([x[:, 1], -x[:, 0]], 1)


def digest(arrays):
    h = hashlib.sha256()
    for a in arrays:
        h.update(a.tobytes())
    return h.hexdigest()


def timed(step, steps):
    """Seconds a step: the median of rounds."""
    for _ in range(3):
        step()
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(steps):
            last = step()
        wait(last)
        seconds.append((time.perf_counter() - begin)/steps)
    return statistics.median(seconds)


def wait(x):
    if hasattr(x, "block_until_ready"):
        x.block_until_ready()


# ---- a rank of each -------------------------------------------------------------------------------------------------------


def torch_rank(rank, size):
    import torch
    import torch.distributed as dist
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=size)
    params, x, y = start()

    class Field(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.p = torch.nn.ParameterList([torch.nn.Parameter(torch.from_numpy(a.copy())) for a in params[:5]])  # the last bias has no gradient

        def forward(self, x):
            x = x.detach().requires_grad_()
            h = torch.tanh(torch.tanh(x @ self.p[0] + self.p[1]) @ self.p[2] + self.p[3]) @ self.p[4]
            g, = torch.autograd.grad(h.sum(), x, create_graph=True)
            return torch.stack([g[:, 1], -g[:, 0]], 1)

    field = Field()
    model = torch.nn.parallel.DistributedDataParallel(field) if size > 1 else field
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-3, fused=True)
    mine = slice(rank*args.batch//size, (rank + 1)*args.batch//size)
    x, y = torch.from_numpy(x[mine].copy()), torch.from_numpy(y[mine].copy())

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = ((model(x) - y)**2).mean()
        loss.backward()
        optimizer.step()
        return loss

    seconds = timed(step, args.steps)
    return seconds, digest([p.detach().numpy() for p in field.parameters()])


def jax_rank(rank, size):
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    if size > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize("127.0.0.1:" + os.environ["MASTER_PORT"], size, rank)
    import jax.numpy as jnp
    import numpy as np
    import optax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    params, x, y = start()
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    split, same = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    mine = slice(rank*args.batch//size, (rank + 1)*args.batch//size)
    x, y = (jax.make_array_from_process_local_data(split, a[mine]) for a in (x, y))
    optimizer = optax.adam(1e-3)

    def energy(p, x):
        return (jnp.tanh(jnp.tanh(x @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5])[0]

    def loss(p, x, y):
        g = jax.vmap(jax.grad(energy, 1), (None, 0))(p, x)
        return jnp.mean((jnp.stack([g[:, 1], -g[:, 0]], 1) - y)**2)

    @jax.jit
    def step(p, s, x, y):
        l, g = jax.value_and_grad(loss)(p, x, y)
        u, s = optimizer.update(g, s, p)
        return optax.apply_updates(p, u), s, l

    params = [jax.make_array_from_process_local_data(same, a) for a in params]
    state = [params, jax.jit(optimizer.init)(params)]

    def one():
        state[0], state[1], l = step(*state, x, y)
        return l

    seconds = timed(one, args.steps)
    return seconds, digest([np.asarray(a.addressable_data(0)) for a in state[0]])


# ---- all ranks ----------------------------------------------------------------------------------------------------------------


def peer(name, size):
    env = dict(os.environ, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()), OMP_NUM_THREADS="1")
    ranks = []
    for rank in range(size):
        command = [sys.executable, __file__, "--rank", "%s:%d:%d" % (name, rank, size), "--batch", str(args.batch), "--steps", str(args.steps)]
        ranks.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, preexec_fn=lambda k=rank: pin(k)))
    got = [json.loads(p.communicate()[0].splitlines()[-1]) for p in ranks]
    return max(s for s, _ in got), got[0][1] if len({d for _, d in got}) == 1 else "ranks differ"


def pin(rank):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})


def hnnc(size):
    with tempfile.TemporaryDirectory() as dir:
        path, out = os.path.join(dir, "m.hnn"), os.path.join(dir, "run")
        with open(path, "w") as f:
            f.write(MODEL % (WIDTH, WIDTH, args.batch, ROUNDS*args.steps))
        env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        launch = ["mpirun", "-n", str(size)] if size > 1 else []
        said = subprocess.run(launch + [args.hnnc, "bench", path, "--json", "--threads", "1"], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
        subprocess.run(launch + [args.hnnc, "run", path, "--out", out, "--threads", "1", "-q"], env=env, stdout=subprocess.DEVNULL, check=True)
        with open(os.path.join(out, "checkpoints", "last"), "rb") as f:
            bits = digest_of(f.read())
        row = json.loads(said)
        return row["us_per_step"]*1e-6, bits, row


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def main():
    if not shutil.which("mpirun"):
        sys.exit("bench/ranks: there is no mpirun: apt install openmpi-bin libopenmpi-dev, and build hnnc again")
    sizes = [int(s) for s in args.ranks.split(",")]
    print("2-%d-%d-1, f32, batch %d, Adam; load %.1f" % (WIDTH, WIDTH, args.batch, os.getloadavg()[0]))
    print("%-8s %6s %12s %8s %10s  %s" % ("system", "ranks", "us a step", "faster", "beside hnnc", "bits of one rank"))
    ours = {}
    for name in args.systems.split(","):
        first = None
        for size in sizes:
            got = hnnc(size) if name == "hnnc" else peer(name, size)
            first = first or got
            if name == "hnnc":
                ours[size] = got[0]
            beside = "%.2f" % (got[0]/ours[size]) if size in ours else ""
            same = "" if size == sizes[0] else got[1] if "differ" in got[1] else "the same" if got[1] == first[1] else "others"
            print("%-8s %6d %12.1f %8.2f %10s  %s" % (name, size, got[0]*1e6, first[0]/got[0], beside, same), flush=True)
            if len(got) > 2 and size > 1:
                print("         exchange %.1f us (%.1f %%), waiting %.1f us, %.0f kB sent" %
                      (got[2]["exchange_us"], 100*got[2]["exchange_us"]/got[2]["us_per_step"], got[2]["waiting_us"], got[2]["sent_kb"]))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--batch", type=int, default=1024)
parser.add_argument("--steps", type=int, default=40, help="in a round, of which there are %d" % ROUNDS)
parser.add_argument("--ranks", default="1,2")
parser.add_argument("--systems", default="hnnc,torch,jax")
parser.add_argument("--hnnc", default=os.path.join(HERE, "..", "build", "driver", "hnnc"))
parser.add_argument("--rank", help=argparse.SUPPRESS)
args = parser.parse_args()
args.hnnc = os.path.abspath(args.hnnc)
if args.rank:
    name, rank, size = args.rank.split(":")
    print(json.dumps({"torch": torch_rank, "jax": jax_rank}[name](int(rank), int(size))))
else:
    main()
