"""Makes a small LeRobot v2.1 dataset, or compares a converted file with what went into it.

    lerobot_peer.py make FOLDER        lerobot_peer.py compare FILE.hdf5

Its actions are stored base first, as RoboCasa 1.0 stores them: whoever ignores modality.json gets them in the wrong order.
"""
import json
import os
import sys

import numpy as np

STEPS = [23, 31]
CAMERA = "robot0_agentview_left"


def episode(index):
    random = np.random.default_rng(index)
    eef_first = random.uniform(-1, 1, (STEPS[index], 12))
    eef_first[:, [6, 11]] = random.integers(0, 2, (STEPS[index], 2))
    state = random.uniform(-1, 1, (STEPS[index], 16))
    y, x = np.mgrid[0:64, 0:64]
    frames = np.stack([np.stack([x * 3, y * 3, x * 0 + 4 * t], -1) for t in range(STEPS[index])]).astype(np.uint8)
    return eef_first, state, frames


def make(folder):
    import av
    import pyarrow as pa
    import pyarrow.parquet as parquet

    for name in ("meta", "data/chunk-000", f"videos/chunk-000/observation.images.{CAMERA}"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    spans = lambda *parts: {name: {"start": a, "end": b, "original_key": None} for name, a, b in parts}
    modality = {
        "action": spans(("base_motion", 0, 4), ("control_mode", 4, 5), ("end_effector_position", 5, 8),
                        ("end_effector_rotation", 8, 11), ("gripper_close", 11, 12)),
        "state": spans(("base_position", 0, 3), ("base_rotation", 3, 7), ("end_effector_position_relative", 7, 10),
                       ("end_effector_rotation_relative", 10, 14), ("gripper_qpos", 14, 16)),
        "video": {CAMERA: {"original_key": f"observation.images.{CAMERA}"}},
    }
    info = {
        "codebase_version": "v2.1", "chunks_size": 1000, "fps": 20,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    for name, value in (("modality", modality), ("info", info)):
        json.dump(value, open(f"{folder}/meta/{name}.json", "w"))
    with open(f"{folder}/meta/tasks.jsonl", "w") as file:
        file.write('{"task_index": 0, "task": "open the drawer"}\n{"task_index": 1, "task": "OpenDrawer"}\n')
    with open(f"{folder}/meta/episodes.jsonl", "w") as file:
        for index, count in enumerate(STEPS):
            file.write(json.dumps({"episode_index": index, "tasks": ["open the drawer"], "length": count}) + "\n")
    for index, count in enumerate(STEPS):
        action, state, frames = episode(index)
        stored = action[:, [7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6]]
        table = pa.table({
            "observation.state": state.tolist(), "action": stored.tolist(),
            "next.reward": np.zeros(count, np.float32), "next.done": np.arange(count) == count - 1,
            "episode_index": np.full(count, index), "frame_index": np.arange(count), "timestamp": np.arange(count) / 20,
        })
        parquet.write_table(table, f"{folder}/data/chunk-000/episode_{index:06d}.parquet")
        path = f"{folder}/videos/chunk-000/observation.images.{CAMERA}/episode_{index:06d}.mp4"
        with av.open(path, "w") as video:
            stream = video.add_stream("libx264", rate=20)
            stream.width, stream.height, stream.pix_fmt, stream.options = 64, 64, "yuv420p", {"crf": "10"}
            for frame in frames:
                video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            video.mux(stream.encode())


def compare(path):
    import h5py

    with h5py.File(path) as file:
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "OpenDrawer"
        for index in range(len(STEPS)):
            action, state, frames = episode(index)
            action[:, [6, 11]] = action[:, [6, 11]] * 2 - 1
            demo = file[f"data/demo_{index}"]
            assert json.loads(demo.attrs["ep_meta"])["lang"] == "open the drawer"
            assert np.array_equal(demo["actions"][:], action)
            assert np.array_equal(demo["obs/robot0_base_to_eef_quat"][:], state[:, 10:14])
            assert np.array_equal(demo["obs/robot0_gripper_qpos"][:], state[:, 14:16])
            off = np.abs(demo[f"obs/{CAMERA}_image"][:].astype(int) - frames).mean()
            assert off < 6, off  # what the video format loses
    print(f"lerobot: {len(STEPS)} episodes as they went in; the video's colours {off:.1f} of 255 off on the mean")


{"make": make, "compare": compare}[sys.argv[1]](sys.argv[2])
