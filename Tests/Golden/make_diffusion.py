"""Writes diffusion.safetensors: diffusers' schedules and samplers at every step, and Diffusion Policy's two networks by PyTorch.

    python Tests/Golden/make_diffusion.py        (needs torch, diffusers, safetensors)

Weights, inputs and noise are the formula `wave` of make_layers.py, on both sides. The transformer is torch.nn's own.
"""
import math
import os
import sys

import torch
import torch.nn as nn
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "Peers"))
from pytorch_benchmark import ConditionalUnet1D  # noqa: E402

torch.set_default_dtype(torch.float32)
saved = {}


def wave(shape, k, scale=0.1):
    x = torch.sin(12.9898 * torch.arange(math.prod(shape), dtype=torch.float64) + 78.233 * k) * 43758.5453
    return (scale * (2 * (x - torch.floor(x)) - 1)).float().double().reshape(shape)


# --- schedules and samplers: diffusers' arithmetic in 64 bits; in 32 it is off from itself by up to 6e-6 at the first steps ----------------------------------------------------------------------------------------
scheduling_ddpm.randn_tensor = scheduling_ddim.randn_tensor = lambda shape, **_: wave(tuple(shape), 3, 1.0)
x, output = wave((1, 6), 1, 1.0), wave((1, 6), 2, 1.0)


def exactly(scheduler):
    scheduler.betas = scheduler.betas.double()
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
    return scheduler


for shape, name in (("squared_cosine", "squaredcos_cap_v2"), ("linear", "linear")):
    scheduler = exactly(DDPMScheduler(num_train_timesteps=100, beta_schedule=name))
    saved[f"{shape}/betas"], saved[f"{shape}/remaining"] = scheduler.betas, scheduler.alphas_cumprod
    steps = torch.tensor([0, 17, 99])
    clean, noise = wave((3, 2), 4, 1.0), wave((3, 2), 5, 1.0)
    saved[f"{shape}/noised"] = scheduler.add_noise(clean, noise, steps)
    saved[f"{shape}/velocity"] = scheduler.get_velocity(clean, noise, steps)
for kind, eta in (("ddpm", 0), ("ddim", 0), ("ddim", 1)):
    for prediction, name in (("epsilon", "epsilon"), ("sample", "sample"), ("velocity", "v_prediction")):
        for clip in (True, False):
            for count in (100, 16, 10, 8):
                make = DDPMScheduler if kind == "ddpm" else DDIMScheduler
                scheduler = exactly(
                    make(100, beta_schedule="squaredcos_cap_v2", prediction_type=name, clip_sample=clip))
                scheduler.set_timesteps(count)
                more = {"eta": eta} if kind == "ddim" else {}
                rows = [scheduler.step(output, t, x, **more).prev_sample for t in scheduler.timesteps]
                saved[f"{kind}{eta}/{prediction}/{int(clip)}/{count}"] = torch.cat(rows)
                saved[f"steps/{count}"] = scheduler.timesteps.float()


# --- networks ------------------------------------------------------------------------------------------------------
def keep(name, network, out, inputs):
    loss = (out * wave(tuple(out.shape), 200, 1.0)).sum()
    gradients = torch.autograd.grad(loss, list(network) + inputs)
    saved[f"{name}/out"] = out.detach().float().contiguous()
    saved[f"{name}/norms"] = torch.stack([g.norm() for g in gradients[: len(network)]]).float()
    for i, g in enumerate(gradients[len(network):]):
        saved[f"{name}/input{i}"] = g.float().contiguous()


steps = torch.tensor([3.0, 40.0, 99.0], dtype=torch.float64)
for name, scales in (("unet", True), ("unet-bias", False)):
    network = ConditionalUnet1D(actions=5, condition=14, embedding=8, widths=(16, 32, 48), scales=scales).double()
    with torch.no_grad():
        for k, (path, p) in enumerate(network.named_parameters()):
            shape = tuple(p.shape)
            if len(shape) == 3:  # ours: [kernel, inputs, outputs]
                transposed = path.startswith("up.") and path.split(".")[2] == "2"
                a = wave((shape[2], shape[0], shape[1]) if transposed else (shape[2], shape[1], shape[0]), k)
                p.copy_(a.permute(1, 2, 0) if transposed else a.permute(2, 1, 0))
            elif len(shape) == 2:
                p.copy_(wave((shape[1], shape[0]), k).T)
            else:
                is_norm = path.split(".")[-2] == "1" and "film" not in path and not path.startswith("final.1")
                p.copy_(wave(shape, k) + (1 if is_norm and path.endswith("weight") else 0))
    x = wave((3, 8, 5), 100, 1.0).requires_grad_(True)
    seen = wave((3, 2, 7), 101, 1.0).requires_grad_(True)
    keep(name, list(network.parameters()), network(x, steps, seen.reshape(3, 14)), [x, seen])


class Counter:
    """Gives parameters in the order in which our network declares them, in our layout."""

    def __init__(self):
        self.k, self.made = 0, []

    def __call__(self, *shape, offset=0.0):
        self.made.append((wave(shape, self.k) + offset).requires_grad_(True))
        self.k += 1
        return self.made[-1]


def fill(modules, tensors):
    """torch.nn modules compute with our leaves, so that gradients come out in our layout."""
    for (module, attribute), tensor in zip(modules, tensors):
        delattr(module, attribute)
        setattr(module, attribute, tensor)


def attention(c, module, width):
    q, qb, k, kb, v, vb, o, ob = (c(*s) for s in [(width, width), (width,)] * 4)
    fill([(module, "in_proj_weight"), (module, "in_proj_bias"), (module.out_proj, "weight"), (module.out_proj, "bias")],
         [torch.cat([q.T, k.T, v.T]), torch.cat([qb, kb, vb]), o.T, ob])


def norm(c, module, width):
    fill([(module, "weight"), (module, "bias")], [c(width, offset=1), c(width)])


def linear(c, module, inputs, outputs):
    w, b = c(inputs, outputs), c(outputs)
    fill([(module, "weight"), (module, "bias")], [w.T, b])


def transformer(condition_layers, causal):
    c, width, heads, horizon, context, features, actions = Counter(), 32, 4, 6, 2, 7, 5
    ew, eb, positions = c(actions, width), c(width), c(1, horizon, width)
    ow, ob, memory_positions = c(features, width), c(width), c(1, 1 + context, width)
    if condition_layers:
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        condition = nn.TransformerEncoder(layer, condition_layers, enable_nested_tensor=False).double().train()
        for block in condition.layers:
            norm(c, block.norm1, width), attention(c, block.self_attn, width)
            norm(c, block.norm2, width), linear(c, block.linear1, width, 4 * width), linear(c, block.linear2, 4 * width, width)
    else:
        condition = nn.Sequential(nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
        linear(c, condition[0], width, 4 * width), linear(c, condition[2], 4 * width, width)
    layer = nn.TransformerDecoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
    decoder = nn.TransformerDecoder(layer, 2).double().train()
    for block in decoder.layers:
        norm(c, block.norm1, width), attention(c, block.self_attn, width)
        norm(c, block.norm2, width), attention(c, block.multihead_attn, width)
        norm(c, block.norm3, width), linear(c, block.linear1, width, 4 * width), linear(c, block.linear2, 4 * width, width)
    fs, fb = c(width, offset=1), c(width)
    hw, hb = c(width, actions), c(actions)
    x = wave((3, horizon, actions), 100, 1.0).requires_grad_(True)
    seen = wave((3, context, features), 101, 1.0).requires_grad_(True)
    half = width // 2
    angles = steps[:, None] * torch.exp(-math.log(10000) / (half - 1) * torch.arange(half, dtype=torch.float64))
    time = torch.cat([angles.sin(), angles.cos()], 1)[:, None]
    memory = condition(torch.cat([time, seen @ ow + ob], 1) + memory_positions)
    mask = memory_mask = None
    if causal:
        mask = torch.full((horizon, horizon), -math.inf, dtype=torch.float64).triu(1)
        t, s = torch.meshgrid(torch.arange(horizon), torch.arange(1 + context), indexing="ij")
        memory_mask = torch.zeros(horizon, 1 + context, dtype=torch.float64).masked_fill(t < s - 1, -math.inf)
    out = decoder(x @ ew + eb + positions, memory, tgt_mask=mask, memory_mask=memory_mask)
    out = nn.functional.layer_norm(out, (width,), fs, fb) @ hw + hb
    return c.made, out, [x, seen]


torch.set_default_dtype(torch.float64)
for name, condition_layers, causal in (("transformer", 0, True), ("transformer-layers", 1, True), ("transformer-open", 0, False)):
    keep(name, *transformer(condition_layers, causal))

path = os.path.join(here, "diffusion.safetensors")
save_file({name: tensor.float().contiguous() for name, tensor in saved.items()}, path)
print(f"{len(saved)} tensors, {os.path.getsize(path)} bytes, torch {torch.__version__}")
