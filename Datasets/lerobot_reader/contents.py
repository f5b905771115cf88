"""What becomes what: actions, observations and cameras, by `meta/modality.json` for RoboCasa, else as stored."""
from dataclasses import dataclass, field

from .columns import is_image, is_numeric
from .files import Refused, short, whole

# RoboCasa's 12 values in order, and the names that datasets give to their parts.
ACTIONS = [
    (("end_effector_position", "eef_position", "eef_pos"), ("arm_x", "arm_y", "arm_z")),
    (("end_effector_rotation", "eef_rotation", "eef_rot"), ("arm_rx", "arm_ry", "arm_rz")),
    (("gripper_close", "gripper"), ("gripper",)),
    (("base_motion",), ("base_x", "base_y", "base_yaw", "torso")),
    (("control_mode",), ("mode",)),
]
BINARY = (6, 11)
"""Gripper and mode: thresholded at 0.5 to -1 and +1, as RoboCasa's environment does."""
STATES = {
    "robot0_base_pos": (3, ("base_position", "base_pos")),
    "robot0_base_quat": (4, ("base_rotation", "base_quat")),
    "robot0_base_to_eef_pos": (3, ("end_effector_position_relative", "base_to_eef_pos", "eef_pos_relative")),
    "robot0_base_to_eef_quat": (4, ("end_effector_rotation_relative", "base_to_eef_quat", "eef_rot_relative")),
    "robot0_gripper_qpos": (2, ("gripper_qpos",)),
}
BOOKKEEPING = ("timestamp", "frame_index", "episode_index", "index", "task_index", "next.reward", "next.done")


@dataclass
class Part:
    """Some or all values of a column."""

    column: str
    start: int = 0
    stop: int | None = None
    name: str = ""
    """What modality.json calls it, `action.base_motion`."""

    def __str__(self):
        return f"{self.name} ({self.start} to {self.stop})"

    def of(self, values, where):
        if self.stop is not None and self.stop > values.shape[1]:
            raise Refused(f"{where}: meta/modality.json names values {self.start} to {self.stop} of {self.column}, "
                          f"which has {values.shape[1]}")
        return values[:, self.start:self.stop]


@dataclass
class Camera:
    column: str
    embedded: bool
    """Whether images are in the parquet file, not in a video."""
    size: tuple | None = None
    """Height and width that info.json gives."""


@dataclass
class Contents:
    actions: list = field(default_factory=list)
    action_names: list | None = None
    binary: tuple = ()
    vectors: dict = field(default_factory=dict)
    cameras: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    """What is in the dataset but not converted, and why."""
    robocasa: bool = False

    def check_coverage(self, widths, where):
        """Every value of a column of actions is converted: one that no part names would be lost without a word."""
        for column in dict.fromkeys(part.column for part in self.actions) if self.robocasa else ():
            parts, end = sorted((part for part in self.actions if part.column == column), key=lambda part: part.start), 0
            for start, stop in [(part.start, part.stop) for part in parts] + [(widths[column], widths[column])]:
                if start > end:
                    raise Refused(f"{where}: values {end} to {start} of {column} belong to none of RoboCasa's parts, "
                                  f"{', '.join(map(str, parts))}; each value belongs to one")
                end = stop

    def add(self, group, key, value):
        if key in ("", ".", "..", "_image") or "\0" in key:
            raise Refused(f"column {short(value.column)} has no name that HDF5 could keep")
        taken = self.vectors.get(key) or self.cameras.get(key)
        if taken:
            raise Refused(f"columns {taken.column} and {value.column} would both become obs/{key}")
        group[key] = value


def contents(dataset, file):
    """What becomes what; `file` is the first episode's, whose columns stand for all."""
    columns = {name: file.schema.field(name).type for name in file.schema.names}
    modality = dataset.modality
    if modality is not None and any(name in modality["action"] for name in ("base_motion", "control_mode")):
        return robocasa(dataset, modality, columns)
    return plain(dataset, columns, file.path)


# RoboCasa

def span(dataset, kind, name, entry, width=None):
    """The part that modality.json calls `name`, of `width` values where that is known."""
    where = f"{dataset.folder}/meta/modality.json"
    start = whole(entry.get("start"), where, f"{kind}.{name}.start")
    stop = whole(entry.get("end"), where, f"{kind}.{name}.end")
    if stop < start or width not in (None, stop - start):
        raise Refused(f"{where}: {kind}.{name} ({start} to {stop}) has {stop - start} values"
                      + ("" if width is None else f", {width} expected"))
    column = entry.get("original_key") or ("observation.state" if kind == "state" else "action")
    return Part(text(column, where, f"{kind}.{name}.original_key"), start, stop,
                f"{kind}.{name}")


def check_apart(parts, where):
    """No value of a column is in two parts: one of them would hold what is the other's."""
    for column in dict.fromkeys(part.column for part in parts):
        before = None
        for part in sorted((part for part in parts if part.column == column and part.start < part.stop),
                           key=lambda part: part.start):
            if before is not None and part.start < before.stop:
                raise Refused(f"{where}: {before} and {part} overlap in {column}; each value belongs to one")
            before = part


def text(value, where, name):
    if not isinstance(value, str):
        raise Refused(f"{where}: {name} is {short(value)}, not a text")
    return value


def robocasa(dataset, modality, columns):
    found = Contents(binary=BINARY, action_names=[], robocasa=True)
    where = f"{dataset.folder}/meta/modality.json"
    missing, used = [], set()
    for names, ours in ACTIONS:
        name = next((name for name in names if name in modality["action"]), None)
        if name is None:
            missing.append(names[0])
            continue
        found.actions.append(span(dataset, "action", name, modality["action"][name], len(ours)))
        found.action_names += ours
    if missing:
        raise Refused(f"{where}: no action {', '.join(missing)}; it has {', '.join(modality['action'])}")
    taken = {part.name for part in found.actions}
    others = [span(dataset, "action", name, entry) for name, entry in modality["action"].items()
              if f"action.{name}" not in taken]
    check_apart(found.actions + others, where)
    for part in others:
        found.left_out[part.name] = "no action of RoboCasa's"
    for key, (width, names) in STATES.items():
        name = next((name for name in names if name in modality.get("state", {})), None)
        if name is not None:
            used.add(name)
            found.add(found.vectors, key, span(dataset, "state", name, modality["state"][name], width))
    check_apart(found.vectors.values(), where)
    for name in modality.get("state", {}):
        if name not in used:
            found.left_out[f"state.{name}"] = "no state of RoboCasa's"
    for name, entry in modality.get("video", {}).items():
        column = text(entry.get("original_key") or f"observation.images.{name}", where, f"video.{name}.original_key")
        add_camera(dataset, found, f"{name.removesuffix('_image')}_image", column, columns)
    return found


# any other

def plain(dataset, columns, path):
    found = Contents()
    names = list(dataset.features or columns)
    videos = [] if dataset.features else dataset.video_keys()
    names += [name for name in videos if name not in names]
    action = next((name for name in ("action", "actions") if name in names), None)
    if action is None:
        raise Refused(f"{path}: no column action; there are {', '.join(names)}")
    require(dataset, columns, action, path)
    found.actions = [Part(action)]
    kinds = {name: dataset.features.get(name, {}).get("dtype") for name in names}
    cameras = {name for name, kind in kinds.items()
               if kind in ("image", "video") or name in videos or name in columns and is_image(columns[name])}
    # Some sets do without `observation.`.
    prefixed = any(name.startswith("observation.") and name not in cameras for name in names)
    for name, kind in kinds.items():
        if name in BOOKKEEPING or name == action:
            continue
        if name in cameras:
            if kind == "image" and not (name in columns and is_image(columns[name])):
                raise Refused(f"{path}: no column {name} of images, which meta/info.json names; "
                              f"there are {', '.join(columns)}")
            add_camera(dataset, found, camera_key(name), name, columns)
        elif not (name.startswith("observation.") or not prefixed and "." not in name):
            found.left_out[name] = "no observation"
        elif kind in ("string", "language") or name in columns and not is_numeric(columns[name]):
            found.left_out[name] = f"{kind or columns[name]}, not numbers"
        else:
            require(dataset, columns, name, path)
            found.add(found.vectors, key_of(name), Part(name))
    for name in columns:
        if name not in names and name not in BOOKKEEPING:
            found.left_out[name] = "not in meta/info.json"
    return found


def require(dataset, columns, name, path):
    if name not in columns:
        raise Refused(f"{path}: no column {name}, which meta/info.json names; there are {', '.join(columns)}")
    if not is_numeric(columns[name]):
        raise Refused(f"{path}: column {name} holds {columns[name]}, not numbers")


def key_of(name):
    """The name of an observation: LeRobot's without `observation.`."""
    return name.removeprefix("observation.").replace("/", ".")


def camera_key(name):
    key = key_of(name)
    for prefix in ("images.", "image."):
        key = key.removeprefix(prefix)
    return key if key == "image" or key.endswith("_image") else f"{key}_image"


def add_camera(dataset, found, key, column, columns):
    """A camera, unless info.json says that it is none of color."""
    feature = dataset.features.get(column, {})
    for name in ("info", "video_info"):
        facts = feature.get(name)
        if isinstance(facts, dict) and (facts.get("is_depth_map") or facts.get("video.is_depth_map")):
            found.left_out[column] = "depth"
            return
    size = None
    shape = dataset.shape(column)
    if shape is not None:
        order = channel_order(feature.get("names"), shape)
        if order is None or len(shape) != 3:
            raise Refused(f"{dataset.info_path}: feature {column}: shape {shape} is no height, width and channels")
        channels, size = order
        if channels != 3:
            found.left_out[column] = f"{channels} channel{'s' * (channels != 1)}"
            return
    found.add(found.cameras, key, Camera(column, column in columns and is_image(columns[column]), size))


def channel_order(names, shape):
    """How many channels a shape has, and its height and width: by names where there are any, else by where the 3 stands."""
    if len(shape) != 3:
        return None
    if isinstance(names, list) and len(names) == 3 and all(isinstance(name, str) for name in names):
        places = {name.rstrip("s").lower(): size for name, size in zip(names, shape)}
        if {"height", "width", "channel"} <= set(places):
            return places["channel"], (places["height"], places["width"])
    if shape[2] in (1, 3, 4):
        return shape[2], (shape[0], shape[1])
    if shape[0] in (1, 3, 4):
        return shape[0], (shape[1], shape[2])
    return None
