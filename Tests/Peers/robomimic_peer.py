"""What robomimic 0.3.0's SequenceDataset makes of demonstrations.

    robomimic_peer.py sweep FILE JSON    digests of every window of FILE over a sweep of settings, written to JSON
    robomimic_peer.py open FILE          opens FILE as robomimic does and reads every window of one setting
"""
import hashlib
import itertools
import json
import sys

import numpy as np
import torch

# torchvision's binary wants two operations that the CPU build lacks; declaring them is enough to import it.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset

IMAGES = ["robot0_eye_in_hand_image"]
VECTORS = ["robot0_base_to_eef_pos", "robot0_gripper_qpos"]
obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": IMAGES, "low_dim": VECTORS}})


def dataset(path, stack, sequence, start, end, key):
    return SequenceDataset(
        hdf5_path=path, obs_keys=IMAGES + VECTORS, dataset_keys=["actions"], frame_stack=stack, seq_length=sequence,
        pad_frame_stack=start, pad_seq_length=end, get_pad_mask=True, hdf5_cache_mode=None, filter_by_attribute=key,
        load_next_obs=False)


def sweep(path):
    settings = []
    for stack, sequence, start in itertools.product([1, 2, 3, 10], [1, 2, 3, 4, 6, 8, 10, 15, 16], [True, False]):
        # Without padding robomimic refuses episodes shorter than a window.
        everywhere = [(True, None), (True, "short")] if start else []
        for end, key in everywhere + [(True, "long"), (False, "long")]:
            windows = dataset(path, stack, sequence, start, end, key)
            digest = hashlib.sha256()
            for index in range(len(windows)):
                item = windows[index]
                for name in IMAGES:
                    array = np.asarray(item["obs"][name])
                    assert array.dtype == np.uint8
                    digest.update(array.tobytes())
                for array in [item["obs"][name] for name in VECTORS] + [item["actions"]]:
                    digest.update(np.asarray(array).astype("<f4").tobytes())
                digest.update(np.asarray(item["pad_mask"]).reshape(-1).astype(np.uint8).tobytes())
            settings.append({
                "stack": stack, "sequence": sequence, "start": start, "end": end, "key": key or "",
                "windows": len(windows), "sha256": digest.hexdigest()})
    return settings


if sys.argv[1] == "sweep":
    found = sweep(sys.argv[2])
    with open(sys.argv[3], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(setting) for setting in found) + "\n]\n")
    windows = sum(setting["windows"] for setting in found)
    print(f"robomimic: {len(found)} settings, {windows} windows, {5 * windows} arrays")
else:
    windows = dataset(sys.argv[2], 10, 10, True, True, None)
    for index in range(len(windows)):
        windows[index]
    print(f"robomimic: {len(windows)} windows of {sys.argv[2]}")
