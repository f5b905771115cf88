"""One case of `imitate benchmark`, done in PyTorch as well as PyTorch can: prints one JSON object.


Shapes, precision and threads are those of the Swift case of the same name (Sources/Commands/Benchmark).
"""
import argparse
import json
import math
import resource
import time

import torch
from torch import nn
from torch.nn import functional as F

CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


# gemm ---------------------------------------------------------------------------------------------------------------


@case
def gemm_1024():
    a, b, c = torch.randn(1024, 1024), torch.randn(1024, 1024), torch.empty(1024, 1024)

    def run():
        with torch.inference_mode():
            torch.mm(a, b, out=c)

    return run


# ResNet-18 ----------------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(outputs // 16, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(outputs // 16, outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.GroupNorm(outputs // 16, outputs))

    def forward(self, x):
        around = x if self.shortcut is None else self.shortcut(x)
        x = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(x)) + around, inplace=True)


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.GroupNorm(4, 64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        blocks, inputs = [], 64
        for stage, outputs in enumerate([64, 128, 256, 512]):
            for index in range(2):
                blocks.append(BasicBlock(inputs, outputs, 2 if stage > 0 and index == 0 else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(self.stem(x))


def best_layout(make):
    """The faster of PyTorch's two memory layouts."""
    chosen = None
    for layout in (torch.channels_last, torch.contiguous_format):
        run = make(layout)
        run()
        start = time.perf_counter()
        for _ in range(3):
            run()
        spent = time.perf_counter() - start
        if chosen is None or spent < chosen[0]:
            chosen = (spent, run)
    return chosen[1]


@case
def resnet18_forward():
    def make(layout):
        network = ResNet18().eval().to(memory_format=layout)
        images = torch.rand(32, 3, 84, 84).to(memory_format=layout)

        def run():
            with torch.inference_mode():
                network(images)

        return run

    return best_layout(make)


@case
def resnet18_train():
    def make(layout):
        network = ResNet18().to(memory_format=layout)
        images = torch.rand(32, 3, 84, 84).to(memory_format=layout)

        def run():
            network.zero_grad(set_to_none=True)
            network(images).square().mean().backward()

        return run

    return best_layout(make)


# Transformers -------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self, width, heads, bias=False, dropout=0.0):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout)
        return self.output(mixed.transpose(1, 2).reshape(b, t, w))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads, dropout=0.1):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout=dropout)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = dropout

    def forward(self, x):
        x = x + F.dropout(self.attention(self.norm1(x)), self.dropout)
        return x + F.dropout(self.contract(F.gelu(self.expand(self.norm2(x)))), self.dropout)


@case
def transformer_train():
    network = nn.Sequential(*[TransformerBlock(512, 8) for _ in range(6)])
    tokens = torch.randn(16, 10, 512)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.01, fused=True)

    def run():
        optimizer.zero_grad(set_to_none=True)
        network(tokens).square().mean().backward()
        optimizer.step()

    return run


class CrossAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.both = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x, memory):
        b, t, w = x.shape
        q = self.query(x).view(b, t, self.heads, -1).transpose(1, 2)
        k, v = self.both(memory).view(b, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, w))


class DiTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(3)])
        self.attention = Attention(width, heads, bias=True)
        self.cross = CrossAttention(width, heads)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = nn.Linear(width, 9 * width)

    def forward(self, x, condition, action):
        m = self.modulation(condition).unsqueeze(1).chunk(9, dim=-1)
        x = x + m[2] * self.attention(self.norms[0](x) * (1 + m[1]) + m[0])
        x = x + m[5] * self.cross(self.norms[1](x) * (1 + m[4]) + m[3], action)
        h = F.gelu(self.expand(self.norms[2](x) * (1 + m[7]) + m[6]), approximate="tanh")
        return x + m[8] * self.contract(h)


class DiT(nn.Module):
    def __init__(self, tokens=512, features=64, width=384, heads=6, depth=12, actions=12):
        super().__init__()
        self.embed, self.action = nn.Linear(features, width), nn.Linear(actions, width)
        self.positions = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        self.step1, self.step2 = nn.Linear(256, width), nn.Linear(width, width)
        self.blocks = nn.ModuleList([DiTBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation, self.head = nn.Linear(width, 2 * width), nn.Linear(width, features)

    def forward(self, x, noise, action):
        half = 128
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = noise[:, None] * frequencies
        condition = self.step2(F.silu(self.step1(torch.cat([angles.cos(), angles.sin()], dim=1))))
        condition = F.silu(condition)
        action = self.action(action).unsqueeze(1)
        x = self.embed(x) + self.positions
        for block in self.blocks:
            x = block(x, condition, action)
        shift, scale = self.modulation(condition).unsqueeze(1).chunk(2, dim=-1)
        return self.head(self.norm(x) * (1 + scale) + shift)


@case
def dit_train():
    network = DiT()
    x, noise, action = torch.randn(4, 512, 64), torch.randn(4), torch.randn(4, 12)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.01, fused=True)

    def run():
        optimizer.zero_grad(set_to_none=True)
        network(x, noise, action).square().mean().backward()
        optimizer.step()

    return run


@case
def dit_forward():
    network = DiT().eval()
    x, noise, action = torch.randn(1, 512, 64), torch.randn(1), torch.randn(1, 12)

    def run():
        with torch.inference_mode():
            network(x, noise, action)

    return run


# Diffusion Policy's network -----------------------------------------------------------------------------------------


class ConvBlock(nn.Sequential):
    def __init__(self, inputs, outputs, kernel=5):
        super().__init__(nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(8, outputs), nn.Mish())


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, condition, scales=True):
        super().__init__()
        self.scales = scales
        self.first, self.second = ConvBlock(inputs, outputs), ConvBlock(outputs, outputs)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, (2 if scales else 1) * outputs))
        self.around = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, condition):
        film = self.film(condition).unsqueeze(-1)
        scale, bias = film.chunk(2, dim=1) if self.scales else (1, film)
        return self.second(scale * self.first(x) + bias) + self.around(x)


class ConditionalUnet1D(nn.Module):
    def __init__(self, actions=10, condition=274, embedding=128, widths=(256, 512, 1024), scales=True):
        super().__init__()
        self.embedding = embedding
        self.step = nn.Sequential(nn.Linear(embedding, 4 * embedding), nn.Mish(), nn.Linear(4 * embedding, embedding))
        condition += embedding

        def block(inputs, outputs):
            return ResidualBlock(inputs, outputs, condition, scales)

        pairs = list(zip((actions,) + widths[:-1], widths))
        self.down = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(pairs):
            self.down.append(nn.ModuleList([
                block(inputs, outputs), block(outputs, outputs),
                nn.Conv1d(outputs, outputs, 3, 2, 1) if index < len(pairs) - 1 else nn.Identity()]))
        self.middle = nn.ModuleList([block(widths[-1], widths[-1]) for _ in range(2)])
        self.up = nn.ModuleList()
        for inputs, outputs in reversed(pairs[1:]):
            self.up.append(nn.ModuleList([
                block(2 * outputs, inputs), block(inputs, inputs),
                nn.ConvTranspose1d(inputs, inputs, 4, 2, 1)]))
        self.final = nn.Sequential(ConvBlock(widths[0], widths[0]), nn.Conv1d(widths[0], actions, 1))

    def forward(self, x, step, condition):
        half = self.embedding // 2
        angles = step[:, None] * torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
        condition = torch.cat([self.step(torch.cat([angles.sin(), angles.cos()], dim=1)), condition], dim=1)
        x, skips = x.transpose(1, 2), []
        for first, second, shrink in self.down:
            x = second(first(x, condition), condition)
            skips.append(x)
            x = shrink(x)
        for block in self.middle:
            x = block(x, condition)
        for first, second, grow in self.up:
            x = grow(second(first(torch.cat([x, skips.pop()], dim=1), condition), condition))
        return self.final(x).transpose(1, 2)


@case
def unet1d_train():
    network = ConditionalUnet1D()
    assert sum(p.numel() for p in network.parameters()) == 66_923_402
    actions, steps, condition = torch.randn(64, 16, 10), torch.arange(64).float(), torch.randn(64, 274)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, fused=True)
    averaged = [p.detach().clone() for p in network.parameters()]
    live = list(network.parameters())

    def run():
        optimizer.zero_grad(set_to_none=True)
        network(actions, steps, condition).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, live, 0.01)

    return run


@case
def ddim_10():
    network = ConditionalUnet1D().eval()
    condition = torch.randn(1, 274)
    beta = [min(1 - math.cos(((i + 1) / 100 + 0.008) / 1.008 * math.pi / 2) ** 2
                / math.cos((i / 100 + 0.008) / 1.008 * math.pi / 2) ** 2, 0.999) for i in range(100)]
    kept = torch.cumprod(1 - torch.tensor(beta, dtype=torch.float64), 0).tolist()
    start = torch.randn(1, 16, 10)

    def run():
        with torch.inference_mode():
            x = start
            for t in range(90, -1, -10):
                noise = network(x, torch.full((1,), float(t)), condition)
                now, then = kept[t], kept[t - 10] if t >= 10 else 1.0
                clean = ((x - (1 - now) ** 0.5 * noise) / now ** 0.5).clamp(-1, 1)
                x = then ** 0.5 * clean + (1 - then) ** 0.5 * noise

    return run


# The optimiser ------------------------------------------------------------------------------------------------------


@case
def adamw_19m():
    # The sizes of BC-Transformer's parameters: 12 matrices of a block, six times, and vectors.
    sizes = [(512, 512)] * 24 + [(512, 2048), (2048, 512)] * 6 + [(512,)] * 60 + [(2048,)] * 6
    parameters = [nn.Parameter(torch.randn(*size)) for size in sizes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=True)
    return optimizer.step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    if arguments.case == "bc-transformer-step":
        from robomimic_step import prepare
        run = prepare(arguments.threads)
    else:
        torch.set_num_threads(arguments.threads)
        run = CASES[arguments.case]()
    torch.set_num_threads(arguments.threads)
    run()
    run()
    times, spent = [], 0.0
    while len(times) < 5 or spent < arguments.seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
        spent += times[-1]
    times.sort()
    print(json.dumps({
        "case": arguments.case, "threads": arguments.threads, "runs": len(times),
        "median_seconds": times[len(times) // 2], "minimum_seconds": times[0],
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
