"""robomimic 0.3.0 opens our file; every array of every window equals the rule that Tests/Demonstrations/WindowTests states."""
import sys

import h5py
import numpy as np
import torch

# torchvision's binary wants two operations that the CPU build lacks; declaring them is enough to import it.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset

path = sys.argv[1]
keys = ["robot0_agentview_left_image", "robot0_eye_in_hand_image", "robot0_base_to_eef_pos", "robot0_gripper_qpos"]
obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": keys[:2], "low_dim": keys[2:]}})


def rule(array, t, stack, sequence):
    rows = np.clip(np.arange(t - (stack - 1), t + sequence), 0, len(array) - 1)
    return array[rows]


compared = 0
with h5py.File(path, "r", swmr=True, libver="latest") as file:  # as robomimic opens it
    demos = sorted(file["data"], key=lambda name: int(name[5:]))
    for stack, sequence in [(1, 1), (10, 10), (2, 15), (3, 1), (1, 8)]:
        dataset = SequenceDataset(
            hdf5_path=path, obs_keys=keys, dataset_keys=["actions", "rewards", "dones"], frame_stack=stack,
            seq_length=sequence, pad_frame_stack=True, pad_seq_length=True, get_pad_mask=True, hdf5_cache_mode=None,
            load_next_obs=False)
        index = 0
        for demo in demos:
            group = file["data"][demo]
            for t in range(len(group["actions"])):
                item = dataset[index]
                index += 1
                for key in keys:
                    expected = rule(group["obs"][key][()], t, stack, sequence)
                    found = np.asarray(item["obs"][key])
                    assert found.shape == expected.shape and np.array_equal(found, expected), (stack, sequence, demo, t, key)
                    compared += 1
                assert np.allclose(item["actions"], rule(group["actions"][()], t, stack, sequence))
                compared += 1
        assert index == len(dataset), (index, len(dataset))
print(f"robomimic: {compared} arrays equal")
