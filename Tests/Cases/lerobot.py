"""LeRobot's datasets, for the converter."""
import json
import os
import shutil

import numpy as np

from making import Skipped, case, encoded, smooth, told

CONVERTER = os.path.abspath(f"{os.path.dirname(__file__)}/../../Datasets/import_lerobot.py")
STEPS = 8
# RoboCasa's order of the 12 numbers of an action, which is not ours.
ACTION = {"base_motion": (0, 4), "control_mode": (4, 5), "end_effector_position": (5, 8), "end_effector_rotation": (8, 11),
          "gripper_close": (11, 12)}
CHUNK = "chunk-{episode_chunk:03d}"


def packages():
    try:
        import av
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise Skipped(f"{error.name} is not installed")
    return av, pyarrow


def values(episode):
    random = np.random.default_rng(40 + episode)
    return random.uniform(0, 1, (STEPS, 12)), random.uniform(-1, 1, (STEPS, 2))


def dataset(folder, episodes=3, modality=True, images=False, version="v2.1"):
    av, arrow = packages()
    root = f"{folder}/set"
    os.makedirs(f"{root}/meta")
    info = {"codebase_version": version, "fps": 20, "chunks_size": 1000, "total_episodes": episodes,
            "total_frames": episodes * STEPS, "total_tasks": 1, "robot_type": "toy", "splits": {"train": f"0:{episodes}"},
            "data_path": f"data/{CHUNK}/episode_{{episode_index:06d}}.parquet",
            "video_path": None if images else f"videos/{CHUNK}/{{video_key}}/episode_{{episode_index:06d}}.mp4",
            "features": {
                "action": {"dtype": "float32", "shape": [12], "names": None},
                "observation.state": {"dtype": "float32", "shape": [2], "names": ["left", "right"]},
                "observation.images.cam": {
                    "dtype": "image" if images else "video", "shape": [32, 32, 3], "names": ["height", "width", "channel"]},
                "episode_index": {"dtype": "int64", "shape": [1]}, "frame_index": {"dtype": "int64", "shape": [1]},
                "timestamp": {"dtype": "float32", "shape": [1]}, "task_index": {"dtype": "int64", "shape": [1]}}}
    write(f"{root}/meta/info.json", info)
    lines(f"{root}/meta/episodes.jsonl", [{"episode_index": i, "tasks": ["push the toy"], "length": STEPS} for i in range(episodes)])
    lines(f"{root}/meta/tasks.jsonl", [{"task_index": 0, "task": "push the toy"}])
    if modality:
        write(f"{root}/meta/modality.json", {
            "state": {"gripper_qpos": {"start": 0, "end": 2}},
            "action": {name: {"start": start, "end": end} for name, (start, end) in ACTION.items()},
            "video": {"cam": {"original_key": "observation.images.cam"}}})
    for i in range(episodes):
        action, state = values(i)
        columns = {"action": [list(row) for row in action], "observation.state": [list(row) for row in state],
                   "episode_index": [i] * STEPS, "frame_index": list(range(STEPS)), "index": list(range(i * STEPS, (i + 1) * STEPS)),
                   "timestamp": [row / 20 for row in range(STEPS)], "task_index": [0] * STEPS}
        if images:
            columns["observation.images.cam"] = [
                {"bytes": encoded(picture, "PNG").tobytes(), "path": f"{row}.png"} for row, picture in enumerate(frames(i))]
        os.makedirs(f"{root}/data/chunk-000", exist_ok=True)
        arrow.parquet.write_table(arrow.table(columns), f"{root}/data/chunk-000/episode_{i:06d}.parquet")
        if not images:
            place = f"{root}/videos/chunk-000/observation.images.cam"
            os.makedirs(place, exist_ok=True)
            film(av, f"{place}/episode_{i:06d}.mp4", frames(i))
    return root


def frames(episode, steps=STEPS):
    return smooth(episode, steps, 32)


def film(av, path, frames):
    with av.open(path, "w") as video:
        stream = video.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        video.mux(stream.encode())


def write(path, content):
    with open(path, "w") as file:
        json.dump(content, file)


def lines(path, rows):
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def change(path, edit):
    """Rewrites a parquet file; `edit` gets its columns as lists."""
    _, arrow = packages()
    columns = arrow.parquet.read_table(path).to_pydict()
    edit(columns)
    arrow.parquet.write_table(arrow.table(columns), path)


def parquet(root, episode):
    return f"{root}/data/chunk-000/episode_{episode:06d}.parquet"


def rearranged(case, root):
    """What comes of RoboCasa's sets: the order of RoboCasa's controller, two numbers at -1 or +1, the films' frames as PyAV decodes."""
    expected = []
    for arrays in plain(case, root):
        parts = [arrays["actions"][:, slice(*ACTION[name])] for name in (
            "end_effector_position", "end_effector_rotation", "gripper_close", "base_motion", "control_mode")]
        action = np.concatenate(parts, 1)
        action[:, [6, 11]] = np.where(action[:, [6, 11]] < 0.5, -1, 1)
        expected.append({**arrays, "actions": action})
    return expected


def plain(case, root):
    """What comes of any other set: the columns as they are."""
    av, _ = packages()
    expected = []
    for i in range(3):
        action, state = values(i)
        film = f"{root}/videos/chunk-000/observation.images.cam/episode_{i:06d}.mp4"
        if os.path.exists(film):
            with av.open(film) as video:
                pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
        else:
            pictures = frames(i)
        expected.append({"actions": action, "state": state, "cam": pictures})
    return expected


@case(convert="values", reference=rearranged)
def lerobot_robocasa(folder):
    """RoboCasa 1.0 and 365: LeRobot v2.1 with meta/modality.json."""
    dataset(folder)


@case(convert="values", reference=plain)
def lerobot_plain(folder):
    """Any other LeRobot v2.1 dataset."""
    dataset(folder, modality=False)


@case(convert="values", reference=plain)
def lerobot_v20(folder):
    """LeRobot v2.0, which has no meta/episodes_stats.jsonl."""
    dataset(folder, modality=False, version="v2.0")


@case(convert="values", reference=plain)
def lerobot_images(folder):
    """Pictures inside the parquet files, no films."""
    dataset(folder, modality=False, images=True)


@case(convert=["episode_000000.parquet", "action"])
def lerobot_null(folder):
    """A dropped reading: null in the gripper's column, which must not become a number."""
    change(parquet(dataset(folder), 0), lambda columns: columns["action"][2].__setitem__(11, None))


@case(convert=["episode_000001.parquet", ("episode_index", "episode 0")])
def lerobot_shifted(folder):
    """The parquet file of episode 1 holds another episode's rows: a merge that renamed files only."""
    root = dataset(folder)
    shutil.copy(parquet(root, 0), parquet(root, 1))


@case(convert=["episode_000001.parquet", "frame_index"])
def lerobot_unordered(folder):
    """Rows out of order."""
    def swap(columns):
        for column in columns.values():
            column[2], column[3] = column[3], column[2]

    change(parquet(dataset(folder), 1), swap)


@case(convert=["7", "8"])
def lerobot_shorter(folder):
    """An episode with fewer rows than meta/episodes.jsonl says."""
    change(parquet(dataset(folder), 1), lambda columns: [column.pop() for column in columns.values()])


@case(convert=["action", "7"])
def lerobot_narrow(folder):
    """meta/modality.json reaches beyond the column: 12 numbers are named, 7 are there."""
    root = dataset(folder)
    for i in range(3):
        change(parquet(root, i), lambda columns: columns.update(action=[row[:7] for row in columns["action"]]))


@case(convert=["action"])
def lerobot_ragged(folder):
    """Rows of different widths."""
    change(parquet(dataset(folder), 1), lambda columns: columns["action"][3].pop())


@case(convert=["episode_000001.parquet", "action"])
def lerobot_nan(folder):
    """NaN in an action."""
    change(parquet(dataset(folder, modality=False), 1), lambda columns: columns["action"][3].__setitem__(0, float("nan")))


@case(convert="values", reference=rearranged)
def lerobot_no_tasks(folder):
    """An empty table of tasks; the episodes have their words all the same."""
    lines(f"{dataset(folder)}/meta/tasks.jsonl", [])


@case(convert=told(("tasks.jsonl", "instruction")), reference=lambda case, root: None)
def lerobot_no_words(folder):
    """Neither table has any words."""
    root = dataset(folder)
    lines(f"{root}/meta/tasks.jsonl", [])
    lines(f"{root}/meta/episodes.jsonl", [{"episode_index": i, "length": STEPS} for i in range(3)])


@case(convert=["episode_000001.mp4"])
def lerobot_film_missing(folder):
    """A film that was not downloaded."""
    root = dataset(folder)
    os.remove(f"{root}/videos/chunk-000/observation.images.cam/episode_000001.mp4")


@case(convert=["episode_000001.mp4"])
def lerobot_film_shorter(folder):
    """A film with fewer frames than steps."""
    av, _ = packages()
    root = dataset(folder)
    film(av, f"{root}/videos/chunk-000/observation.images.cam/episode_000001.mp4", frames(1, 5))


@case(convert=["episode_000001.mp4"])
def lerobot_film_pointer(folder):
    """A clone without Git LFS."""
    root = dataset(folder)
    with open(f"{root}/videos/chunk-000/observation.images.cam/episode_000001.mp4", "w") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n")


@case(convert=["episode_000001.parquet"])
def lerobot_parquet_truncated(folder):
    """A parquet file cut off."""
    root = dataset(folder)
    os.truncate(parquet(root, 1), 700)


@case(convert=["info.json"])
def lerobot_empty_folder(folder):
    """A folder with nothing in it."""
    os.makedirs(f"{folder}/set")


@case(convert=["info.json"])
def lerobot_info_broken(folder):
    """meta/info.json is no JSON."""
    root = dataset(folder)
    with open(f"{root}/meta/info.json", "w") as file:
        file.write('{"codebase_version": "v2.1", ')


@case(convert=["v9.0"])
def lerobot_future(folder):
    """A version that nobody has seen."""
    dataset(folder, version="v9.0")
