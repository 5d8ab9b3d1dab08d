"""PyTorch, whose convolutions are oneDNN's: the networks of workloads/conv.py."""
import torch
import torch.nn.functional as F


def loss(config, params, data):
    h, y = data
    for k in range(0, len(params), 2):
        h = F.conv2d(h, params[k], params[k + 1], padding=1)
        if k + 2 < len(params):
            h = torch.relu(h)
    return ((h - y) ** 2).mean()


def halved(h, W, b):
    """Stride 2: a `same` of even sizes puts its one zero behind."""
    return F.silu(F.conv2d(F.pad(h, (0, 1, 0, 1)), W, b, stride=2))


def mlp_slope(params, x):
    """Gradient of the energy, by hand: autograd with create_graph is slower."""
    W1, b1, W2, b2, W3, b3 = params
    u = torch.addmm(b1, x, W1.T)
    v = torch.addmm(b2, F.softplus(u), W2.T)
    return ((torch.sigmoid(v) * W3) @ W2 * torch.sigmoid(u)) @ W1


def hgn_loss(config, params, data):
    film, noise = data
    h = film
    for k in range(0, 6, 2):
        h = halved(h, params[k], params[k + 1])
    flat = h.flatten(1)
    mean, log_sd = (torch.addmm(params[k + 1], flat, params[k].T) for k in (6, 8))
    kinetic, potential, decoder = params[10:16], params[16:22], params[22:]
    z, dt = mean + torch.exp(log_sd) * noise, config["dt"]
    q, p = z[:, :16], z[:, 16:]
    points = [q]
    for _ in range(9):
        p = p - dt / 2 * mlp_slope(potential, q)
        q = q + dt * mlp_slope(kinetic, p)
        p = p - dt / 2 * mlp_slope(potential, q)
        points.append(q)
    h = F.silu(torch.addmm(decoder[1], torch.stack(points, 1).flatten(0, 1), decoder[0].T)).view(-1, 32, 4, 4)
    for k in range(2, 8, 2):
        h = F.silu(F.conv2d(F.interpolate(h, scale_factor=2), decoder[k], decoder[k + 1], padding=1))
    drawn = F.conv2d(h, decoder[8], decoder[9], padding=1).view(film.shape)
    kl = (mean ** 2 + torch.exp(2 * log_sd) - 2 * log_sd - 1).sum(1) / 2
    return ((drawn - film) ** 2).mean() + 1e-5 * kl.mean()
