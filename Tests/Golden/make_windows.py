"""Writes windows.hdf5: a small file of demonstrations for the sweep of window settings, and nothing else.

    make_windows.py    (needs h5py and numpy)

`./run peers windows` writes windows.json beside it: what robomimic 0.3.0 makes of that file.
"""
import json
import os

import h5py
import numpy as np

random = np.random.default_rng(7)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "windows.hdf5")
with h5py.File(path, "w") as file:
    data = file.create_group("data")
    data.attrs["env_args"] = json.dumps({"env_name": "MG_OpenDrawer", "type": 1})
    # Gaps in the numbers, and demos shorter than most windows.
    lengths = {0: 31, 1: 3, 3: 27, 10: 1, 12: 12}
    for number, rows in lengths.items():
        demo = data.create_group(f"demo_{number}")
        demo.create_dataset("actions", data=random.uniform(-1, 1, (rows, 12)))
        demo.create_dataset("obs/robot0_eye_in_hand_image", data=random.integers(0, 256, (rows, 6, 8, 3), dtype=np.uint8),
                            **({"compression": "gzip"} if number != 3 else {}))
        demo.create_dataset("obs/robot0_base_to_eef_pos", data=random.normal(size=(rows, 3)), compression="gzip")
        demo.create_dataset("obs/robot0_gripper_qpos", data=random.normal(size=(rows, 2)))
        demo.attrs["num_samples"] = rows
        demo.attrs["ep_meta"] = json.dumps({"lang": "open the drawer"})
    data.attrs["total"] = sum(lengths.values())
    for name, numbers in {"long": [3, 0], "short": [10, 12, 1]}.items():
        file[f"mask/{name}"] = np.array(sorted(f"demo_{number}" for number in numbers), dtype="S")
