"""Writes kernels.safetensors: cases for the ways that convolutions, norms and attention are worked out.

    python Tests/Golden/make_kernels.py        (needs torch, safetensors)

In the form of make_tensors.py, in double precision: channels last here, first in PyTorch.
"""
import torch
import torch.nn.functional as F

from cases import case, r, save

torch.manual_seed(8)


def conv2d(stride, padding):
    return lambda x, w, b: F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, stride, padding).permute(0, 2, 3, 1)


def conv1d(stride, padding):
    return lambda x, w, b: F.conv1d(x.mT, w.permute(2, 1, 0), b, stride, padding).mT


# Windows of 3x3 over channels in multiples of 16, sizes that are no multiples of 4; small pictures, many of them.
case("conv2d winograd", conv2d(1, 1), r(1, 9, 6, 16), r(3, 3, 16, 16), r(16))
case("conv2d winograd unpadded", conv2d(1, 0), r(1, 7, 8, 16), r(3, 3, 16, 16), r(16))
case("conv2d winograd far", conv2d(1, 2), r(1, 4, 3, 16), r(3, 3, 16, 16), r(16))
case("conv2d positions", conv2d(1, 1), r(9, 3, 3, 5), r(3, 3, 5, 6), r(6))
case("conv2d positions strided", conv2d(2, 1), r(8, 5, 6, 3), r(3, 3, 3, 4), r(4))
case("conv1d positions", conv1d(1, 2), r(8, 4, 5), r(5, 5, 3), r(3))
case("conv1d positions strided", conv1d(2, 1), r(8, 6, 5), r(3, 5, 3), r(3))
case("convTransposed1d positions", lambda x, w, b: F.conv_transpose1d(x.mT, w.permute(1, 2, 0), b, 2, 1).mT,
     r(8, 4, 3), r(4, 3, 5), r(5))


def channels_first(x):
    return x.movedim(-1, 1)


def group(x, scale, bias):
    return F.group_norm(channels_first(x), 3, scale, bias).movedim(1, -1)


def batch(x, scale, bias):
    return F.batch_norm(channels_first(x), None, None, scale, bias, training=True).movedim(1, -1)


case("groupNorm relu added", lambda x, s, b, a: F.relu(group(x, s, b) + a), r(2, 3, 4, 6), r(6), r(6), r(2, 3, 4, 6))
case("groupNorm mish", lambda x, s, b: F.mish(group(x, s, b)), r(2, 5, 6), r(6), r(6))
case("groupNorm silu added", lambda x, s, b, a: F.silu(group(x, s, b) + a), r(2, 5, 6), r(6), r(6), r(2, 5, 6))
case("groupNorm plain added", lambda x, s, b, a: group(x, s, b) + a, r(2, 5, 6), r(6), r(6), r(2, 5, 6))
case("batchNormTraining relu added", lambda x, s, b, a: F.relu(batch(x, s, b) + a),
     r(3, 2, 4, 5), r(5), r(5), r(3, 2, 4, 5))
case("modulated", lambda x, s: x * s, r(3, 4, 5), r(5))
case("modulated images", lambda x, s, b: x * s[:, None] + b[:, None], r(3, 4, 5), r(3, 5), r(3, 5))
case("modulated mish", lambda x, s, b: F.mish(x * s + b), r(3, 4, 5), r(5), r(5))
case("modulated gate", lambda x, s, a: x * s[:, None] + a, r(3, 4, 5), r(3, 5), r(3, 4, 5))
case("modulated relu added", lambda x, s, b, a: F.relu(x * s[:, None] + b[:, None] + a),
     r(3, 4, 5), r(3, 5), r(3, 5), r(3, 4, 5))

# Tokens before heads; more queries than one block, so that what is hidden is skipped block by block.
mask = torch.full((20, 20), float("-inf"), dtype=torch.float64).triu(1)
bias = torch.linspace(-1, 1, 2 * 5 * 6, dtype=torch.float64).reshape(1, 2, 5, 6)


def attention(mask):
    return lambda q, k, v: F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask).transpose(1, 2)


case("attention blocks", attention(mask), r(1, 20, 2, 4), r(1, 20, 2, 4), r(1, 20, 2, 4))
case("attention biased", attention(bias), r(2, 5, 2, 4), r(2, 6, 2, 4), r(2, 6, 2, 4))
case("recomputed", lambda x: F.gelu(x) * x, r(3, 4))
case("linear rows", lambda x, w, b: x @ w + b, r(2, 9, 7), r(7, 35), r(35))
case("matmul wide", lambda x, w: x @ w, r(3, 40), r(40, 100))

save("kernels.safetensors")
