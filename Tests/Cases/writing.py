"""The recipe and the registry of a case."""

RECIPE = """name: toy
seed: 1
data: {{registry: toy, split: all, tasks: [Toy], validation: 0.3, memory_gigabytes: 0.1}}
observations: {{images: [{images}], vectors: [{vectors}], normalization: limits}}
actions: {{normalization: limits, execute: 2}}
encoder: {{kind: small}}
policy: {{kind: bc-transformer, context: 1, horizon: 4, width: 32, layers: 1, heads: 2}}
training: {{steps: 3, batch: 4, learning_rate: 1.0e-3, weight_decay: 0.01, checkpoint_every: 3, validate_every: 3, log_every: 1}}
evaluation: {{simulator: {{kind: none}}, episodes: 1}}
"""

REGISTRY = """name: toy
about: toys
sources:
  all: {{path: "{file}", about: everything}}
splits: [{splits}]
tasks:
  - {{name: Toy, group: toys, horizon: 40}}
"""


def recipe(case):
    images, vectors = (", ".join(f'"{key}"' for key in keys) for keys in (case.images, case.vectors))
    return RECIPE.format(images=images, vectors=vectors)


def registry(case, file=None):
    return REGISTRY.format(file=file or case.file, splits=", ".join(sorted({"all", case.split})))
