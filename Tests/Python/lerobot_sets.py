"""Makes small LeRobot datasets, whose arrays are kept to be compared with what a conversion makes of them."""
import io
import json
import os

os.environ.setdefault("SVT_LOG", "1")  # AV1's encoder is talkative

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from PIL import Image

FPS = 10
HEIGHT, WIDTH = 48, 64
CAMERA = "observation.images.top"
ACTIONS = ["x", "y", "z", "grip"]


def png(frame, **options):
    buffer = io.BytesIO()
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))


def write_parquet(path, columns, **options):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    parquet.write_table(table, path, **options)


def write_video(path, frames, fps=FPS, codec="libx264", options=None, pix_fmt="yuv420p", places=None):
    """`places` are the steps that frames are at, where that is not one after the other."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with av.open(path, "w") as video:
        stream = video.add_stream(codec, rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        stream.options = options or {}
        layout = "gray" if frames[0].ndim == 2 else "rgb24"
        for step, frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(frame, format=layout)
            if places is not None:
                frame.pts = places[step]
            video.mux(stream.encode(frame))
        video.mux(stream.encode())


class LeRobotSet:
    """A dataset in memory, to be damaged, and then written.

    A frame's color says of which episode and step it is, by more than a video format loses.
    """

    def __init__(self, version="v2.1", lengths=(5, 7, 6), camera="video", modality=False, features=True, width=4):
        self.version, self.lengths, self.camera, self.codec = version, lengths, camera, "libx264"
        self.video_options = {"g": "4"}
        random = np.random.default_rng(7)
        self.actions = [random.uniform(0, 1, (count, 12 if modality else width)) for count in lengths]
        self.states = [random.uniform(-1, 1, (count, 2)) for count in lengths]
        self.frames = [np.array([self.frame(episode, step) for step in range(count)], np.uint8)
                       for episode, count in enumerate(lengths)]
        self.tasks = {0: "push the toy", 1: "lift the toy"}
        self.data_files = {episode: (0, 0 if episode < 2 else 1) for episode in range(len(lengths))}
        starts = np.concatenate([[0], np.cumsum(lengths)]).tolist()
        self.episodes = [{"episode_index": episode, "tasks": [self.tasks[episode % 2]], "length": count}
                         for episode, count in enumerate(lengths)]
        self.tables = []
        for episode, count in enumerate(lengths):
            table = {
                "action": self.actions[episode].tolist(), "observation.state": self.states[episode].tolist(),
                "timestamp": (np.arange(count) / FPS).astype(np.float32), "frame_index": list(range(count)),
                "episode_index": [episode] * count, "index": list(range(starts[episode], starts[episode + 1])),
                "task_index": [episode % 2] * count, "next.reward": np.arange(count) / 8.0,
                "next.done": [step == count - 1 for step in range(count)],
            }
            if camera == "image":
                table[CAMERA] = [{"bytes": png(frame), "path": f"{step}.png"}
                                 for step, frame in enumerate(self.frames[episode])]
            self.tables.append(table)
        self.info = {
            "codebase_version": version, "robot_type": "arm", "fps": FPS, "total_episodes": len(lengths),
            "total_frames": starts[-1], "chunks_size": 2, "splits": {"train": f"0:{len(lengths)}"},
            "video_path": None if camera != "video" else self.video_path, "data_path": self.data_path,
        }
        if features:
            self.info["features"] = {
                "action": {"dtype": "float64", "shape": [len(self.actions[0][0])],
                           "names": None if modality else {"motors": ACTIONS[:width]}},
                "observation.state": {"dtype": "float64", "shape": [2], "names": ["left", "right"]},
                "timestamp": {"dtype": "float32", "shape": [1], "names": None},
                **{name: {"dtype": "int64", "shape": [1], "names": None}
                   for name in ("frame_index", "episode_index", "index", "task_index")},
                "next.reward": {"dtype": "float32", "shape": [1], "names": None},
                "next.done": {"dtype": "bool", "shape": [1], "names": None},
            }
            if camera:
                self.info["features"][CAMERA] = {
                    "dtype": camera, "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channels"]}
        self.modality = {
            "action": {"base_motion": {"start": 0, "end": 4}, "control_mode": {"start": 4, "end": 5},
                       "end_effector_position": {"start": 5, "end": 8},
                       "end_effector_rotation": {"start": 8, "end": 11}, "gripper_close": {"start": 11, "end": 12}},
            "state": {"gripper_qpos": {"start": 0, "end": 2}},
            "video": {"top": {"original_key": CAMERA}},
        } if modality else None

    @property
    def three(self):
        return self.version == "v3.0"

    @property
    def data_path(self):
        return ("data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet" if self.three
                else "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet")

    @property
    def video_path(self):
        return ("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4" if self.three
                else "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4")

    @staticmethod
    def frame(episode, step):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        frame[..., 0], frame[..., 1] = 30 + 20 * (step % 11), 30 + 60 * (episode % 4)
        frame[: HEIGHT // 2, :, 2] = 200
        return frame

    def data(self, episode):
        """Where the rows of an episode are, from the dataset's folder."""
        if self.three:
            chunk, file = self.data_files[episode]
            return self.data_path.format(chunk_index=chunk, file_index=file)
        return self.data_path.format(episode_chunk=episode // 2, episode_index=episode)

    def video(self, episode, key=CAMERA):
        if self.three:
            chunk, file = self.data_files[episode]
            return self.video_path.format(video_key=key, chunk_index=chunk, file_index=file)
        return self.video_path.format(video_key=key, episode_chunk=episode // 2, episode_index=episode)

    def described(self):
        """v3.0's episodes, with their files and what of them is theirs."""
        rows, start, times = [], 0, {}
        for episode, row in enumerate(self.episodes):
            count, (chunk, file) = self.lengths[episode], self.data_files[episode]
            row = {**row, "data/chunk_index": chunk, "data/file_index": file, "dataset_from_index": start,
                   "dataset_to_index": start + count, "stats/action/min": [0.0],
                   "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
            start += count
            if self.camera == "video":
                begin = times.get((chunk, file), 0)
                times[chunk, file] = begin + count
                row |= {f"videos/{CAMERA}/chunk_index": chunk, f"videos/{CAMERA}/file_index": file,
                        f"videos/{CAMERA}/from_timestamp": begin / FPS,
                        f"videos/{CAMERA}/to_timestamp": (begin + count) / FPS}
            rows.append(row)
        return rows

    def write(self, folder, change=lambda rows: None):
        """`change` damages v3.0's descriptions of episodes."""
        write_json(f"{folder}/meta/info.json", self.info)
        if self.modality is not None:
            write_json(f"{folder}/meta/modality.json", self.modality)
        if self.three:
            rows = self.described()
            change(rows)
            write_parquet(f"{folder}/meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(rows))
            write_parquet(f"{folder}/meta/tasks.parquet",
                          {"task_index": list(self.tasks), "task": list(self.tasks.values())})
            together = lambda values: [row for table in values for row in table]
            for place in sorted(set(self.data_files.values())):
                inside = [episode for episode in self.data_files if self.data_files[episode] == place]
                names = self.tables[inside[0]]
                write_parquet(f"{folder}/{self.data(inside[0])}",
                              {name: together(self.tables[episode][name] for episode in inside) for name in names},
                              row_group_size=4)
                if self.camera == "video":
                    write_video(f"{folder}/{self.video(inside[0])}", together(self.frames[one] for one in inside),
                                codec=self.codec, options=self.video_options)
        else:
            lines = lambda rows: "".join(json.dumps(row) + "\n" for row in rows)
            write_json(f"{folder}/meta/episodes.jsonl", lines(self.episodes))
            write_json(f"{folder}/meta/tasks.jsonl",
                       lines({"task_index": index, "task": task} for index, task in self.tasks.items()))
            for episode, table in enumerate(self.tables):
                write_parquet(f"{folder}/{self.data(episode)}", table)
                if self.camera == "video":
                    write_video(f"{folder}/{self.video(episode)}", self.frames[episode], codec=self.codec,
                                options=self.video_options)
        return folder
