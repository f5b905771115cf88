"""Writes tensors.safetensors: inputs, outputs and gradients of every tensor operation, by PyTorch in double precision.

    python Tests/Golden/make_tensors.py        (needs torch, safetensors)

For each operation NAME: NAME/in0, in1, ... (inputs), NAME/up (the gradient that arrives), NAME/out, NAME/grad0, ...
Images are channels last here and channels first in PyTorch; weights are [kernel, in, out] here.
"""
import math
import torch
import torch.nn.functional as F

from cases import case, r, save

torch.manual_seed(7)


def away(*shape):  # away from 0, where the slope jumps
    x = r(*shape)
    return x + 0.2 * torch.sign(x)


def positive(*shape):
    return r(*shape).abs() + 0.3


case("add", lambda a, b: a + b, r(3, 4), r(3, 4))
case("add broadcast", lambda a, b: a + b, r(2, 3, 1, 5), r(4, 1))
case("add row", lambda a, b: a + b, r(2, 3, 5), r(5))
case("subtract", lambda a, b: a - b, r(3, 4), r(1, 4))
case("multiply", lambda a, b: a * b, r(3, 4), r(3, 1))
case("divide", lambda a, b: a / b, r(3, 4), positive(4))
case("add number", lambda a: a + 1.5, r(5))
case("multiply number", lambda a: 3 * a, r(5))
case("number minus", lambda a: 2 - a, r(5))
case("number divided", lambda a: 2 / a, positive(5))
case("negate", lambda a: -a, r(5))
case("maximum of two", torch.maximum, r(3, 4), r(4) + 0.01)
case("minimum of two", torch.minimum, r(3, 4), r(3, 1) + 0.01)
case("clamped", lambda a: a.clamp(-0.5, 0.7), r(20))
case("exp", torch.exp, r(20))
case("log", torch.log, positive(20))
case("sqrt", torch.sqrt, positive(20))
case("square", torch.square, r(20))
case("abs", torch.abs, away(20))
case("sin", torch.sin, 3 * r(20))
case("cos", torch.cos, 3 * r(20))
case("reciprocal", torch.reciprocal, positive(20))
case("pow", lambda a: a.pow(1.7), positive(20))
case("relu", F.relu, away(40))
case("gelu", F.gelu, 2 * r(40))
case("geluTanh", lambda a: F.gelu(a, approximate="tanh"), 2 * r(40))
case("silu", F.silu, 3 * r(40))
case("mish", F.mish, 3 * r(40))
case("softplus", F.softplus, 4 * r(40))
case("tanh", torch.tanh, 2 * r(40))
case("sigmoid", torch.sigmoid, 3 * r(40))
case("sum", lambda a: a.sum(), r(3, 4))
case("sum axes", lambda a: a.sum((0, 2)), r(3, 4, 5))
case("sum first", lambda a: a.sum(0), r(7, 4))
case("mean", lambda a: a.mean(-1, keepdim=True), r(3, 4))
case("variance", lambda a: a.var(1, unbiased=False), r(3, 6))
case("maximum", lambda a: a.amax(1), r(3, 5, 2))
case("logSumExp", lambda a: torch.logsumexp(a, 1), 5 * r(3, 6))
case("logSumExp middle", lambda a: torch.logsumexp(a, 1, keepdim=True), 5 * r(2, 6, 3))
case("softmax", lambda a: a.softmax(-1), 3 * r(4, 7))
case("softmax middle", lambda a: a.softmax(1), 3 * r(2, 5, 3))
case("logSoftmax", lambda a: a.log_softmax(-1), 3 * r(4, 7))
case("matmul", lambda a, b: a @ b, r(5, 3), r(3, 4))
case("matmul transposed left", lambda a, b: a.mT @ b, r(3, 5), r(3, 4))
case("matmul transposed right", lambda a, b: a @ b.mT, r(5, 3), r(4, 3))
case("matmul both transposed", lambda a, b: a.mT @ b.mT, r(3, 5), r(4, 3))
case("matmul batched", lambda a, b: a @ b, r(2, 3, 5, 4), r(2, 3, 4, 6))
case("matmul batched transposed", lambda a, b: a @ b.mT, r(2, 3, 5, 4), r(2, 3, 6, 4))
case("matmul shared", lambda a, b: a @ b, r(2, 3, 4), r(4, 5))
case("linear", lambda x, w, b: x @ w + b, r(2, 3, 4), r(4, 5), r(5))
case("reshaped", lambda a: a.reshape(4, -1), r(2, 3, 4))
case("permuted", lambda a: a.permute(2, 0, 3, 1).contiguous(), r(2, 3, 4, 5))
case("permuted runs", lambda a: a.permute(1, 0, 2).contiguous(), r(3, 4, 5))
case("sliced", lambda a: a[:, 1:3], r(3, 5, 2))
case("padded", lambda a: F.pad(a, (0, 0, 1, 2)), r(3, 4, 2))
case("broadcast", lambda a: a.expand(3, 4, 5), r(4, 1))
case("concatenated", lambda a, b: torch.cat([a, b], 1), r(3, 2, 4), r(3, 5, 4))
case("stacked", lambda a, b: torch.stack([a, b], 1), r(3, 4), r(3, 4))
case("gathered", lambda a: a[[2, 0, 2, 1]], r(3, 4))
case("gathered columns", lambda a: a[:, [1, 1, 3]], r(2, 4, 3))
case("layerNorm", lambda x, s, b: F.layer_norm(x, (6,), s, b), r(4, 6), r(6), r(6))
case("layerNorm plain", lambda x: F.layer_norm(x, (6,)), r(4, 6))
case("rmsNorm", lambda x, s: F.rms_norm(x, (6,), s, eps=1e-6), r(4, 6), r(6))
case("groupNorm", lambda x, s, b: F.group_norm(x.permute(0, 3, 1, 2), 3, s, b).permute(0, 2, 3, 1),
     r(2, 4, 3, 6), r(6), r(6))
case("batchNorm", lambda x, m, v, s, b: (x - m) / (v + 1e-5).sqrt() * s + b, r(2, 3, 3, 4), r(4), positive(4), r(4), r(4))
case("batchNormTraining", lambda x, s, b: F.batch_norm(x.permute(0, 3, 1, 2), None, None, s, b, training=True)
     .permute(0, 2, 3, 1), r(3, 4, 3, 5), r(5), r(5))


def conv2d(stride, padding):
    return lambda x, w, b: F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, stride, padding).permute(0, 2, 3, 1)


case("conv2d", conv2d(1, 1), r(2, 6, 5, 3), r(3, 3, 3, 4), r(4))
case("conv2d strided", conv2d(2, 3), r(2, 9, 8, 3), r(7, 7, 3, 4), r(4))
case("conv2d 1x1", conv2d(1, 0), r(2, 4, 5, 3), r(1, 1, 3, 6), r(6))
case("conv2d 1x1 strided", conv2d(2, 0), r(2, 5, 5, 3), r(1, 1, 3, 6), r(6))
case("conv1d", lambda x, w, b: F.conv1d(x.mT, w.permute(2, 1, 0), b, 1, 2).mT, r(2, 8, 3), r(5, 3, 4), r(4))
case("conv1d strided", lambda x, w, b: F.conv1d(x.mT, w.permute(2, 1, 0), b, 2, 1).mT, r(2, 8, 3), r(3, 3, 4), r(4))
case("convTransposed1d", lambda x, w, b: F.conv_transpose1d(x.mT, w.permute(1, 2, 0), b, 2, 1).mT,
     r(2, 5, 3), r(4, 3, 6), r(6))
case("maxPool2d", lambda x: F.max_pool2d(x.permute(0, 3, 1, 2), 3, 2, 1).permute(0, 2, 3, 1), r(2, 7, 6, 3))
case("averagePool2d", lambda x: F.avg_pool2d(x.permute(0, 3, 1, 2), 2, 2).permute(0, 2, 3, 1), r(2, 6, 4, 3))
mask = torch.full((4, 4), -math.inf).triu(1)
case("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), r(2, 3, 4, 5), r(2, 3, 6, 5), r(2, 3, 6, 5))
case("attention causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask.double()),
     r(2, 2, 4, 5), r(2, 2, 4, 5), r(2, 2, 4, 5))


camera = torch.tensor([0.5, -0.25, -1.0], dtype=torch.float64)


def harmonic_colours(means, coefficients):
    way = means - camera
    length = way.norm(dim=1, keepdim=True)
    x, y, z = torch.where(length > 0, way / torch.where(length > 0, length, 1.0), 0.0).unbind(1)
    xx, yy, zz = x * x, y * y, z * z
    basis = torch.stack([
        0.28209479177387814 * torch.ones_like(x),
        -0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x,
        1.0925484305920792 * x * y, -1.0925484305920792 * y * z, 0.31539156525252005 * (2 * zz - xx - yy),
        -1.0925484305920792 * x * z, 0.5462742152960396 * (xx - yy),
        -0.5900435899266435 * y * (3 * xx - yy), 2.890611442640554 * x * y * z, -0.4570457994644658 * y * (4 * zz - xx - yy),
        0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy), -0.4570457994644658 * x * (4 * zz - xx - yy),
        1.445305721320277 * z * (xx - yy), -0.5900435899266435 * x * (xx - 3 * yy)], 1)
    return torch.relu(0.5 + (basis[:, : coefficients.shape[1], None] * coefficients).sum(1))


# Some colours are clamped, none is near the corner; the ninth Gaussian, beyond those that finite differences move, lies at
# the camera.
for degree in range(4):
    means = F.normalize(r(12, 3)) * (1.5 + 2 * torch.rand(12, 1, dtype=torch.float64)) + camera
    coefficients = r(12, (degree + 1) ** 2, 3)
    means[8] = camera
    coefficients[:, 0] *= 3
    # Colours up to 0.3 go far below the corner.
    coefficients[:, 0] -= 3.0 * (harmonic_colours(means, coefficients) < 0.3)
    name = f"sphericalHarmonicColours degree {degree}"
    if degree == 0:  # the same from everywhere
        case(name, lambda c: harmonic_colours(means, c), coefficients)
    else:
        case(name, harmonic_colours, means, coefficients)


def split(x):
    a, b, _ = x.split([1, 2, 1], 1)  # of the last part nothing is used
    return a * b + b


case("split", split, r(3, 4, 2))
case("gathered per item", lambda a: torch.stack([a[0, [2, 0, 2, 1, 2]], a[1, [1, 1, 3, 0, 3]]]), r(2, 4, 3))
save("tensors.safetensors")
