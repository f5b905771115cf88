"""Writes layers.safetensors: outputs and gradients of layers, a ResNet-18, BC-Transformer and AdamW, by PyTorch.

    python Tests/Golden/make_layers.py        (needs torch, torchvision is not needed, safetensors)

Weights are not stored: parameter number k of a network holds the same formula at place i, in our layout, on both
sides (see `wave`). Images are channels last here, and our convolution weights [kernel, kernel, in, out].
"""
import math
import os
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

saved = {}


def wave(shape, k, scale=0.1):
    n = math.prod(shape)
    # The digits behind a large sine look random; a plain sine would make matrices of rank two.
    x = torch.sin(12.9898 * torch.arange(n, dtype=torch.float64) + 78.233 * k) * 43758.5453
    return (scale * (2 * (x - torch.floor(x)) - 1)).float().double().reshape(shape)


class Counter:
    """Gives parameters in the order in which our modules declare them."""

    def __init__(self):
        self.k = 0
        self.made = []

    def __call__(self, *shape, offset=0.0, scale=0.1, trainable=True):
        p = (wave(shape, self.k, scale) + offset).requires_grad_(trainable)
        self.k += 1
        if trainable:
            self.made.append(p)
        return p


def norms(counter, loss):
    return torch.stack([g.norm() for g in torch.autograd.grad(loss, counter.made, retain_graph=True)])


def keep(name, tensor):
    saved[name] = tensor.detach().float().contiguous()


# --- transformer block -------------------------------------------------------------------------------------------
def block(c, width):
    return dict(n1s=c(width, offset=1), n1b=c(width), q=c(width, width), k=c(width, width), v=c(width, width),
                o=c(width, width), ob=c(width), n2s=c(width, offset=1), n2b=c(width), e=c(width, 4 * width),
                eb=c(4 * width), d=c(4 * width, width), db=c(width))


def run_block(p, x, heads, mask=None):
    b, t, w = x.shape
    h = F.layer_norm(x, (w,), p["n1s"], p["n1b"])
    q, k, v = ((h @ p[n]).reshape(b, t, heads, -1).transpose(1, 2) for n in "qkv")
    a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    x = x + a.transpose(1, 2).reshape(b, t, w) @ p["o"] + p["ob"]
    h = F.layer_norm(x, (w,), p["n2s"], p["n2b"])
    return x + F.gelu(h @ p["e"] + p["eb"]) @ p["d"] + p["db"]


c = Counter()
p = block(c, 32)
x = wave((2, 5, 32), 100, 1.0).requires_grad_(True)
out = run_block(p, x, 4, torch.full((5, 5), -math.inf, dtype=torch.float64).triu(1))
loss = (out * wave(out.shape, 200, 1.0)).sum()
keep("block/out", out)
keep("block/input", torch.autograd.grad(loss, x, retain_graph=True)[0])
keep("block/norms", norms(c, loss))


# --- ResNet-18 ---------------------------------------------------------------------------------------------------
def conv(x, w, stride=1, padding=0, bias=None):
    return F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), bias, stride, padding).permute(0, 2, 3, 1)


def resnet(kind, c, x):
    running = []

    def norm(channels):
        s, b = c(channels, offset=1), c(channels)
        if kind == "batch":
            running.append([c(channels, scale=0, trainable=False), c(channels, scale=0, offset=1, trainable=False)])
            stats = running[-1]

            def apply(y):
                y = F.batch_norm(y.permute(0, 3, 1, 2), stats[0], stats[1], s, b, True, 0.1)
                return y.permute(0, 2, 3, 1)
            return apply
        return lambda y: F.group_norm(y.permute(0, 3, 1, 2), channels // 16, s, b).permute(0, 2, 3, 1)

    stem, stem_norm = c(7, 7, 3, 64), norm(64)
    blocks, width = [], 64
    for stage, outputs in enumerate([64, 128, 256, 512]):
        for index in range(2):
            stride = 2 if stage and not index else 1
            w1 = c(3, 3, width, outputs)
            n1 = norm(outputs)
            w2 = c(3, 3, outputs, outputs)
            n2 = norm(outputs)
            around = None
            if stride != 1 or width != outputs:
                ws = c(1, 1, width, outputs)
                around = (ws, norm(outputs))
            blocks.append((stride, w1, n1, w2, n2, around))
            width = outputs
    y = F.relu(stem_norm(conv(x, stem, 2, 3)))
    y = F.max_pool2d(y.permute(0, 3, 1, 2), 3, 2, 1).permute(0, 2, 3, 1)
    for stride, w1, n1, w2, n2, around in blocks:
        z = y if around is None else around[1](conv(y, around[0], stride))
        y = F.relu(n2(conv(F.relu(n1(conv(y, w1, stride, 1))), w2, 1, 1)) + z)
    return y, running


for kind in ["group", "batch"]:
    c = Counter()
    x = (wave((2, 36, 36, 3), 300, 0.5) + 0.5).requires_grad_(True)
    out, running = resnet(kind, c, x)
    loss = (out * wave(out.shape, 200, 1.0)).sum()
    keep(f"resnet-{kind}/out", out)
    keep(f"resnet-{kind}/input", torch.autograd.grad(loss, x, retain_graph=True)[0][:, ::4, ::4])
    keep(f"resnet-{kind}/norms", norms(c, loss))
    if running:
        keep("resnet-batch/mean", running[0][0])
        keep("resnet-batch/variance", running[0][1])

# --- FiLM and spatial softmax ------------------------------------------------------------------------------------
c = Counter()
w, b = c(6, 16), c(16)
x, condition = wave((2, 3, 4, 8), 100, 1.0).requires_grad_(True), wave((2, 6), 101, 1.0).requires_grad_(True)
both = (condition @ w + b)[:, None, None]
out = F.relu((1 + both[..., 8:]) * x + both[..., :8])
loss = (out * wave(out.shape, 200, 1.0)).sum()
keep("film/out", out)
for name, g in zip(["input", "condition"], torch.autograd.grad(loss, [x, condition], retain_graph=True)):
    keep(f"film/{name}", g)
keep("film/norms", norms(c, loss))

c = Counter()
w, b = c(1, 1, 8, 4), c(4)
x = wave((2, 5, 6, 8), 100, 3.0).requires_grad_(True)
maps = conv(x, w, bias=b).reshape(2, 30, 4).transpose(1, 2).softmax(-1)
gx, gy = torch.meshgrid(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 5), indexing="xy")
grid = torch.stack([gx.reshape(-1), gy.reshape(-1)], -1).double()
out = (maps @ grid).reshape(2, 8)
loss = (out * wave(out.shape, 200, 1.0)).sum()
keep("keypoints/out", out)
keep("keypoints/input", torch.autograd.grad(loss, x, retain_graph=True)[0])
keep("keypoints/norms", norms(c, loss))


# --- BC-Transformer with a mixture of Gaussians --------------------------------------------------------------------
def bc_transformer(context, horizon, causal):
    c = Counter()
    wide, width, heads, layers, modes, action = 7, 32, 4, 2, 3, 5
    ew, eb = c(wide, width), c(width)
    positions = c(1, context, width)
    queries = None if context == horizon else c(1, horizon, width)
    ns, nb = c(width, offset=1), c(width)
    blocks = [block(c, width) for _ in range(layers)]
    fs, fb = c(width, offset=1), c(width)
    mw, mb, dw, db, lw, lb = (c(width, modes * action), c(modes * action), c(width, modes * action),
                              c(modes * action), c(width, modes), c(modes))
    features = wave((3, context, wide), 100, 1.0)
    target = wave((3, horizon, action), 101, 0.8)
    x = features @ ew + eb + positions
    if queries is not None:
        x = torch.cat([x, queries.expand(3, -1, -1)], 1)
    x = F.layer_norm(x, (width,), ns, nb)
    mask = torch.full((context, context), -math.inf, dtype=torch.float64).triu(1) if causal else None
    for p in blocks:
        x = run_block(p, x, heads, mask)
    x = F.layer_norm(x, (width,), fs, fb)[:, -horizon:]
    means = torch.tanh(x @ mw + mb).reshape(3, horizon, modes, action)
    deviations = F.softplus(x @ dw + db).reshape(3, horizon, modes, action) + 0.005
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=x @ lw + lb),
        torch.distributions.Independent(torch.distributions.Normal(means, deviations), 1))
    return c, -mixture.log_prob(target).mean()


for name, context, horizon, causal in [("same", 4, 4, False), ("causal", 4, 4, True), ("queries", 2, 6, False)]:
    c, loss = bc_transformer(context, horizon, causal)
    keep(f"bc-{name}/loss", loss.reshape(1))
    keep(f"bc-{name}/norms", norms(c, loss))

# --- AdamW with clipping -----------------------------------------------------------------------------------------
a, b = wave((7,), 0, 1.0).float().requires_grad_(True), wave((3, 2), 1, 1.0).float().requires_grad_(True)
optimizer = torch.optim.AdamW([{"params": [a], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}],
                              lr=1e-2, betas=(0.9, 0.95))
for step in range(6):
    optimizer.zero_grad()
    (((a - step) ** 2).sum() + (b ** 4).sum()).backward()
    norm = nn.utils.clip_grad_norm_([a, b], 2.0)
    optimizer.step()
    keep(f"adamw/norm{step}", norm.reshape(1))
keep("adamw/a", a)
keep("adamw/b", b)

path = os.path.join(os.path.dirname(__file__), "layers.safetensors")
save_file(saved, path)
print(f"{len(saved)} tensors, {os.path.getsize(path)} bytes, torch {torch.__version__}")
