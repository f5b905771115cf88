"""What make_tensors.py and make_kernels.py share: a case's inputs, output and gradients, in double precision."""
import os

import torch
from safetensors.torch import save_file

saved = {}


def case(name, function, *inputs):
    inputs = [i.float().double().requires_grad_(True) for i in inputs]
    out = function(*inputs)
    up = torch.randn(out.shape, dtype=torch.float64).float().double()
    grads = torch.autograd.grad((out * up).sum(), inputs)
    for i, (x, g) in enumerate(zip(inputs, grads)):
        saved[f"{name}/in{i}"] = x.detach().float().contiguous()
        saved[f"{name}/grad{i}"] = g.float().contiguous()
    saved[f"{name}/up"] = up.float().contiguous()
    saved[f"{name}/out"] = out.detach().float().contiguous()


def r(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def save(name):
    save_file(saved, os.path.join(os.path.dirname(__file__), name))
