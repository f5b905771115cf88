"""How many windows a second robomimic 0.3.0's SequenceDataset gives through a PyTorch DataLoader: the best of 0 and 2
workers, and of hdf5_cache_mode none and low_dim. Prints one JSON object.

    loader_peer.py FILE [--seconds S]
"""
import argparse
import json
import time

import h5py
import torch

# torchvision's binary wants two operations that the CPU build lacks; declaring them is enough to import it.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with h5py.File(arguments.file) as file:
        keys = list(file["data/demo_0/obs"])
    images = [key for key in keys if key.endswith("_image")]
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": images, "low_dim": [k for k in keys if k not in images]}})
    found = {}
    for cache in (None, "low_dim"):
        for workers in (0, 2):
            dataset = SequenceDataset(
                hdf5_path=arguments.file, obs_keys=keys, dataset_keys=["actions"], frame_stack=10, seq_length=10,
                pad_frame_stack=True, pad_seq_length=True, get_pad_mask=True, hdf5_cache_mode=cache, load_next_obs=False)
            loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True, drop_last=True, num_workers=workers)
            batches = iter(loader)
            next(batches)
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < arguments.seconds:
                if next(batches, None) is None:
                    batches = iter(loader)
                    continue
                count += 16
            found[f"cache {cache}, {workers} workers"] = count / (time.perf_counter() - start)
            del batches, loader
    print(json.dumps({"windows_per_second": max(found.values()), "all": found}))


main()
