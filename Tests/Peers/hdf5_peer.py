"""The other side of the HDF5 tests, in h5py.

    hdf5_peer.py read FILE     prints what h5py finds in FILE as JSON
    hdf5_peer.py write FILE    writes a file as RoboCasa's scripts do, prints what is in it
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


if sys.argv[1] == "write":
    write(sys.argv[2])
print(json.dumps(digest(sys.argv[2])))
