"""Writes metrics.safetensors: PSNR, SSIM, LPIPS, I3D's logits and Fréchet distances, in 64 bits, by PyTorch and NumPy.

    .venv-peers/bin/python Tests/Golden/make_metrics.py        (needs torch, numpy, safetensors)

Pictures, features and weights are the formula `wave` on both sides: tensor number k of a network, in the order of all
names, is the wave k. The networks' structure follows the papers and the published state dictionaries; nothing is
downloaded, so these numbers check the arithmetic and say nothing about the released weights.
"""
import math
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
saved = {}


def wave(shape, k, scale=0.1, offset=0.0):
    x = torch.sin(12.9898 * torch.arange(math.prod(shape), dtype=torch.float64) + 78.233 * k) * 43758.5453
    x = (scale * (2 * (x - torch.floor(x)) - 1)).float().double() + offset
    return x.float().double().reshape(shape)


def add(a, b):
    """A sum in 32 bits, as the other side makes it."""
    return (a.float() + b.float()).double()


def keep(name, value):
    saved[name] = torch.as_tensor(value, dtype=torch.float64).detach().float().contiguous()


# --- PSNR and SSIM -------------------------------------------------------------------------------------------------
def psnr(a, b):
    return 10 * torch.log10(1 / (((a.clamp(0, 1) - b.clamp(0, 1)) ** 2).mean() + 1e-8))


def ssim(a, b):
    """By the whole window at once, not by rows and columns, and by moments about the mean."""
    a, b = (x.clamp(0, 1).permute(2, 0, 1) for x in (a, b))
    place = torch.arange(11.0) - 5
    window = torch.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / (2 * 1.5**2))
    window = (window / window.sum()).reshape(-1)
    a, b = (x.unfold(1, 11, 1).unfold(2, 11, 1).reshape(3, -1, 121) for x in (a, b))
    ma, mb = a @ window, b @ window
    da, db = a - ma[..., None], b - mb[..., None]
    va, vb, covariance = (da * da) @ window, (db * db) @ window, (da * db) @ window
    c1, c2 = 0.01**2, 0.03**2
    values = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1) * (2 * covariance + c2) / (va + vb + c2)
    return values.mean(1).mean()


def pictures(name):
    if name == "noise":  # values beyond 0...1 come up
        a = wave((24, 31, 3), 1, 0.5, 0.5)
        return a, add(a, wave((24, 31, 3), 2, 0.2))
    if name == "smooth":
        place = torch.arange(40 * 33 * 3, dtype=torch.float64)
        a = (0.5 + 0.4 * torch.sin(0.003 * place)).float().double().reshape(40, 33, 3)
        return a, add(a, wave((40, 33, 3), 3, 0.03))
    if name == "window":  # one place only
        return wave((11, 11, 3), 4, 0.5, 0.5), wave((11, 11, 3), 5, 0.5, 0.5)
    return wave((16, 12, 3), 6, 0.5, 0.5), wave((16, 12, 3), 6, 0.5, 0.5)


for name in ("noise", "smooth", "window", "equal"):
    keep(f"{name}/psnr", psnr(*pictures(name)))
    keep(f"{name}/ssim", ssim(*pictures(name)))
    print(name, float(psnr(*pictures(name))), float(ssim(*pictures(name))))


# --- weights -------------------------------------------------------------------------------------------------------
def weights(shapes):
    """By name; sizes keep a deep network's values from dying out, variances and heads are positive."""
    made = {}
    for k, name in enumerate(sorted(shapes)):
        shape = tuple(shapes[name])
        if name.startswith("lin") or name.endswith("running_var"):
            made[name] = wave(shape, k, 0.5, 0.5 if name.startswith("lin") else 1)
        elif len(shape) > 1:
            made[name] = wave(shape, k, math.sqrt(6 / math.prod(shape[1:])))
        else:
            made[name] = wave(shape, k, 0.1, 1 if name.endswith("bn.weight") else 0)
    return made


def fill(module):
    shapes = {n: tuple(t.shape) for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked")}
    module.load_state_dict(weights(shapes), strict=False)
    return module.eval()


# --- LPIPS ---------------------------------------------------------------------------------------------------------
class Heads(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))


def relu():
    return nn.ReLU()


class Lpips(nn.Module):
    def __init__(self, trunk):
        super().__init__()
        if trunk == "AlexNet":
            layers = [nn.Conv2d(3, 64, 11, 4, 2), relu(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), relu(),
                      nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), relu(),
                      nn.Conv2d(384, 256, 3, padding=1), relu(), nn.Conv2d(256, 256, 3, padding=1), relu()]
            self.compared, widths = (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)
        else:
            layers, inputs = [], 3
            for v in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512):
                layers += [nn.MaxPool2d(2, 2)] if v == "M" else [nn.Conv2d(inputs, v, 3, padding=1), relu()]
                inputs = inputs if v == "M" else v
            self.compared, widths = (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)
        self.features = nn.Sequential(*layers)
        for i, width in enumerate(widths):
            setattr(self, f"lin{i}", Heads(width))

    def activations(self, x):
        x = 2 * x.clamp(0, 1).permute(0, 3, 1, 2) - 1
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = (x - shift[:, None, None]) / scale[:, None, None]
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.compared:
                yield x / (x.norm(dim=1, keepdim=True) + 1e-10)

    def forward(self, a, b):
        total = 0
        for i, (x, y) in enumerate(zip(self.activations(a), self.activations(b))):
            total = total + getattr(self, f"lin{i}").model((x - y) ** 2).mean((1, 2, 3))
        return total


for trunk, shape in (("AlexNet", (3, 70, 51, 3)), ("VGG16", (2, 35, 49, 3))):
    a = wave(shape, 300, 0.5, 0.5)
    b = add(a, wave(shape, 301, 0.2))
    with torch.no_grad():
        keep(f"lpips/{trunk}", fill(Lpips(trunk))(a, b))
    print(trunk, saved[f"lpips/{trunk}"].tolist())


# --- I3D -----------------------------------------------------------------------------------------------------------
def same(x, kernel, stride):
    """TensorFlow's SAME: as many windows as strides fit, zeros around, the odd one behind."""
    pads = []
    for length, k, s in reversed(list(zip(x.shape[2:], kernel, stride))):
        total = max((math.ceil(length / s) - 1) * s + k - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class Unit(nn.Module):
    def __init__(self, inputs, outputs, kernel=1, stride=1, plain=False):
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=plain)
        if not plain:
            self.bn = nn.BatchNorm3d(outputs, eps=0.001)

    def forward(self, x):
        x = self.conv3d(same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return self.bn(x).relu() if hasattr(self, "bn") else x


def pool(x, kernel, stride):
    return F.max_pool3d(same(x, kernel, stride), kernel, stride)


class Mixed(nn.Module):
    def __init__(self, inputs, w):
        super().__init__()
        self.b0, self.b1a, self.b1b = Unit(inputs, w[0]), Unit(inputs, w[1]), Unit(w[1], w[2], 3)
        self.b2a, self.b2b, self.b3b = Unit(inputs, w[3]), Unit(w[3], w[4], 3), Unit(inputs, w[5])

    def forward(self, x):
        around = pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(around)], 1)


class I3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv3d_1a_7x7, self.Conv3d_2b_1x1, self.Conv3d_2c_3x3 = Unit(3, 64, 7, 2), Unit(64, 64), Unit(64, 192, 3)
        inputs = 192
        for name, w in (("3b", (64, 96, 128, 16, 32, 32)), ("3c", (128, 128, 192, 32, 96, 64)),
                        ("4b", (192, 96, 208, 16, 48, 64)), ("4c", (160, 112, 224, 24, 64, 64)),
                        ("4d", (128, 128, 256, 24, 64, 64)), ("4e", (112, 144, 288, 32, 64, 64)),
                        ("4f", (256, 160, 320, 32, 128, 128)), ("5b", (256, 160, 320, 32, 128, 128)),
                        ("5c", (384, 192, 384, 48, 128, 128))):
            setattr(self, f"Mixed_{name}", Mixed(inputs, w))
            inputs = w[0] + w[2] + w[4] + w[5]
        self.logits = Unit(inputs, 400, plain=True)

    def forward(self, clip, side):
        x = clip.clamp(0, 1).permute(0, 3, 1, 2)
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False) * 2 - 1
        x = x.permute(1, 0, 2, 3)[None]
        x = pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = pool(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))
        x = self.Mixed_4f(self.Mixed_4e(self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))))
        x = self.Mixed_5c(self.Mixed_5b(pool(x, (2, 2, 2), (2, 2, 2))))
        x = F.avg_pool3d(x, (2, min(7, x.shape[3]), min(7, x.shape[4])), 1)
        return self.logits(x).mean((0, 2, 3, 4))


network = fill(I3D())
# 48 pixels end in 3 and 2, 17 frames in 3: odd paddings; the other clip's are even, and it is made smaller.
for name, shape, side in (("odd", (17, 36, 40, 3), 48), ("even", (16, 70, 45, 3), 32)):
    with torch.no_grad():
        keep(f"i3d/{name}", network(wave(shape, 400, 0.6, 0.5), side))
    print(name, saved[f"i3d/{name}"].std().item(), saved[f"i3d/{name}"][:3].tolist())
frames = wave((2, 13, 9, 3), 401, 0.5, 0.5).permute(0, 3, 1, 2)
for side in (7, 21):
    made = F.interpolate(frames, (side, side), mode="bilinear", align_corners=False)
    keep(f"resized/{side}", made.permute(0, 2, 3, 1))


# --- Fréchet distance ----------------------------------------------------------------------------------------------
def frechet(a, b):
    """tr √(S₁S₂) is the sum of the singular values of the centred features' product: no root of a matrix is taken."""
    x, y = a - a.mean(0), b - b.mean(0)
    root = np.linalg.svd(x @ y.T / math.sqrt(len(x) * len(y)), compute_uv=False).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + (x**2).sum() / len(x) + (y**2).sum() / len(y) - 2 * root


for name, first, second, width in (("many", 40, 30, 24), ("few", 10, 12, 24), ("wide", 64, 48, 400)):
    a, b = wave((first, width), 500, 1).numpy(), wave((second, width), 501, 0.7, 0.2).numpy()
    keep(f"frechet/{name}", frechet(a, b))
    print(name, frechet(a, b))
    if name == "many":
        covariances = [np.cov(x, rowvar=False, bias=True) for x in (a, b)]
        keep("moments/mean", a.mean(0))
        keep("moments/covariance", covariances[0])
        roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).astype(complex)).real.sum()
        other = ((a.mean(0) - b.mean(0)) ** 2).sum() + sum(c.trace() for c in covariances) - 2 * roots
        assert abs(other - frechet(a, b)) < 1e-10 * other, "the two ways to the root disagree"

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics.safetensors")
save_file(saved, path)
print(f"{len(saved)} tensors, {os.path.getsize(path)} bytes, torch {torch.__version__}, numpy {np.__version__}")
