"""Compares what the commands wrote with what h5py reads. Every function gives a list of differences, in words."""
import json

import h5py
import numpy as np

from making import decoded, opened

# What a repacked camera has beside what it had.
NOTED = {"crc32", "worst_psnr"}


def checkpoint(path, other):
    """The weights and the normalizer of two checkpoints, bit by bit."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as ours, safe_open(other, "numpy") as plain:
        def chosen(file):
            return {name for name in file.keys() if name.startswith(("weights/", "normalizer/"))}

        if chosen(ours) != chosen(plain):
            return [f"tensors {sorted(chosen(ours) ^ chosen(plain))[:3]} are in one checkpoint only"]
        if not chosen(ours):
            return ["the checkpoint holds no weights"]
        differing = [
            name for name in sorted(chosen(ours)) if ours.get_tensor(name).tobytes() != plain.get_tensor(name).tobytes()
        ]
        return [f"trained on other values: {differing[0]} and {len(differing) - 1} more tensors differ"] if differing else []


def summary(text, reference, with_actions=True):
    """`inspect`'s JSON against the file: what differs, and the problems it lists."""

    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    try:
        found = json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return [f"invalid JSON: {error}"], []
    problems = found.get("problems", [])
    if reference is None:
        return [], problems
    differences = []
    lengths = {name: len(arrays["actions"]) for name, arrays in reference.arrays.items()}
    if found["demos"] != len(lengths) or found["steps"] != sum(lengths.values()):
        differences.append(f"{found['demos']} demos, {found['steps']} steps instead of {len(lengths)}, {sum(lengths.values())}")
    for row in found["table"]:
        name = row["name"]
        if name in lengths and (row["steps"], row["instruction"]) != (lengths[name], reference.instructions[name]):
            differences.append(f"{name} has {row['steps']} steps of '{row['instruction']}'")
    values = np.concatenate([arrays["actions"] for arrays in reference.arrays.values()])
    for entry in found["actions"] if with_actions else []:
        column = values[:, entry["index"]] if entry["index"] < values.shape[1] else np.zeros(1)
        if not np.allclose([entry["minimum"], entry["maximum"]], [column.min(), column.max()], rtol=1e-6, atol=1e-6):
            differences.append(f"action {entry['index']} is said to be {entry['minimum']} to {entry['maximum']}")
    return differences, problems


def animation(path, cameras):
    """The first and last picture of an animated PNG: cameras side by side, by name, two pixels between the widest."""
    from PIL import Image

    steps = len(next(iter(cameras.values()))) if cameras else None
    widest = max((frames.shape[2] for frames in cameras.values()), default=0)
    with Image.open(path) as film:
        count = getattr(film, "n_frames", 1)
        if steps is not None and count != steps:
            return [f"{count} pictures instead of {steps}"]
        for row in (0, (steps or count) - 1):
            film.seek(row)
            picture = np.asarray(film.convert("RGB"))
            left = 0
            for key, frames in sorted(cameras.items()):
                height, width = frames[row].shape[:2]
                if not np.array_equal(picture[:height, left : left + width], frames[row]):
                    return [f"picture {row} of '{key}' is not what h5py reads"]
                left += widest + 2
    return []


def cameras(path, reference):
    """The frames of a repacked file, where they were stored otherwise."""
    with h5py.File(path, "r") as file:
        for name, arrays in reference.arrays.items():
            for key, values in arrays.items():
                if values.ndim == 4 and not np.array_equal(file[f"data/{name}/{key}"][()], values):
                    return [f"the frames of {name}/{key} differ"]
    return []


# ---- copies ------------------------------------------------------------------------------------------------------------


def copies(before, after):
    """Everything in two files, links followed."""
    with opened(before) as old, opened(after) as new:
        differences = []
        attributes("/", old, new, False, differences)
        members("", old, new, differences, ())
        return differences


def members(path, old, new, differences, above):
    for name in sorted(set(old) | set(new)):
        here = f"{path}/{name}"
        if name not in new:
            if resolves(old, name) or not isinstance(old.get(name, getlink=True), (h5py.SoftLink, h5py.ExternalLink)):
                differences.append(f"{here} is lost")
            else:
                differences.append(f"the link {here} is lost")
            continue
        if name not in old:
            differences.append(f"{here} is new")
            continue
        if not resolves(old, name):
            link, other = old.get(name, getlink=True), new.get(name, getlink=True)
            if type(link) is not type(other) or link.path != other.path:
                differences.append(f"the dangling link {here} is another now")
            continue
        if not resolves(new, name):
            differences.append(f"{here} cannot be opened any more")
            continue
        a, b = old[name], new[name]
        kinds = [next(kind for kind in (h5py.Group, h5py.Dataset, h5py.Datatype) if isinstance(x, kind)) for x in (a, b)]
        if kinds[0] is not kinds[1]:
            differences.append(f"{here} is a {kinds[1].__name__} instead of a {kinds[0].__name__}")
            continue
        camera = kinds[0] is h5py.Dataset and is_camera(here, a)
        attributes(here, a, b, camera, differences)
        if kinds[0] is h5py.Datatype:
            if a.dtype != b.dtype:
                differences.append(f"{here} is another type")
        elif kinds[0] is h5py.Dataset:
            dataset(here, a, b, camera, differences)
        else:
            identity = (a.file.filename, h5py.h5o.get_info(a.id).addr)
            if identity not in above:  # a group inside itself
                members(here, a, b, differences, above + (identity,))


def resolves(group, name):
    try:
        group[name]
        return True
    except (KeyError, OSError):
        return False


def is_camera(path, dataset):
    if "/obs/" not in path:
        return False
    lists = h5py.check_vlen_dtype(dataset.dtype)
    if lists is not None:
        return np.issubdtype(lists, np.integer)
    return dataset.ndim == 4 and dataset.shape[-1] == 3 and dataset.dtype == np.uint8


def dataset(path, a, b, camera, differences):
    if camera and h5py.check_vlen_dtype(a.dtype) is not None:
        frames, others = [decoded(row) for row in a[()]], b[()]
        if h5py.check_vlen_dtype(b.dtype) is not None:
            others = [decoded(row) for row in others]
        if len(frames) != len(others) or not all(np.array_equal(x, y) for x, y in zip(frames, others)):
            differences.append(f"the frames of {path} differ")
        return
    if not alike(a.dtype, b.dtype):
        differences.append(f"{path} is {b.dtype} instead of {a.dtype}")
    elif a.shape != b.shape:
        differences.append(f"{path} has shape {b.shape} instead of {a.shape}")
    elif not same(value(a[()], a), value(b[()], b)):
        differences.append(f"the values of {path} differ")


def attributes(path, a, b, camera, differences):
    for name in sorted(set(a.attrs) | set(b.attrs)):
        if name not in b.attrs:
            differences.append(f"{path}: the attribute '{name}' is lost")
        elif name not in a.attrs:
            if not (camera and name in NOTED):
                differences.append(f"{path}: the attribute '{name}' is new")
        elif not alike(a.attrs.get_id(name).dtype, b.attrs.get_id(name).dtype):
            differences.append(f"{path}: the attribute '{name}' is of another type")
        elif not same(value(a.attrs[name], a), value(b.attrs[name], b)):
            differences.append(f"{path}: the attribute '{name}' is another")


def alike(a, b):
    """Two types, with what h5py adds to NumPy's."""
    checks = (h5py.check_string_dtype, h5py.check_vlen_dtype, h5py.check_enum_dtype, h5py.check_ref_dtype)
    return a == b and all(check(a) == check(b) for check in checks)


def value(x, owner):
    """With references as the names they lead to."""
    if isinstance(x, (h5py.Reference, h5py.RegionReference)):
        try:
            target = owner.file[x] if x else None
        except (KeyError, ValueError):
            return "leads nowhere"
        if target is None or isinstance(x, h5py.Reference) and not isinstance(x, h5py.RegionReference):
            return target and target.name
        return (target.name, target.regionref.selection(x))
    if isinstance(x, np.void) and x.dtype.names:
        return tuple(value(x[name], owner) for name in x.dtype.names)
    if isinstance(x, np.ndarray) and (x.dtype == object or x.dtype.names):
        return [value(entry, owner) for entry in x.ravel()]
    return x


def same(a, b):
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, h5py.Empty) or isinstance(b, h5py.Empty):
        return a == b
    if isinstance(a, (np.ndarray, np.generic)) and isinstance(b, (np.ndarray, np.generic)):
        return a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def converted(path, expected):
    """A converted dataset: actions, and any observation that has the expected values."""
    with h5py.File(path, "r") as file:
        names = sorted(file["data"], key=lambda name: int(name.rsplit("_")[-1]))
        if len(names) != len(expected):
            return [f"{len(names)} demos instead of {len(expected)}"]
        for name, arrays in zip(names, expected):
            demo = file["data"][name]
            if not np.allclose(demo["actions"][()], arrays["actions"], rtol=0, atol=1e-6):
                return [f"{name}: other actions"]
            found = [demo["obs"][key][()] for key in demo["obs"]]
            for key, values in arrays.items():
                if key != "actions" and not any(x.shape == values.shape and np.allclose(x, values, atol=1e-6) for x in found):
                    return [f"{name}: no observation has the values of {key}"]
            if loads_lang(demo) != "push the toy":
                return [f"{name}: the instruction is '{loads_lang(demo)}'"]
    return []


def loads_lang(demo):
    return json.loads(demo.attrs["ep_meta"]).get("lang", "")
