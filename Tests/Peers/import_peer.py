"""A robomimic 0.3.0 BC-Transformer with two ResNet-18s as a checkpoint of its own making, and what it says of an input.

    import_peer.py make FOLDER                       writes checkpoint.pth and recipe.yaml
    import_peer.py compare FOLDER golden.safetensors  its likeliest actions for the golden input, against ours
"""
import os
import sys

import torch
from safetensors.torch import load_file

from robomimic_step import transformer_config  # first: it makes torchvision's binary importable

import robomimic.utils.obs_utils as obs_utils
import robomimic.utils.train_utils as train_utils
from robomimic.algo import algo_factory

CAMERAS = ["agentview_image", "robot0_eye_in_hand_image"]
VECTORS = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2}
RECIPE = """name: imported
data: {registry: none, split: all, tasks: [Lift]}
observations:
  images: [agentview_image, robot0_eye_in_hand_image]
  vectors: [robot0_eef_pos, robot0_eef_quat, robot0_gripper_qpos]
encoder: {kind: resnet18, crop: 76, instruction: {kind: none}}
policy: {kind: bc-transformer, causal: true, pred_future_actions: false, minimum_deviation: 1.0e-4, mode: best, acting_deviation: 0}
training: {steps: 1}
evaluation: {simulator: {kind: none}}
"""


def build():
    torch.manual_seed(1)
    config = transformer_config(CAMERAS, VECTORS)
    obs_utils.initialize_obs_utils_with_config(config)
    # As its training script finds them in a file: all keys by name, cameras among the rest.
    shapes = {key: [3, 84, 84] if key in CAMERAS else [VECTORS[key]] for key in sorted(CAMERAS + list(VECTORS))}
    model = algo_factory("bc", config, obs_key_shapes=shapes, ac_dim=7, device=torch.device("cpu"))
    return model, config, shapes


def make(folder):
    model, config, shapes = build()
    with torch.no_grad():
        model.nets["policy"].params["embed_timestep"].normal_(0, 0.1)
        model.set_train()  # moves the running statistics away from where they start
        model.nets["policy"].forward_train(
            obs_dict={key: torch.rand(2, 10, *shape) for key, shape in shapes.items()}, actions=None)
    train_utils.save_model(
        model=model, config=config, env_meta={}, ckpt_path=f"{folder}/checkpoint.pth",
        shape_meta={"all_shapes": shapes, "all_obs_keys": list(shapes), "ac_dim": 7, "use_images": True})
    open(f"{folder}/recipe.yaml", "w").write(RECIPE)


def compare(folder, golden):
    model, _, shapes = build()
    model.deserialize(torch.load(f"{folder}/checkpoint.pth", weights_only=False)["model"])
    model.set_eval()
    golden = load_file(golden)
    seen = {}
    for key in shapes:
        value = golden[f"{'image' if key in CAMERAS else 'vector'}/{key}"][None]
        # This version still crops at random when it acts; ours takes the middle.
        seen[key] = obs_utils.process_obs(value, obs_key=key)
    with torch.no_grad():
        torch.randint = lambda low, high, size, **more: torch.full(size, 4)
        torch.rand = lambda *size, **more: torch.full(size, 0.5)
        mixture = model.nets["policy"].forward_train(obs_dict=seen, actions=None, low_noise_eval=True)
    best = mixture.mixture_distribution.logits.argmax(-1)
    theirs = mixture.component_distribution.base_dist.loc.gather(2, best[..., None, None].expand(-1, -1, 1, 7))[0, :, 0]
    # As its get_action does: by the last frame's token.
    theirs = theirs[-1:]
    assert golden["actions"].shape == theirs.shape, golden["actions"].shape
    error = (theirs - golden["actions"]).abs().max() / theirs.abs().max()
    print(f"import: robomimic's actions and ours differ by {error:.1e} of the largest")
    assert error < 1e-4


{"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
