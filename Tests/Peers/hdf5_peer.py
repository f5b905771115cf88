"""The other side of the HDF5 tests, in h5py.

    hdf5_peer.py read FILE     prints what h5py finds in FILE as JSON
    hdf5_peer.py write FILE    writes a file as RoboCasa's scripts do, prints what is in it
    hdf5_peer.py odd FILE      writes what else is met: RoboCasa's optional parts, other widths, missing attributes
    hdf5_peer.py swmr FILE     leaves a file marked as open for writing, as a killed writer does
"""
import json
import sys

import h5py
import numpy as np


def digest(path):
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        demos = {}
        for name, demo in file["data"].items():
            arrays = {}

            def visit(key, item):
                if isinstance(item, h5py.Dataset):
                    values = item[()].astype(np.float64)
                    weights = np.arange(1, values.size + 1, dtype=np.float64).reshape(values.shape)
                    arrays[key] = {"shape": list(item.shape), "type": str(item.dtype), "sum": float(values.sum()),
                                   "weighted": float((values * weights).sum()), "compression": item.compression or "none"}
            demo.visititems(visit)
            demos[name] = {"arrays": arrays, "num_samples": int(demo.attrs["num_samples"]),
                           "lang": json.loads(demo.attrs["ep_meta"])["lang"], "model": len(demo.attrs["model_file"])}
        masks = {key: [x.decode() for x in values[()]] for key, values in file.get("mask", {}).items()}
        return {"demos": demos, "masks": masks, "total": int(file["data"].attrs["total"]),
                "env_name": json.loads(file["data"].attrs["env_args"])["env_name"]}


def write(path):
    random = np.random.default_rng(3)
    with h5py.File(path, "w", libver=("v110", "v110") if "v110" in path else None) as file:
        data = file.create_group("data")
        total = 0
        # 1-based names with a gap; one demo contiguous, as left by renumbering; states of varying width.
        for number, rows in [(1, 40), (2, 25), (10, 33)]:
            demo = data.create_group(f"demo_{number}")
            demo.create_dataset("actions", data=random.uniform(-1, 1, (rows, 12)))
            demo.create_dataset("states", data=random.normal(size=(rows, 20 + number)))
            demo.create_dataset("rewards", data=np.zeros(rows))
            demo.create_dataset("dones", data=np.zeros(rows, dtype=np.int64))
            packed = {} if number == 2 else {"compression": "gzip"}
            image = random.integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)
            demo.create_dataset("obs/robot0_agentview_left_image", data=image, **packed)
            demo.create_dataset("obs/robot0_base_to_eef_pos", data=random.normal(size=(rows, 3)), **packed)
            demo.create_dataset("obs/robot0_gripper_qpos", data=random.normal(size=(rows, 2)).astype(np.float32))
            demo.attrs["num_samples"] = rows
            demo.attrs["ep_meta"] = json.dumps({"lang": f"task {number} – é", "layout_id": number, "style_id": 3}, indent=4)
            demo.attrs["model_file"] = "<mujoco>" + "x" * 70000 + "</mujoco>"
            total += rows
        data.attrs["total"] = total
        if "fixed" in path:
            data.attrs["env_args"] = np.bytes_(json.dumps({"env_name": "MG_OpenDrawer", "type": 1}))
        else:
            data.attrs["env_args"] = json.dumps({"env_name": "MG_OpenDrawer", "type": 1}, indent=4)
        file.create_dataset("mask/2_demos", data=np.array(["demo_10", "demo_1"], dtype="S"))


def odd(path):
    random = np.random.default_rng(5)
    width = 8 if "eight" in path else 7 if "seven" in path else 12
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "OpenDrawer", "type": 1})
        data.attrs["date"] = "2024-05-03"
        data.attrs["env_info"] = "{}"
        # Beyond the 64 KB that an attribute may have in an object's header.
        data.attrs["robosuite_version"] = np.bytes_("1.4.1" + "x" * 100_000)
        for number, rows in enumerate([9, 14, 6]):
            demo = data.create_group(f"demo_{number}")
            actions = random.uniform(-1, 1, (rows, width))
            if width == 12:
                actions[:, 7:11] = 0
                actions[:, 11] = -1
            demo.create_dataset("actions", data=actions)
            demo.create_dataset("actions_abs", data=actions * 2)
            for key, columns in [("rel_pos", slice(0, 3)), ("rel_rot_axis_angle", slice(3, 6)), ("gripper", slice(6, 7))]:
                demo.create_dataset(f"action_dict/{key}", data=actions[:, columns].astype(np.float32))
            demo.create_dataset("states", data=random.normal(size=(rows, 30 + number)))
            demo.create_dataset("datagen_info/object_poses/drawer", data=np.zeros((rows, 4, 4)))
            demo.create_dataset("obs/robot0_eef_pos", data=random.normal(size=(rows, 3)))
            demo.create_dataset("obs/angle", data=random.normal(size=rows))
            demo.create_dataset("obs/depth", data=np.zeros((rows, 6, 6, 1), dtype=np.float32))
            # Interlaced extras: no rewards, dones, num_samples, model; metadata only here and there.
            if number == 0:
                demo.create_dataset("obs/sometimes", data=np.zeros((rows, 2)))
                demo.attrs["ep_meta"] = json.dumps({"lang": "open", "layout_id": 3, "style_id": 4, "object_cfgs": [
                    {"name": "obj", "info": {"cat": "apple"}}, {"name": "other", "info": {}}]})
        file.create_dataset("mask/train", data=np.array(["demo_2", "demo_0"], dtype=h5py.string_dtype()))
        file.create_dataset("mask/50_demos", data=np.array(["demo_0", "demo_7"], dtype="S"))


def swmr(path):
    import os

    file = h5py.File(path, "w", libver=("v110", "v110"))
    file.create_dataset("data/demo_0/actions", data=np.zeros((3, 7)))
    file.swmr_mode = True
    file.flush()
    os._exit(0)


if sys.argv[1] == "swmr":
    swmr(sys.argv[2])
if sys.argv[1] == "odd":
    odd(sys.argv[2])
    sys.exit()
if sys.argv[1] == "write":
    write(sys.argv[2])
print(json.dumps(digest(sys.argv[2])))
