"""Writes a checkpoint of robomimic or diffusion_policy as safetensors, for `imitate import`. Run it where their PyTorch is:

    python checkpoint_to_safetensors.py CHECKPOINT OUTPUT.safetensors
"""
import json
import sys

import torch
from safetensors.torch import save_file

try:
    import dill as pickles  # what diffusion_policy writes with
except ImportError:
    import pickle as pickles

checkpoint = torch.load(sys.argv[1], map_location="cpu", pickle_module=pickles, weights_only=False)
if "state_dicts" in checkpoint:  # diffusion_policy: the averaged weights where there are any
    states, config = checkpoint["state_dicts"], checkpoint["cfg"]
    weights = dict(states.get("ema_model", states["model"]))
    observed = (config.get("shape_meta") or {}).get("obs")
    shapes = {k: list(v["shape"]) for k, v in observed.items()} if observed else {"obs": [config["obs_dim"]]}
else:  # robomimic: features in the order of all keys by name
    weights, shapes = dict(checkpoint["model"]), dict(checkpoint["shape_metadata"]["all_shapes"])
    for key, value in ((checkpoint.get("action_normalization_stats") or {}).get("actions") or {}).items():
        weights[f"action_normalization.{key}"] = torch.as_tensor(value).flatten()
keys = json.dumps([{"key": key, "shape": list(shape)} for key, shape in shapes.items()])
tensors = {name: t.detach().clone().contiguous() for name, t in weights.items() if torch.is_tensor(t)}
save_file(tensors, sys.argv[2], metadata={"observations": keys})
print(f"{sys.argv[2]}: {len(tensors)} tensors of {', '.join(shapes)}")
