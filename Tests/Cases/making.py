"""What the cases are made of: a small file of demonstrations, and what is expected of each command for it.

A case is a function that writes `toy.hdf5` into a folder. Its decorator says what is right:

    @case(train="values")               the values that h5py reads, in training, in pictures and in copies
    @case(train=["demo_2", "pos"])      refused; the one line has all of these words (a tuple: any one of them)
    @case(train=maybe("lzf"))           either the right values, or one line with these words
    @case(train=told("demo_2"))         either refused with these words, or the right values with a line that has them
    @case(unreadable=["git lfs pull"])  no command can read it, each says so with these words

`inspect`, `play` and `repack` follow from `train` unless they are given: what trains has no problems (or those given as words), and
what is refused is listed. `play` and `repack` of a file that does not train may refuse it or do it right.
"""
import io
import json
from dataclasses import dataclass
from typing import Any, Callable

import h5py
import numpy as np

CASES = {}


class Skipped(Exception):
    """Why a case cannot be tried on this machine."""


ENV = {"env_name": "Toy", "type": 1, "env_version": "1.5.1", "env_kwargs": {}}
STEPS = 12


@dataclass
class Words:
    """What a line must say, and whether the right values are as good."""

    words: list
    values: bool = False
    noted: bool = False


def maybe(*words):
    return Words(list(words), values=True)


def told(*words):
    return Words(list(words), values=True, noted=True)


@dataclass
class Case:
    name: str
    about: str
    make: Callable
    train: Any = "values"
    inspect: Any = None
    play: Any = None
    repack: Any = None
    convert: Any = None  # for LeRobot's layout, instead of the four
    check: Callable = None  # for what needs commands of its own, instead of the four
    images: tuple = ("cam_image",)
    vectors: tuple = ("pos",)
    actions: tuple = ("actions",)
    demo: str = "demo_0"
    file: str = "toy.hdf5"
    split: str = "all"
    masks: dict = None  # what filter keys the plain twin needs, without what is wrong with them
    sets: tuple = ()  # changes of the recipe
    own_sets: tuple = ()  # those that the plain twin does without
    flags: tuple = ()  # of inspect, play and repack
    notes: tuple = ()  # what the terminal must tell although all is well
    instruction: Any = "from ep_meta"
    reference: Callable = None
    environment: Callable = dict  # more variables
    ordinary_user: bool = False


def case(unreadable=None, **expected):
    def add(function):
        settings = dict(expected)
        if unreadable is not None:
            settings = {"train": unreadable, "inspect": ("refuses", unreadable), "play": unreadable, "repack": unreadable} | settings
        if function.__name__ in CASES:
            raise ValueError(f"two cases are called {function.__name__}")
        assert function.__doc__, f"{function.__name__} does not say whose files look so"
        CASES[function.__name__] = Case(function.__name__, function.__doc__.strip(), function, **settings)
        return function

    return add


# ---- a small file of demonstrations ------------------------------------------------------------------------------------


def pictures(seed=0, steps=STEPS, size=16):
    """Noise: any frame or row that is mistaken for another shows."""
    return np.random.default_rng(1000 + seed).integers(0, 256, (steps, size, size, 3), dtype=np.uint8)


def smooth(seed=0, steps=STEPS, size=16):
    """Pictures that compress: a filter that gains nothing is left out of a chunk, and nothing is tested."""
    ramp = np.add.outer(np.arange(size), np.arange(size))
    frames = [np.stack([ramp + t, ramp // 2 + 20 * seed, np.full_like(ramp, 9 * t + seed)], -1) for t in range(steps)]
    return np.stack(frames).astype(np.uint8)


def actions(seed=0, steps=STEPS, width=7):
    return np.random.default_rng(2000 + seed).uniform(-0.9, 0.9, (steps, width))


def positions(seed=0, steps=STEPS, width=3):
    return np.random.default_rng(3000 + seed).uniform(-1, 1, (steps, width))


def toy(folder, demos=4, steps=STEPS, env=ENV, lang="push the toy", name="toy.hdf5", names=None, **options):
    """A file as robomimic and RoboCasa write it, open, to be spoiled."""
    file = h5py.File(f"{folder}/{name}", "w", **options)
    data = file.create_group("data")
    if env is not None:
        data.attrs["env_args"] = env if isinstance(env, (str, bytes)) else json.dumps(env)
    data.attrs["total"] = demos * steps
    for i, demo in enumerate(names or [f"demo_{i}" for i in range(demos)]):
        group = data.create_group(demo)
        group.attrs["num_samples"] = steps
        if lang is not None:
            group.attrs["ep_meta"] = json.dumps({"lang": lang})
        group["actions"] = actions(i, steps)
        group["obs/pos"] = positions(i, steps)
        group["obs/cam_image"] = pictures(i, steps)
    return file


def each(file):
    """The demos, numbered."""
    return enumerate(file["data"][name] for name in sorted(file["data"], key=lambda name: (len(name), name)))


def put(group, key, values=None, **options):
    """Writes a dataset in place of the one that is there."""
    if key in group:
        del group[key]
    return group.create_dataset(key, data=values, **options)


def every(folder, key, change, **options):
    """Rewrites one array of every demo: `change` gets the old values and the demo's number."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, key, change(demo[key][()], i), **options)


def encoded(picture, format="JPEG", **options):
    """One picture's file, as bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, format, **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def decoded(data):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(np.asarray(data, np.uint8).tobytes())).convert("RGB"))


# ---- what h5py reads ---------------------------------------------------------------------------------------------------


@dataclass
class Reference:
    """What a file holds: arrays by demo and by path inside it, and the instructions."""

    arrays: dict
    instructions: dict


def loads(text):
    return json.loads(text.decode() if isinstance(text, bytes) else text)


def instruction(demo, data):
    text = demo.attrs.get("ep_meta", "")
    text = text[0] if isinstance(text, np.ndarray) else "" if isinstance(text, h5py.Empty) else text
    try:
        lang = loads(text).get("lang") if text else None
    except (ValueError, AttributeError, TypeError):
        lang = None  # what cannot be read has no words; that this is told is for the case to ask
    if lang:
        return lang
    if "problem_info" in data.attrs:
        return loads(data.attrs["problem_info"]).get("language_instruction", "")
    return ""


def frames(dataset):
    """A camera's frames, however they are stored."""
    values = dataset[()]
    if h5py.check_vlen_dtype(dataset.dtype) is not None:
        return np.stack([decoded(row) for row in values])
    return values


def opened(path):
    """The file to read, also while it is being written."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError:
        return h5py.File(path, "r", locking=False, swmr=True)


def robomimic(case, path):
    """robomimic's layout, as h5py reads it."""
    arrays, instructions = {}, {}
    with opened(path) as file:
        data = file["data"]
        names = [name for name in data if name.startswith("demo_")]
        for name in sorted(names, key=lambda name: int(name[5:])):
            demo = data[name]
            parts = [np.asarray(demo[key][()], np.float64) for key in case.actions]
            arrays[name] = {"actions": np.concatenate([part.reshape(len(part), -1) for part in parts], 1)}
            for key in case.vectors:
                if demo[f"obs/{key}"].dtype.kind not in "biuf":
                    raise TypeError(f"{key} holds no numbers")
                values = np.asarray(demo[f"obs/{key}"][()], np.float64)
                arrays[name][f"obs/{key}"] = values.reshape(len(values), -1)
            for key in case.images:
                arrays[name][f"obs/{key}"] = frames(demo[f"obs/{key}"])
            instructions[name] = instruction(demo, data) if case.instruction == "from ep_meta" else case.instruction
    return Reference(arrays, instructions)


def write_plain(reference, path, masks):
    """The same values in the plainest file there is: contiguous, 64-bit floats and bytes."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(ENV)
        data.attrs["total"] = sum(len(arrays["actions"]) for arrays in reference.arrays.values())
        for number, (name, arrays) in enumerate(reference.arrays.items()):
            demo = data.create_group(name if name.startswith("demo_") else f"demo_{number}")
            demo.attrs["num_samples"] = len(arrays["actions"])
            if reference.instructions[name]:
                demo.attrs["ep_meta"] = json.dumps({"lang": reference.instructions[name]})
            for key, values in arrays.items():
                demo[key] = values
        for name, demos in (masks or {}).items():
            file[f"mask/{name}"] = np.array(demos, dtype="S")
