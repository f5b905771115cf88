"""One training step of robomimic 0.3.0's BC-Transformer-GMM, its HDF5 read by its own loader: for pytorch_benchmark.py."""
import os
import tempfile

import h5py
import numpy as np
import torch

# torchvision's binary wants two operations that the CPU build lacks; declaring them is enough to import it.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.file_utils as file_utils
import robomimic.utils.obs_utils as obs_utils
import robomimic.utils.tensor_utils as tensor_utils
from robomimic.algo import algo_factory
from robomimic.config import config_factory
from robomimic.utils.dataset import SequenceDataset

CAMERAS = ["robot0_agentview_left_image", "robot0_eye_in_hand_image"]
VECTORS = {"robot0_base_to_eef_pos": 3, "robot0_base_to_eef_quat": 4, "robot0_gripper_qpos": 2}


def write(path):
    """Four demonstrations of 60 steps, stored as robomimic's own tools store them: contiguous, not compressed."""
    random = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "benchmark", "type": 1, "env_kwargs": {}}'
        for demo in range(4):
            group = data.create_group(f"demo_{demo}")
            group.attrs["num_samples"] = 60
            group["actions"] = random.uniform(-1, 1, (60, 12))
            group["rewards"], group["dones"] = np.zeros(60), np.zeros(60)
            for key in CAMERAS:
                group[f"obs/{key}"] = random.integers(0, 256, (60, 84, 84, 3), dtype=np.uint8)
            for key, width in VECTORS.items():
                group[f"obs/{key}"] = random.normal(size=(60, width))


def transformer_config(cameras, vectors):
    """BC-Transformer-GMM on ten frames, one ResNet-18 a camera cropped to 76 pixels, spatial softmax."""
    config = config_factory("bc")
    with config.values_unlocked():
        config.observation.modalities.obs.rgb = cameras
        config.observation.modalities.obs.low_dim = list(vectors)
        rgb = config.observation.encoder.rgb
        rgb.core_class = "VisualCore"
        rgb.core_kwargs.feature_dimension = 64
        rgb.core_kwargs.backbone_class = "ResNet18Conv"
        rgb.core_kwargs.backbone_kwargs.pretrained = False
        rgb.core_kwargs.backbone_kwargs.input_coord_conv = False
        rgb.core_kwargs.pool_class = "SpatialSoftmax"
        rgb.core_kwargs.pool_kwargs.num_kp = 32
        rgb.obs_randomizer_class = "CropRandomizer"
        rgb.obs_randomizer_kwargs.crop_height = rgb.obs_randomizer_kwargs.crop_width = 76
        rgb.obs_randomizer_kwargs.num_crops = 1
        rgb.obs_randomizer_kwargs.pos_enc = False
        config.algo.transformer.enabled = True
        config.algo.transformer.supervise_all_steps = True
        config.algo.gmm.enabled = True
        config.algo.actor_layer_dims = ()
        config.train.frame_stack, config.train.seq_length = 10, 10
    return config


def prepare(threads):
    path = os.path.join(tempfile.mkdtemp(), "benchmark.hdf5")
    write(path)
    config = transformer_config(CAMERAS, VECTORS)
    with config.values_unlocked():
        config.train.data = path
        config.train.batch_size = 16
    obs_utils.initialize_obs_utils_with_config(config)
    shapes = {key: [3, 84, 84] for key in CAMERAS} | {key: [width] for key, width in VECTORS.items()}
    torch.set_num_threads(threads)
    model = algo_factory("bc", config, obs_key_shapes=shapes, ac_dim=12, device=torch.device("cpu"))
    model.set_train()
    count = sum(p.numel() for p in model.nets.parameters())
    assert 41_000_000 < count < 42_000_000, count
    dataset = SequenceDataset(
        hdf5_path=path, obs_keys=CAMERAS + list(VECTORS), dataset_keys=["actions"], frame_stack=10, seq_length=10,
        pad_frame_stack=True, pad_seq_length=True, get_pad_mask=False, hdf5_cache_mode="all", load_next_obs=False)
    loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True, drop_last=True)
    state = {"batches": iter(loader), "epoch": 1}

    def run():
        batch = next(state["batches"], None)
        if batch is None:
            state["batches"] = iter(loader)
            batch = next(state["batches"])
        batch = model.process_batch_for_training(batch)
        batch = model.postprocess_batch_for_training(batch, obs_normalization_stats=None)
        model.train_on_batch(batch, state["epoch"], validate=False)

    return run
