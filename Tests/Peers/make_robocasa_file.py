"""Writes a file as RoboCasa's extraction script does (layout, types, attributes, h5py's automatic chunks, gzip level 4).

    make_robocasa_file.py FILE [--demos N] [--steps N] [--size PIXELS] [--contiguous EVERY]
"""
import argparse
import json

import h5py
import numpy as np

CAMERAS = ["robot0_agentview_left_image", "robot0_agentview_right_image", "robot0_eye_in_hand_image"]
VECTORS = {"robot0_base_to_eef_pos": 3, "robot0_base_to_eef_quat": 4, "robot0_base_pos": 3, "robot0_base_quat": 4,
           "robot0_gripper_qpos": 2, "object": 14}


def picture(random, steps, size):
    """Smooth shapes that move, with a little noise: compresses about as rendered frames do."""
    y, x = np.mgrid[0:size, 0:size]
    frames = np.empty((steps, size, size, 3), dtype=np.uint8)
    phase = random.uniform(0, 6, 3)
    for t in range(steps):
        for c in range(3):
            wave = 120 + 80 * np.sin(x / 17 + phase[c] + t / 9) * np.cos(y / 23 - t / 13)
            frames[t, :, :, c] = np.clip(wave + random.integers(-3, 4, (size, size)), 0, 255)
    return frames


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--task", default="OpenDrawer")
    parser.add_argument("--demos", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--contiguous", type=int, default=0, help="every how many demos one is stored uncompressed")
    arguments = parser.parse_args()
    random = np.random.default_rng(3)
    with h5py.File(arguments.file, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(
            {"env_name": arguments.task, "env_version": "1.4.1", "type": 1, "env_kwargs": {"robots": "PandaMobile"}}, indent=4)
        for number in range(arguments.demos):
            demo = data.create_group(f"demo_{number}")
            actions = random.uniform(-1, 1, (arguments.steps, 12))
            demo.create_dataset("actions", data=actions)
            demo.create_dataset("states", data=random.normal(size=(arguments.steps, 160 + number % 3)))
            demo.create_dataset("rewards", data=np.zeros(arguments.steps))
            demo.create_dataset("dones", data=(np.arange(arguments.steps) >= arguments.steps - 10).astype(np.int64))
            plain = arguments.contiguous and number % arguments.contiguous == arguments.contiguous - 1
            how = {} if plain else {"compression": "gzip"}
            for camera in CAMERAS:
                demo.create_dataset(f"obs/{camera}", data=picture(random, arguments.steps, arguments.size), **how)
            for key, width in VECTORS.items():
                demo.create_dataset(f"obs/{key}", data=random.normal(size=(arguments.steps, width)), **how)
            demo.attrs["num_samples"] = arguments.steps
            demo.attrs["model_file"] = "<mujoco>" + "x" * 100_000 + "</mujoco>"
            demo.attrs["ep_meta"] = json.dumps(
                {"lang": f"open the {'left' if number % 2 else 'right'} drawer", "layout_id": number % 10, "style_id": number % 12,
                 "object_cfgs": [{"name": "obj", "info": {"cat": "apple"}}]})
        data.attrs["total"] = arguments.demos * arguments.steps
        names = [f"demo_{number}" for number in range(arguments.demos)]
        for count in (10, 30, 50, 3000):
            file[f"mask/{count}_demos"] = np.array(sorted(names[:count]), dtype="S")


main()
