"""Writes splatting.safetensors: pictures of Gaussians and their gradients, worked out pixel by pixel in double precision.

    python Tests/Golden/make_splatting.py        (needs torch, safetensors)

The gradients are autograd's; central differences of the same function are compared with them before anything is written.
"""
import torch

from cases import case, r, save, saved

torch.manual_seed(9)


def splatted(width, height, focal, centre, rotation, translation, background):
    """Gaussian splatting pixel by pixel, gradients by autograd: gsplat's rules and constants."""
    rotation, translation, background = (torch.tensor(v, dtype=torch.float64) for v in (rotation, translation, background))
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) + 0.5 for n in (height, width)), indexing="ij")

    def draw(means, scales, rotations, colours, opacities):
        q = rotations / rotations.norm(dim=1, keepdim=True)
        w, i, j, k = q.unbind(1)
        turn = torch.stack([
            1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j),
            2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i),
            2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)], 1).reshape(-1, 3, 3)
        half = turn * scales[:, None]
        world = half @ half.mT
        t = means @ rotation.T + translation
        tz = t[:, 2]
        edges = [0.15 * width / focal[0], 0.15 * height / focal[1]]
        kept = [tz * torch.clamp(t[:, a] / tz, -centre[a] / focal[a] - edges[a], ((width, height)[a] - centre[a]) / focal[a] + edges[a])
                for a in (0, 1)]
        zero = torch.zeros_like(tz)
        jacobian = torch.stack([focal[0] / tz, zero, -focal[0] * kept[0] / tz**2, zero, focal[1] / tz, -focal[1] * kept[1] / tz**2],
                               1).reshape(-1, 2, 3)
        flat = jacobian @ rotation @ world @ rotation.T @ jacobian.mT + 0.3 * torch.eye(2, dtype=torch.float64)
        conic = torch.linalg.inv(flat)
        places = [focal[a] * t[:, a] / tz + centre[a] for a in (0, 1)]
        sums = torch.zeros(height, width, 4, dtype=torch.float64)
        light = torch.ones(height, width, dtype=torch.float64)
        live = torch.ones(height, width, dtype=torch.bool)
        for n in torch.argsort(tz, stable=True).tolist():
            if tz[n] <= 0.01:
                continue
            dx, dy = places[0][n] - x, places[1][n] - y
            sigma = 0.5 * (conic[n, 0, 0] * dx * dx + conic[n, 1, 1] * dy * dy) + conic[n, 0, 1] * dx * dy
            alpha = torch.clamp(opacities[n] * torch.exp(-sigma), max=0.99)
            takes = live & (alpha >= 1 / 255)
            ends = takes & (light * (1 - alpha) <= 1e-4)
            live, takes = live & ~ends, takes & ~ends
            alpha = torch.where(takes, alpha, 0.0)
            sums = sums + (alpha * light)[..., None] * torch.cat([colours[n], tz[n : n + 1]])
            light = light * (1 - alpha)
        return torch.cat([sums[..., :3] + light[..., None] * background, sums[..., 3:], 1 - light[..., None]], -1)

    return draw


# A turned camera, a picture that is no multiple of a tile, some Gaussians behind it, beside it, opaque, faint, long.
angle = 0.3
turned = [[0.955336489, 0, 0.295520207], [0, 1, 0], [-0.295520207, 0, 0.955336489]]
for name, count, width, height in (("splatted", 10, 20, 18), ("splatted many", 150, 37, 34)):
    means = r(count, 3) * torch.tensor([1.3, 1.2, 0.8]) + torch.tensor([0.0, 0.0, 2.5])
    means[0, 2] = -1
    means[1, 0] = 6
    scales = torch.exp(r(count, 3) * 0.5 - 2)
    opacities = torch.sigmoid(r(count) * 1.5 + 0.5)
    opacities[2], opacities[3] = 1.0, 0.003
    opacities[4:7] = 0.999
    draw = splatted(width, height, (25.0, 27.0), (18.0, 17.5), turned, [0.1, -0.05, 0.4], [0.2, 0.5, 0.1])
    case(name, draw, means, scales, r(count, 4), torch.rand(count, 3, dtype=torch.float64), opacities)
    # Central differences: a step that small rarely crosses an edge, where the picture jumps.
    inputs = [saved[f"{name}/in{i}"].double() for i in range(5)]
    up, wrong, tried = saved[f"{name}/up"].double(), 0, 0
    for i, x in enumerate(inputs):
        for place in range(0, x.numel(), 7):
            sides = []
            for sign in (1, -1):
                moved = x.clone().flatten()
                moved[place] += sign * 1e-6
                sides.append((draw(*inputs[:i], moved.reshape(x.shape), *inputs[i + 1:]) * up).sum())
            slope, found = (sides[0] - sides[1]) / 2e-6, saved[f"{name}/grad{i}"].flatten()[place]
            wrong += abs(slope - found) > 1e-4 * (1 + abs(found))
            tried += 1
    print(f"{name}: {wrong} of {tried} central differences differ")
    assert wrong <= 0.02 * tried

save("splatting.safetensors")
