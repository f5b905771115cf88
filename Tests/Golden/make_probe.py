"""Writes probe.safetensors: errors and penalties of ridge regressions by NumPy, in 64 bits and the primal form.

    .venv-peers/bin/python Tests/Golden/make_probe.py        (needs numpy, safetensors)

Features and values are the formula `wave` on both sides: three hidden numbers a row, mixed into 200 columns with noise.
"""
import os

import numpy as np
from safetensors.numpy import save_file

ROWS, TRAINING, WIDTH, GROUP = 66, 48, 200, 4


def wave(shape, k, scale):
    x = np.sin(12.9898 * np.arange(np.prod(shape), dtype=np.float64) + 78.233 * k) * 43758.5453
    return (scale * (2 * (x - np.floor(x)) - 1)).astype(np.float32).astype(np.float64).reshape(shape)


hidden = wave([ROWS, 3], 1, 1)
features = hidden @ wave([3, WIDTH], 2, 1) + wave([ROWS, WIDTH], 3, 1)
features[:, 7] = 3  # says nothing
values = np.concatenate([hidden @ wave([3, 3], 4, 10) + 5 + wave([ROWS, 3], 6, 4), wave([ROWS, 1], 7, 1)], 1)
groups = np.arange(TRAINING) // GROUP
deviation = features[:TRAINING].std(0)
scaled = (features - features[:TRAINING].mean(0)) * np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0)


def predict(asked, fit, penalty):
    x, y = scaled[fit].mean(0), values[fit].mean(0)
    a = scaled[fit] - x
    strength = penalty * (a**2).sum(1).mean()
    weights = np.linalg.solve(a.T @ a + strength * np.eye(WIDTH), a.T @ (values[fit] - y))
    return (scaled[asked] - x) @ weights + y


def error(found, asked, columns):
    return np.sqrt(((found - values[asked])[:, columns] ** 2).sum(1).mean())


penalties = 10.0 ** np.arange(-5, 4)
training, held = np.arange(TRAINING), np.arange(TRAINING, ROWS)
chosen, others = training[groups % 5 == 0], training[groups % 5 != 0]
saved = {}
for name, columns in (("position", slice(0, 3)), ("noise", slice(3, 4))):
    tried = [error(predict(chosen, others, p), chosen, columns) for p in penalties]
    best = penalties[int(np.argmin(tried))]
    saved[name] = [best, error(predict(held, training, best), held, columns)]
    mean = np.broadcast_to(values[training].mean(0), values[held].shape)
    saved[name] += [error(mean, held, columns)] + tried
    print(name, np.round(saved[name], 4))
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.safetensors")
save_file({name: np.array(numbers, np.float32) for name, numbers in saved.items()}, path)
