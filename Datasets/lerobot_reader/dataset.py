"""What the descriptions in `meta` say: the version, the episodes with their files, the tasks and the features."""
import glob
import math
import os
import re
import string
from dataclasses import dataclass, field

from .columns import parquet_rows
from .files import Refused, read_lines, read_object, short, whole

VERSIONS = ("v2.0", "v2.1", "v3.0")
DATA_PATHS = {
    2: "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    3: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
}
VIDEO_PATHS = {
    2: "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    3: "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}

WIDEST = 20
"""Characters that a field of a path may ask for: as many digits as 64 bits need."""


@dataclass
class Clip:
    """A video of an episode: a file of its own, or of one the seconds `start` to `stop`."""

    path: str
    start: float | None = None
    stop: float | None = None


@dataclass
class Episode:
    index: int
    where: str
    """The description's file and line, for refusals."""
    described: dict
    length: int | None = None
    tasks: list = field(default_factory=list)
    data: str = ""
    """The parquet file."""
    rows: tuple | None = None
    """v3.0: first row and the one after the last, counted over the whole dataset."""
    file_start: int = 0
    """v3.0: the first row of the file, counted so."""


class Dataset:
    def __init__(self, folder):
        if not os.path.isdir(folder):
            raise Refused(f"{folder}: {'not a folder' if os.path.exists(folder) else 'no such folder'}; "
                          "FOLDER is the one that holds meta, data and videos")
        self.folder = folder
        self.info_path = os.path.join(folder, "meta", "info.json")
        self.info = read_object(self.info_path, "; FOLDER is the one that holds meta, data and videos")
        self.version = self.info.get("codebase_version")
        if self.version not in VERSIONS:
            raise Refused(f"{self.info_path}: LeRobot {self.version or 'without codebase_version'}: "
                          f"only {', '.join(VERSIONS)} are read; LeRobot's own scripts convert older ones")
        self.layout = int(self.version[1])
        self.fps = self._fps()
        self.features = self._features()
        self.modality = self._modality()
        self.tasks = self._tasks()
        self.episodes = self._episodes_in_tables() if self.layout == 3 else self._episodes_in_lines()
        self._check_total()

    # what info.json says

    def _fps(self):
        fps = self.info.get("fps")
        if fps is None:
            return None
        if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not math.isfinite(fps) or fps <= 0:
            raise Refused(f"{self.info_path}: fps is {short(fps)}, not a rate")
        return float(fps)

    def _features(self):
        """The features by name; groups of features are named through a point."""
        found = {}

        def add(prefix, group):
            for name, entry in group.items():
                if not isinstance(entry, dict):
                    raise Refused(f"{self.info_path}: feature {prefix}{name} is {short(entry)}, not an object")
                if "dtype" in entry:
                    if not isinstance(entry["dtype"], str):
                        raise Refused(f"{self.info_path}: feature {prefix}{name}: dtype is {short(entry['dtype'])}")
                    found[prefix + name] = entry
                elif entry and all(isinstance(inner, dict) for inner in entry.values()):
                    add(f"{prefix}{name}.", entry)
                else:
                    raise Refused(f"{self.info_path}: feature {prefix}{name} has no dtype")

        features = self.info.get("features")
        if features is not None and not isinstance(features, dict):
            raise Refused(f"{self.info_path}: features is {short(features)}, not an object")
        try:
            add("", features or {})
        except RecursionError:
            raise Refused(f"{self.info_path}: features are nested too deep") from None
        return found

    def shape(self, name):
        """The shape that info.json gives a feature; None where it gives none."""
        shape = self.features.get(name, {}).get("shape")
        if shape is None:
            return None
        if not isinstance(shape, list):
            raise Refused(f"{self.info_path}: feature {name}: shape is {short(shape)}")
        return [whole(size, self.info_path, f"shape of feature {name}", 0) for size in shape]

    def dimension_names(self, name, width):
        """A name for each of a feature's `width` values; None where info.json does not name each."""
        names = self.features.get(name, {}).get("names")
        if isinstance(names, dict):
            if names and all(isinstance(place, int) for place in names.values()):
                if sorted(names.values()) != list(range(len(names))):
                    return None
                names = sorted(names, key=names.get)
            else:
                names = list(names.values())
        flat = []
        for entry in names if isinstance(names, list) else []:
            flat += entry if isinstance(entry, list) else [entry]
        fits = len(flat) == width == len(set(map(str, flat))) and all(isinstance(entry, str) for entry in flat)
        return flat if fits else None

    def _modality(self):
        """`meta/modality.json`: which parts of the columns are what, RoboCasa's way; None where there is none."""
        path = os.path.join(self.folder, "meta", "modality.json")
        if not os.path.lexists(path):
            return None
        modality = read_object(path)
        for kind in ("action", "state", "video"):
            parts = modality.get(kind, None if kind == "action" else {})
            if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
                raise Refused(f"{path}: {kind} is {short(parts)}, not an object of parts")
        return modality

    # tasks

    def _tasks(self):
        rows = []
        if self.layout == 3:
            path = os.path.join(self.folder, "meta", "tasks.parquet")
            if os.path.lexists(path):
                rows = [(row, f"{path}: row {number}") for number, row in enumerate(parquet_rows(path))]
        else:
            path = os.path.join(self.folder, "meta", "tasks.jsonl")
            if os.path.lexists(path):
                rows = read_lines(path)
        tasks = {}
        for row, where in rows:
            index = whole(row.get("task_index"), where, "task_index")
            # pandas keeps an index without a name under this one.
            task = row.get("task", row.get("__index_level_0__"))
            if not isinstance(task, str):
                raise Refused(f"{where}: task is {short(task)}, not a text")
            if index in tasks and tasks[index] != task:
                raise Refused(f"{where}: task_index {index} stands for two tasks")
            tasks[index] = task
        return tasks

    # episodes

    def _episodes_in_lines(self):
        path = os.path.join(self.folder, "meta", "episodes.jsonl")
        chunk = whole(self.info.get("chunks_size", 1000), self.info_path, "chunks_size", 1)
        episodes = [self._episode(row, where) for row, where in read_lines(path)]
        for episode in episodes:
            places = {"episode_chunk": episode.index // chunk, "episode_index": episode.index}
            episode.described.update(places)
            episode.data = self._path("data_path", DATA_PATHS[2], places)
        return self._unique(episodes, path)

    def _episodes_in_tables(self):
        pattern = os.path.join(glob.escape(os.path.join(self.folder, "meta", "episodes")), "*", "*.parquet")
        paths = sorted(glob.glob(pattern))
        if not paths:
            raise Refused(f"{os.path.join(self.folder, 'meta', 'episodes')}: no parquet file; "
                          "a v3.0 dataset describes its episodes there")
        episodes = []
        for path in paths:
            for number, row in enumerate(parquet_rows(path, lambda name: not name.startswith("stats/"))):
                episode = self._episode(row, f"{path}: row {number}")
                places = {name: whole(row.get(f"data/{name}"), episode.where, f"data/{name}")
                          for name in ("chunk_index", "file_index")}
                episode.data = self._path("data_path", DATA_PATHS[3], places)
                start, stop = (whole(row.get(f"dataset_{end}_index"), episode.where, f"dataset_{end}_index")
                               for end in ("from", "to"))
                if stop < start or episode.length not in (None, stop - start):
                    raise Refused(f"{episode.where}: rows {start} to {stop} for a length of {episode.length}")
                episode.rows, episode.length = (start, stop), stop - start
                episodes.append(episode)
        first = {}
        for episode in episodes:
            first[episode.data] = min(first.get(episode.data, episode.rows[0]), episode.rows[0])
        for episode in episodes:
            episode.file_start = first[episode.data]
        return sorted(self._unique(episodes, os.path.dirname(os.path.dirname(paths[0]))), key=lambda one: one.index)

    def _episode(self, row, where):
        index = whole(row.get("episode_index"), where, "episode_index")
        length = row.get("length")
        tasks = row.get("tasks")
        tasks = [] if tasks is None else [tasks] if isinstance(tasks, str) else tasks
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise Refused(f"{where}: tasks is {short(tasks)}, not a list of texts")
        return Episode(index, where, dict(row), None if length is None else whole(length, where, "length"), tasks)

    @staticmethod
    def _unique(episodes, path):
        seen = {}
        for episode in episodes:
            if episode.index in seen:
                raise Refused(f"{episode.where}: episode {episode.index} is described twice")
            seen[episode.index] = episode
        if not episodes:
            raise Refused(f"{path}: no episode is described")
        return episodes

    def _check_total(self):
        total = self.info.get("total_episodes")
        if total is not None and whole(total, self.info_path, "total_episodes") != len(self.episodes):
            raise Refused(f"{self.folder}: meta/info.json counts {total} episodes, {len(self.episodes)} are described; "
                          "fetch the dataset again, or set the count right")

    # files

    def _path(self, name, default, places):
        template = self.info.get(name) or default
        try:
            if not isinstance(template, str):
                raise TypeError("not a text")
            check_widths(template)
            return os.path.join(self.folder, template.format(**places))
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise Refused(f"{self.info_path}: {name} {short(template)} cannot be filled in: {first(error)}") from None

    def clip(self, episode, key):
        """Where the video of camera `key` is."""
        if self.layout == 2:
            places = {name: episode.described[name] for name in ("episode_chunk", "episode_index")}
            return Clip(self._path("video_path", VIDEO_PATHS[2], {**places, "video_key": key}))
        row, where = episode.described, episode.where
        places = {name: whole(row.get(f"videos/{key}/{name}"), where, f"videos/{key}/{name}")
                  for name in ("chunk_index", "file_index")}
        start, stop = (row.get(f"videos/{key}/{end}_timestamp") for end in ("from", "to"))
        for value in (start, stop):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise Refused(f"{where}: videos/{key}: from {short(start)} to {short(stop)} are no seconds")
        return Clip(self._path("video_path", VIDEO_PATHS[3], {**places, "video_key": key}), start, stop)

    def video_keys(self):
        """The cameras with videos, as the folders or v3.0's episodes name them, for sets whose info.json does not."""
        if self.info.get("video_path", "") is None:
            return []
        found = set()
        if self.layout == 3:
            for episode in self.episodes:
                found |= {match[1] for match in map(re.compile(r"videos/(.+)/chunk_index").fullmatch, episode.described)
                          if match}
            return sorted(found)
        mark = "\0"
        for episode in self.episodes:
            before, _, after = self.clip(episode, mark).path.partition(mark)
            if mark in after or not after:
                raise Refused(f"{self.info_path}: video_path needs one {{video_key}}; features would name the cameras")
            for path in glob.glob(glob.escape(before) + "*" + glob.escape(after)):
                found.add(path[len(before):len(path) - len(after)])
        return sorted(found)


def check_widths(template):
    """Refuses fields so wide that filling them in would fill the memory."""
    for _, name, layout, _ in string.Formatter().parse(template):
        if "{" in (layout or ""):
            raise ValueError(f"field {name} has a width that is another field's")
        for number in re.findall(r"\d+", layout or ""):
            number = number.lstrip("0")
            if len(number) > 2 or int(number or 0) > WIDEST:
                raise ValueError(f"field {name} is wider than {WIDEST} characters")


def first(error):
    return f"no {error}" if isinstance(error, KeyError) else str(error)
