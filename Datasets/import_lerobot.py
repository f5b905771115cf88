"""Writes a LeRobot v2.1 dataset (RoboCasa 1.0 and 365) as one HDF5 file of the layout that ImitationKit reads.

    ./run lerobot FOLDER OUTPUT.hdf5 [--episodes N]

Parquet is read by pyarrow, the videos by PyAV. meta/modality.json says which columns are what: the numbers of an action come in
another order than RoboCasa's controller takes them, and not in the same one everywhere. Gripper and mode are thresholded at 0.5
to -1 and +1, as RoboCasa's environment does. Filter keys are the first N of all episodes shuffled with seed 0, RoboCasa's choice.
"""
import argparse
import gzip
import json
import os
import random
import sys

import av
import h5py
import numpy as np
import pyarrow.parquet as parquet

# Our 12 numbers in order, and the names that datasets give to their parts.
ACTIONS = [
    (3, ("end_effector_position", "eef_position", "eef_pos")),
    (3, ("end_effector_rotation", "eef_rotation", "eef_rot")),
    (1, ("gripper_close", "gripper")),
    (4, ("base_motion",)),
    (1, ("control_mode",)),
]
BINARY = (6, 11)
STATES = {
    "robot0_base_pos": (3, ("base_position", "base_pos")),
    "robot0_base_quat": (4, ("base_rotation", "base_quat")),
    "robot0_base_to_eef_pos": (3, ("end_effector_position_relative", "base_to_eef_pos", "eef_pos_relative")),
    "robot0_base_to_eef_quat": (4, ("end_effector_rotation_relative", "base_to_eef_quat", "eef_rot_relative")),
    "robot0_gripper_qpos": (2, ("gripper_qpos",)),
}


class Refused(Exception):
    pass


def load(path):
    try:
        with open(path) as file:
            return json.loads(file.read())
    except FileNotFoundError:
        raise Refused(f"{path}: no such file; FOLDER is the one that holds meta, data and videos")
    except ValueError as error:
        raise Refused(f"{path}: {error}")


def rows(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def part(modality, kind, names, width):
    """The column and the places of a part of the state or action, by any of its names."""
    for name in names:
        if name in modality.get(kind, {}):
            entry = modality[kind][name]
            start, end = entry["start"], entry["end"]
            if end - start != width:
                raise Refused(f"meta/modality.json: {kind}.{name} has {end - start} numbers, {width} expected")
            default = "observation.state" if kind == "state" else "action"
            return entry.get("original_key") or default, slice(start, end)
    return None


def column(table, name, path):
    if name not in table.column_names:
        raise Refused(f"{path}: no column {name}; it has {', '.join(table.column_names)}")
    return np.array(table[name].to_pylist(), np.float64)


def frames(path, count):
    with av.open(path) as video:
        images = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    if len(images) != count:
        raise Refused(f"{path}: {len(images)} frames for {count} steps")
    return np.stack(images)


def convert(folder, output, limit):
    info, modality = load(f"{folder}/meta/info.json"), load(f"{folder}/meta/modality.json")
    version = str(info.get("codebase_version", "?"))
    if not version.startswith("v2"):
        raise Refused(f"{folder}/meta/info.json: LeRobot {version}; this reads v2.0 and v2.1")
    episodes = rows(f"{folder}/meta/episodes.jsonl")
    tasks = {row["task_index"]: row["task"] for row in rows(f"{folder}/meta/tasks.jsonl")}
    actions = [(part(modality, "action", names, width), names[0]) for width, names in ACTIONS]
    missing = [name for place, name in actions if place is None]
    if missing:
        raise Refused(f"meta/modality.json: no action {', '.join(missing)}; it has {', '.join(modality.get('action', {}))}")
    states = {key: part(modality, "state", names, width) for key, (width, names) in STATES.items()}
    videos = {name: entry.get("original_key") or f"observation.images.{name}" for name, entry in modality["video"].items()}

    described = {row["episode_index"]: row for row in episodes}
    order = list(described)
    random.Random(0).shuffle(order)
    chosen = sorted(order[:limit] if limit else order)
    meta_path = f"{folder}/extras/dataset_meta.json"
    meta = load(meta_path) if os.path.exists(meta_path) else {}
    env = meta.get("env_args") or {"env_name": tasks[max(tasks)], "type": 1, "env_kwargs": {}}
    with h5py.File(output, "w", libver=("v108", "v110")) as file:  # attributes above 64 KB
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(env)
        total = 0
        for number, index in enumerate(chosen):
            places = {"episode_chunk": index // info.get("chunks_size", 1000), "episode_index": index}
            path = f"{folder}/" + info["data_path"].format(**places)
            table = parquet.read_table(path)
            count = table.num_rows
            action = np.concatenate([column(table, key, path)[:, where] for (key, where), _ in actions], 1)
            action[:, BINARY] = np.where(action[:, BINARY] < 0.5, -1.0, 1.0)
            demo = data.create_group(f"demo_{index}")
            demo.attrs["num_samples"] = count
            demo["actions"] = action
            if "next.reward" in table.column_names:
                demo["rewards"] = column(table, "next.reward", path)
            if "next.done" in table.column_names:
                demo["dones"] = column(table, "next.done", path).astype(np.int64)
            for key, place in states.items():
                if place is not None:
                    demo[f"obs/{key}"] = column(table, place[0], path)[:, place[1]]
            for name, key in videos.items():
                video = f"{folder}/" + info["video_path"].format(video_key=key, **places)
                demo[f"obs/{name.removesuffix('_image')}_image"] = frames(video, count)
            extras = f"{folder}/extras/episode_{index:06d}"
            row = described[index]
            if os.path.exists(f"{extras}/ep_meta.json"):
                episode = load(f"{extras}/ep_meta.json")
            else:
                episode = {"lang": next(iter(row.get("tasks", [])), "")}
            demo.attrs["ep_meta"] = json.dumps(episode)
            if os.path.exists(f"{extras}/model.xml.gz"):
                demo.attrs["model_file"] = gzip.open(f"{extras}/model.xml.gz", "rt").read()
            if os.path.exists(f"{extras}/states.npz"):
                stored = np.load(f"{extras}/states.npz")
                demo["states"] = stored[stored.files[0]]
            total += count
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {len(chosen)} episodes", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        data.attrs["total"] = total
        for size in (30, 50, 100, 300, 500, 1000, 3000):
            if size <= len(chosen):
                names = [f"demo_{index}" for index in order[:size]]
                file[f"mask/{size}_demos"] = np.array(names, dtype="S")
    return len(chosen), total


def fail(partial, reason):
    if os.path.exists(partial):
        os.remove(partial)
    sys.exit(("\r\033[K" if sys.stderr.isatty() else "") + f"run lerobot: {reason}")


def main():
    parser = argparse.ArgumentParser(prog="run lerobot", description="LeRobot v2.1 to HDF5")
    parser.add_argument("folder")
    parser.add_argument("output")
    parser.add_argument("--episodes", type=int, help="only so many, chosen as RoboCasa chooses")
    chosen = parser.parse_args()
    partial = chosen.output + ".partial"
    try:
        count, steps = convert(chosen.folder.rstrip("/"), partial, chosen.episodes)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, chosen.output)
    except KeyboardInterrupt:
        fail(partial, "stopped; nothing was written")
    except (Refused, OSError, KeyError, TypeError, ValueError, av.FFmpegError) as error:
        if isinstance(error, KeyError):
            fail(partial, f"no {error} in the dataset's descriptions")
        if isinstance(error, OSError) and error.errno:
            fail(partial, f"{error.filename or chosen.output}: {os.strerror(error.errno)}")
        fail(partial, str(error).splitlines()[0])
    print(f"{chosen.output}: {count} episodes, {steps} steps")


main()
