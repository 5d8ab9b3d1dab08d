"""onnx_import.py HNNC [NAME ...]: see tools/test_onnx --import, which calls it. `--write FOLDER` makes the files of tests/networks.

Networks in PyTorch, with weights at random, are exported by both of its exporters, in both precisions and by several versions of the operators;
read by hnnc; and their values and derivatives by inputs and by weights compared: within 1e-10 of the largest number in f64, 1e-6 in f32 (of networks
of many layers some times as much). A weight is found by its name, or by its numbers where an exporter transposed or renamed it."""
import contextlib
import os
import sys
import tempfile
import warnings

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F

SAMPLES = 3
WITHIN = {torch.float64: 1e-10, torch.float32: 1e-6}


class Residual(nn.Module):
    def __init__(s, norm):
        super().__init__()
        s.enter, s.leave = nn.Linear(4, 12), nn.Linear(12, 1)
        s.block = nn.ModuleList([nn.Sequential(norm(12), nn.Linear(12, 12), nn.SiLU(), nn.Linear(12, 12)) for _ in range(2)])

    def forward(s, x):
        h = s.enter(x)
        for b in s.block:
            h = h + b(h)
        return s.leave(h)


class Energy(nn.Module):
    """Of q and p, with a scalar that is learned and a buffer."""

    def __init__(s):
        super().__init__()
        s.net, s.mass = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 1)), nn.Parameter(torch.tensor([0.7]))
        s.register_buffer("shift", torch.tensor([0.3, -0.4]))

    def forward(s, q, p):
        kinetic = (p**2).sum(-1, keepdim=True)*torch.exp(s.mass)/2
        return kinetic + s.net(torch.sin(q - s.shift)), kinetic.squeeze(-1)


class Attention(nn.Module):
    def __init__(s, causal):
        super().__init__()
        s.qkv, s.out, s.causal = nn.Linear(8, 24), nn.Linear(8, 8), causal

    def forward(s, x):
        b, n, d = x.shape
        q, k, v = [t.reshape(b, n, 2, d//2).transpose(1, 2) for t in s.qkv(x).chunk(3, dim=-1)]
        a = torch.einsum("bhid,bhjd->bhij", q, k)/(d//2)**0.5
        if s.causal:
            a = a.masked_fill(torch.triu(torch.ones(n, n, dtype=torch.bool), 1), float("-inf"))
        return s.out((a.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d))


class Encoder(nn.Module):
    def __init__(s):
        super().__init__()
        s.place = nn.Parameter(torch.zeros(5, 8))
        s.attention, s.one, s.two = Attention(False), nn.LayerNorm(8), nn.LayerNorm(8)
        s.feed, s.leave = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)), nn.Linear(8, 2)

    def forward(s, x):
        h = x + s.place
        h = h + s.attention(s.one(h))
        h = h + s.feed(s.two(h))
        return s.leave(h.mean(dim=1)).log_softmax(-1)


class Torch(nn.Module):
    """PyTorch's own layer."""

    def __init__(s):
        super().__init__()
        s.layer, s.leave = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True), nn.Linear(8, 1)

    def forward(s, x):
        return s.leave(s.layer(x).mean(1))


class Pictures(nn.Module):
    def __init__(s):
        super().__init__()
        s.net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
                              nn.SiLU(), nn.AvgPool2d(2, 1, padding=1, count_include_pad=False), nn.BatchNorm2d(6), nn.Conv2d(6, 4, (1, 2), dilation=(1, 2)), nn.Tanh(),
                              nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Softmax(dim=-1))

    def forward(s, x):
        return s.net(x)


class Decoder(nn.Module):
    def __init__(s):
        super().__init__()
        s.enter = nn.Linear(3, 4*2*2)
        s.net = nn.Sequential(nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1), nn.GroupNorm(2, 4, eps=2**-16), nn.LeakyReLU(0.125), nn.ConvTranspose2d(4, 4, 2, stride=2, groups=2),
                              nn.InstanceNorm2d(4, eps=2**-16, affine=True), nn.ELU(), nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"))

    def forward(s, x):
        return torch.sigmoid(s.net(s.enter(x).view(-1, 4, 2, 2)))


class Waves(nn.Module):
    """One spatial axis and three, other paddings."""

    def __init__(s):
        super().__init__()
        s.a, s.b, s.c = nn.Conv1d(1, 3, 5, padding="same", dilation=2), nn.ConvTranspose1d(3, 2, 4, stride=3, padding=1, dilation=2), nn.Conv3d(1, 2, 2)

    def forward(s, x):
        y = s.b(torch.tanh(s.a(F.pad(x, (2, 2), mode="reflect"))))
        return y, s.c(F.pad(x[..., :8].reshape(-1, 1, 2, 2, 2), (1, 0, 1, 0, 0, 1))).flatten(1)


class Pairs(nn.Module):
    """Distances of all pairs, neighbours by number, powers: what broadcasts, moves and reduces."""

    def __init__(s):
        super().__init__()
        s.net, s.table = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)), nn.Parameter(torch.zeros(4, 3))

    def forward(s, x):                       # [B, 4, 2]
        d = x[:, :, None, :] - x[:, None, :, :]
        r2 = (d*d).sum(-1) + torch.eye(4, dtype=x.dtype)
        far = torch.where(r2 > 1.0, 1/torch.sqrt(r2), r2.pow(1.5).clamp(max=0.75))
        near = torch.cat([x[:, [1, 3, 0, 2]], far.amax(-1, keepdim=True)], dim=2)
        near = near + s.table[torch.tensor([2, 0, 1, 1])].expand(x.shape[0], -1, -1)
        return s.net(near).mean(dim=(1, 2)), torch.logsumexp(far, dim=(1, 2)), torch.minimum(far[:, 0], far[:, 1].abs()).prod(-1)


def activations(rounded):
    """rounded: those whose constants ONNX has in f32."""
    acts = [nn.SELU(), nn.Hardswish(), nn.Hardsigmoid()] if rounded else [
        nn.Tanh(), nn.GELU(), nn.Softplus(), nn.SiLU(), nn.ELU(0.75), nn.LeakyReLU(0.25), nn.Sigmoid(), nn.ReLU(), nn.Mish(), nn.GELU("tanh"), nn.Softsign(),
        nn.PReLU(6), nn.LogSigmoid(), nn.Tanhshrink(), nn.Hardtanh(-0.5, 0.5), nn.ReLU6(), nn.CELU(1.25)]
    return nn.Sequential(*[m for a in acts for m in (nn.Linear(6, 6), a)], nn.Linear(6, 2))


CASES = {                                  # a network, the shapes of its inputs
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 1)), [(4,)]),
    "activations": (lambda: activations(False), [(6,)]),
    "activations_f32": (lambda: activations(True), [(6,)]),
    "residual": (lambda: Residual(nn.LayerNorm), [(4,)]),
    "residual_batch_norm": (lambda: Residual(nn.BatchNorm1d), [(4,)]),
    "energy": (Energy, [(2,), (2,)]),
    "attention": (lambda: Attention(False), [(5, 8)]),
    "causal": (lambda: Attention(True), [(5, 8)]),
    "encoder": (Encoder, [(5, 8)]),
    "torch_layer": (Torch, [(5, 8)]),
    "pictures": (Pictures, [(2, 9, 8)]),
    "decoder": (Decoder, [(3,)]),
    "waves": (Waves, [(1, 16)]),
    "pairs": (Pairs, [(4, 2)]),
}


def network(name, dtype):
    torch.manual_seed(sum(map(ord, name)))
    net = CASES[name][0]().to(dtype)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((torch.randn_like(p)*0.5/max(1, p.numel()//max(1, p.shape[0]) if p.dim() else 1)**0.5).to(dtype))
        for b_name, b in net.named_buffers():
            if "running_var" in b_name:
                b.copy_(torch.rand_like(b) + 0.5)
            elif "running_mean" in b_name:
                b.copy_(torch.randn_like(b)*0.3)
    return net.eval()


@contextlib.contextmanager
def quiet():
    """Without what PyTorch prints, in C++ too."""
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nothing:
        sys.stdout.flush()
        for k in (1, 2):
            os.dup2(nothing.fileno(), k)
        try:
            yield
        finally:
            sys.stdout.flush()
            for k in (0, 1):
                os.dup2(kept[k], k + 1)
                os.close(kept[k])


def export(net, inputs, path, new, opset):
    names = ["x%d" % k for k in range(len(inputs))]
    if new:
        batch = torch.export.Dim("B", min=2)
        more = {"dynamic_shapes": tuple({0: batch} for _ in inputs), "external_data": False}
    else:
        more = {"dynamic_axes": {n: {0: "B"} for n in names}}
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, tuple(inputs), path, input_names=names, dynamo=new, opset_version=opset, **more)


def reference(net, inputs):
    """Values, cotangents, and the derivatives of the sum of their products."""
    x = [t.clone().requires_grad_() for t in inputs]
    out = net(*x)
    out = out if isinstance(out, tuple) else (out,)
    c = [torch.randn_like(y) for y in out]
    named = dict(net.named_parameters())
    grads = torch.autograd.grad(sum((y*k).sum() for y, k in zip(out, c)), x + list(named.values()), allow_unused=True)
    grads = [torch.zeros_like(t) if g is None else g for t, g in zip(x + list(named.values()), grads)]
    return [y.detach().numpy() for y in out], [k.numpy() for k in c], [g.numpy() for g in grads[:len(x)]], dict(zip(named, [g.numpy() for g in grads[len(x):]]))


def program(path, dtype):
    return 'precision %s\nuse net = onnx("%s", weights = [])\n' % ("f64" if dtype == torch.float64 else "f32", path)


def distance(a, b, scale=0.0):
    a, b = np.asarray(a, "f8").ravel(), np.asarray(b, "f8").ravel()
    if a.shape != b.shape:
        return np.inf
    return float(np.max(np.abs(a - b), initial=0)/max(np.max(np.abs(b), initial=0), scale, 1e-300))


def same_weight(have, net):
    """The parameter of the network that has these numbers, and whether transposed."""
    flat = np.asarray(have, "f8").ravel()
    for name, p in net.named_parameters():
        p = p.detach().numpy().astype("f8")
        if p.size == flat.size and np.array_equal(p.ravel(), flat):
            return name, False
        if p.ndim == 2 and p.size == flat.size and np.array_equal(p.T.ravel(), flat):
            return name, True
    return None, False


def check(hnnc, name, dtype, new, opset, folder):
    net = network(name, dtype)
    inputs = [torch.randn(SAMPLES, *shape, dtype=dtype) for shape in CASES[name][1]]
    path = os.path.join(folder, "%s.onnx" % name)
    export(net, inputs, path, new, opset)
    y, c, gx, gw = reference(net, inputs)
    m = hnnc.compile(program(path, dtype), name=os.path.join(folder, "model.hnn"))
    x = [t.numpy() for t in inputs]
    got = m.functions["net"](*x)
    got = got if isinstance(got, tuple) else (got,)
    worst = {"values": max(distance(a, b) for a, b in zip(got, y))}
    *by_input, by_weight = m.functions["net"].vjp(*x, *c)
    worst["by inputs"] = max(distance(a, b) for a, b in zip(by_input, gx))
    scale = max(np.max(np.abs(g)) for g in gw.values())*0.1
    found, worst["by weights"] = 0, 0.0
    for path, g in m.params.unflatten(by_weight).items():
        of, turned = same_weight(m.params[path], net)
        if of is None:
            continue
        found += 1
        worst["by weights"] = max(worst["by weights"], distance(g, gw[of].T if turned else gw[of], scale))
    return worst, "%d of %d weights" % (found, len(gw)), found


def bare(path):
    """Without what says where the network was made."""
    m = onnx.load(path)
    for part in [m, m.graph, *m.graph.node, *m.graph.initializer, *m.graph.value_info, *m.graph.input, *m.graph.output]:
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        if hasattr(part, "doc_string"):
            part.ClearField("doc_string")
    onnx.save(m, path)


def write(folder):
    """What tests/networks holds: a network, arguments, values and derivatives by the arguments, in f64."""
    for name, new in [("mlp", False), ("energy", True), ("encoder", False), ("pictures", False), ("decoder", False), ("waves", False), ("pairs", False), ("activations", False)]:
        net = network(name, torch.float64 if name != "mlp" else torch.float32)
        inputs = [torch.randn(SAMPLES, *shape, dtype=next(net.parameters()).dtype) for shape in CASES[name][1]]
        export(net, inputs, os.path.join(folder, name + ".onnx"), new, 18)
        bare(os.path.join(folder, name + ".onnx"))
        y, c, gx, _ = reference(net, inputs)
        arrays = {"x%d" % k: t.numpy() for k, t in enumerate(inputs)}
        for key, of in (("y", y), ("c", c), ("g", gx)):
            arrays.update({"%s%d" % (key, k): a for k, a in enumerate(of)})
        np.savez(os.path.join(folder, name + ".npz"), **arrays)


def main():
    if "--write" in sys.argv:
        return write(sys.argv[sys.argv.index("--write") + 1])
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[1]))), "python"))
    import hnnc
    failed = passed = 0
    for name in sys.argv[2:] or CASES:
        for dtype in (torch.float64, torch.float32)[name.endswith("_f32"):]:
            for new, opset in ((False, 11), (False, 13), (False, 18), (True, 18), (True, 20)):
                title = "%s %s, %s exporter, opset %d" % (name, str(dtype)[6:], "new" if new else "old", opset)
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        worst, weights, found = check(hnnc, name, dtype, new, opset, folder)
                    except torch.onnx.errors.OnnxExporterError as e:
                        print("%s: PyTorch does not export it: %s" % (title, str(e).split("\n")[0][:120]))
                        continue
                    except Exception as e:
                        worst, weights, found = {"failed": np.inf}, "%s: %s" % (type(e).__name__, str(e)[:600]), 0
                within = WITHIN[dtype]*(10 if dtype == torch.float32 and name.split("_f32")[0] in ("activations", "pictures", "decoder", "torch_layer", "encoder") else 1)
                good = all(w <= within for w in worst.values()) and found > 0
                passed, failed = passed + good, failed + (not good)
                print("%s %s: %s, %s" % ("ok  " if good else "FAIL", title, ", ".join("%s %.1e" % w for w in worst.items()), weights))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
