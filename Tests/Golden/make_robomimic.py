"""Writes robomimic.safetensors: a small BC-Transformer-GMM of robomimic 0.3.0 with its own names, and what it computes.

    .venv-peers/bin/python Tests/Golden/make_robomimic.py        (needs robomimic, torch, safetensors)

Beside the weights: `expected/` its likeliest actions, its loss and the size of each parameter's gradient.
"""
import json
import os

import torch
from safetensors.torch import save_file

# torchvision's binary wants two operations that the CPU build lacks; declaring them is enough to import it.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.obs_utils as obs_utils
from robomimic.algo import algo_factory
from robomimic.config import config_factory

KEYS = {"eef_pos": 3, "gripper_qpos": 2}
torch.manual_seed(1)
config = config_factory("bc")
with config.values_unlocked():
    config.observation.modalities.obs.rgb = []
    config.observation.modalities.obs.low_dim = list(KEYS)
    config.algo.transformer.enabled = True
    config.algo.transformer.supervise_all_steps = True
    config.algo.transformer.context_length = 4
    config.algo.transformer.embed_dim = 24
    config.algo.transformer.num_layers = 2
    config.algo.transformer.num_heads = 4
    config.algo.transformer.emb_dropout = config.algo.transformer.attn_dropout = 0.0
    config.algo.transformer.block_output_dropout = 0.0
    config.algo.gmm.enabled = True
    config.algo.gmm.num_modes = 3
    config.algo.actor_layer_dims = ()
    config.train.frame_stack = config.train.seq_length = 4
obs_utils.initialize_obs_utils_with_config(config)
model = algo_factory("bc", config, obs_key_shapes={k: [w] for k, w in KEYS.items()}, ac_dim=5, device=torch.device("cpu"))
with torch.no_grad():  # zeros at first, which would hide where it is added
    model.nets["policy"].params["embed_timestep"].normal_(0, 0.1)

saved = {name: tensor.detach().clone().contiguous() for name, tensor in model.serialize().items()}
seen = {key: torch.randn(3, 4, width) for key, width in KEYS.items()}
actions = torch.rand(3, 4, 5) * 1.6 - 0.8
model.set_train()
mixture = model.nets["policy"].forward_train(obs_dict=seen, actions=None, low_noise_eval=False)
loss = -mixture.log_prob(actions).mean()
loss.backward()
components = mixture.component_distribution.base_dist.loc
best = mixture.mixture_distribution.logits.argmax(-1)
for key, tensor in seen.items():
    saved[f"expected/obs/{key}"] = tensor
saved["expected/actions"] = actions
saved["expected/loss"] = loss.detach().reshape(1)
saved["expected/best"] = components.gather(2, best[..., None, None].expand(-1, -1, 1, 5))[:, :, 0].detach().contiguous()
for name, parameter in model.nets.named_parameters():
    if parameter.grad is not None:
        saved[f"expected/gradient/{name}"] = parameter.grad.clone().contiguous()
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "robomimic.safetensors")
save_file(saved, path, metadata={"observations": json.dumps([{"key": k, "shape": [w]} for k, w in KEYS.items()])})
print(f"{len(saved)} tensors, {os.path.getsize(path)} bytes")
