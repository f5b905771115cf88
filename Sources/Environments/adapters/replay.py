"""Plays recorded episodes as if they were an environment or a robot: what was seen then is seen again, whatever is done.

    pip install h5py

Options: file (needed; robomimic's or RoboCasa's HDF5 layout), tolerance 0.0 (above 0: the episode is only solved if no action was
further than this from the recorded one, in any value), delay 0.0 (seconds that a step takes, as a slow robot would).
The expert acts as recorded. The seed chooses the episode: those with even numbers are the training pool, the others the
evaluation pool; a file with a single episode has it in both. It is solved when its last row has been reached.
"""
import io
import json
import os
import time

import numpy as np

import wire

INSTALL = "h5py"
OPTIONS = ["file", "tolerance", "delay"]


class Replay(wire.Adapter):
    def hello(self, options):
        path = wire.option(options, "file", "")
        self.tolerance = wire.option(options, "tolerance", 0.0)
        self.delay = wire.option(options, "delay", 0.0)
        wire.no_more(options, OPTIONS)
        h5py = wire.require("h5py", INSTALL)
        if not os.path.isfile(path):
            raise wire.Problem("simulator", f"option file must name an HDF5 file; {path!r} is none")
        try:
            self.data = h5py.File(path, "r")["data"]
        except (OSError, KeyError) as error:
            raise wire.Problem("simulator", f"{path} is no HDF5 file of demonstrations: {error}") from error
        self.names = sorted((name for name in self.data if name.startswith("demo_")), key=lambda name: int(name[5:]))
        if not self.names:
            raise wire.Problem("simulator", f"{path} has no demonstrations")
        environment = self.attribute(self.data, "env_args")
        first = self.data[self.names[0]]
        self.task = environment.get("env_name") or os.path.splitext(os.path.basename(path))[0]
        self.images = [key for key, rows in first["obs"].items() if self.is_image(rows)]
        self.vectors = [key for key, rows in first["obs"].items()
                        if isinstance(rows, h5py.Dataset) and rows.ndim in (1, 2) and rows.dtype.kind in "fiub"]
        meanings = self.attribute(self.data, "observation_schema")
        action = self.attribute(self.data, "action_schema").get("actions")
        width = first["actions"].shape[1]
        self.row, self.demo = None, None
        vectors = {}
        for key in self.vectors:
            about = map(meanings.get(key, {}).get, ("unit", "frame", "quaternion"))
            vectors[key] = wire.vector(int(np.prod(first["obs"][key].shape[1:])), *about)
        return {
            "name": "replay",
            "versions": wire.versions("h5py", "numpy"),
            "tasks": [{"name": self.task, "group": "replay",
                       "horizon": max(len(self.data[name]["actions"]) for name in self.names)}],
            "action": action or {"dimensions": [{"name": f"action_{index}"} for index in range(width)]},
            "observations": {"images": {key: list(self.image(first, key, 0).shape[:2]) for key in self.images},
                             "vectors": vectors},
            "arguments": environment.get("env_kwargs", {}),
            "capabilities": ["expert", "teleoperation", "hold"] + ["state", "restore"] * ("states" in first),
        }

    def reset(self, task, seed, pool):
        wire.choose("task", [task], [self.task])
        names = self.names
        if len(names) > 1:
            names = names[pool == "evaluation" :: 2]
        self.demo, self.row, self.strayed = self.data[names[int(seed) % len(names)]], 0, False
        about = self.attribute(self.demo, "ep_meta")
        model = self.demo.attrs.get("model_file", "")
        scene = {name: about[key] for name, key in (("layout", "layout_id"), ("style", "style_id")) if key in about}
        return self.observation(), {"instruction": about.pop("lang", ""), "scene": scene, "metadata": about,
                                    "model": model.decode() if isinstance(model, bytes) else str(model)}

    def step(self, action):
        recorded = self.demo["actions"]
        if action.shape != recorded.shape[1:]:
            raise wire.Problem("action", f"the recording has actions of {recorded.shape[1]} values, got {action.shape}")
        time.sleep(self.delay)
        last = len(recorded) - 1
        row = min(self.row, last)
        if self.tolerance > 0 and np.abs(action - recorded[row]).max() > self.tolerance:
            self.strayed = True
        self.row += 1
        reward = float(self.demo["rewards"][row]) if "rewards" in self.demo else 0.0
        ended = self.row > last
        return self.observation(), {"reward": reward, "success": ended and not self.strayed, "terminated": ended}

    def expert(self, seed, noise):
        return self.demo["actions"][min(self.row, len(self.demo["actions"]) - 1)]

    def teleoperate(self):
        return self.expert(0, 0), self.row >= len(self.demo["actions"]) - 1

    def hold(self):
        """Nothing moves between steps."""

    def state(self):
        return self.demo["states"][min(self.row, len(self.demo["states"]) - 1)]

    def restore(self, task, seed, pool, state):
        _, answer = self.reset(task, seed, pool)
        states = self.demo["states"][:]
        if states.shape[1:] != state.shape or not (rows := np.flatnonzero((states == state).all(axis=1))).size:
            raise wire.Problem("simulator", "the episode never was in that state")
        self.row = int(rows[0])
        return self.observation(), answer

    def observation(self):
        row = min(self.row, len(self.demo["actions"]) - 1)
        seen = {key: self.image(self.demo, key, row) for key in self.images}
        for key in self.vectors:
            seen[key] = np.ravel(self.demo["obs"][key][row])
        return seen

    @staticmethod
    def is_image(rows):
        """Whether rows are frames, or one variable-length list of bytes each: JPEG."""
        return getattr(rows, "ndim", 0) == 4 and rows.dtype == np.uint8 and rows.shape[3] == 3 or (
            getattr(rows, "ndim", 0) == 1 and rows.dtype.kind == "O")

    @staticmethod
    def image(demo, key, row):
        frame = demo["obs"][key][row]
        if demo["obs"][key].ndim == 4:
            return frame
        Image = wire.require("PIL.Image", "pillow")
        return np.asarray(Image.open(io.BytesIO(bytes(frame))).convert("RGB"))

    @staticmethod
    def attribute(group, name):
        """A JSON attribute, or {}."""
        text = group.attrs.get(name, "{}")
        value = json.loads(text)
        return value if isinstance(value, dict) else {}


if __name__ == "__main__":
    wire.serve(Replay())
