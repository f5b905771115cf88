"""Writes a dataset as HDF5, one episode and one camera at a time."""
import gzip
import json
import os
import random
import zlib
import zipfile

import h5py
import numpy as np

from .cameras import LeftOut, Video, image
from .columns import numbers
from .contents import BOOKKEEPING, contents
from .dataset import Dataset
from .episodes import DataFiles, Notes, gap, instruction, locate, rate, scalars
from .files import Refused, check, first_line, parse, read_object, short
from .output import Output

BLOCK = 32
"""Frames in memory at once."""


def convert(folder, path, failed, limit=None, progress=lambda done, total: None):
    """Episodes, steps, and notes. The file is made, and must not exist; `failed` ends the process where it cannot be written."""
    writer = Writer(Dataset(folder))
    output = Output(path, failed)
    with h5py.File(output, "w", libver=("v108", "v110")) as file:  # attributes above 64 KB
        result = writer.write(file, limit, progress)
    output.close()
    return result


class Writer:
    def __init__(self, dataset):
        self.dataset = dataset
        self.notes = Notes()
        self.files = DataFiles()
        self.sizes, self.widths, self.gaps = {}, {}, []
        self.fps = dataset.fps
        # RoboCasa's choice of the first N.
        self.order = [episode.index for episode in dataset.episodes]
        random.Random(0).shuffle(self.order)

    def write(self, file, limit, progress):
        chosen = set(self.order[:limit] if limit else self.order)
        if limit and limit > len(self.order):
            self.notes.add(f"{limit} episodes were asked for; there are {len(self.order)}")
        episodes = [episode for episode in self.dataset.episodes if episode.index in chosen]
        episodes.sort(key=lambda episode: episode.index)
        first = self.files(episodes[0].data)
        self.contents = contents(self.dataset, first)
        self.known = {*first.schema.names, *self.dataset.features, *BOOKKEEPING}
        data, total = file.create_group("data"), 0
        for number, episode in enumerate(episodes):
            total += self._episode(data.create_group(f"demo_{episode.index}"), episode)
            progress(number + 1, len(episodes))
        self.files.close()
        data.attrs["total"] = total
        self._attributes(data)
        self._masks(file, chosen)
        return len(episodes), total, self._told()

    # an episode

    def _episode(self, demo, episode):
        file = self.files(episode.data)
        start, stop = locate(file, episode, self.notes)
        self._check_rate(rate(self.dataset, file, start, stop))
        self._check_gap(episode, gap(file, start, stop, self.fps))
        self._check_columns(file)
        count = stop - start
        demo.attrs["num_samples"] = count
        parts = self.contents.actions + list(self.contents.vectors.values())
        extra = [name for name in ("next.reward", "next.done") if name in file.schema.names]
        names = list(dict.fromkeys([part.column for part in parts] + extra))
        for name in names:
            if name not in file.schema.names:
                raise Refused(f"{file.path}: no column {name}; there are {', '.join(file.schema.names)}")
        table = file.table(names, start, stop)
        values = {name: numbers(table[name], f"{file.path}: episode {episode.index}, column {name}") for name in names}
        for name, of in values.items():
            self._check_width(name, of.shape[1], file.path)
        where = f"{file.path}: episode {episode.index}"
        self.contents.check_coverage({name: of.shape[1] for name, of in values.items()},
                                     f"{self.dataset.folder}/meta/modality.json")
        action = np.concatenate([part.of(values[part.column], where) for part in self.contents.actions], 1)
        for column in self.contents.binary:
            action[:, column] = np.where(action[:, column] < 0.5, -1.0, 1.0)
        demo["actions"] = action
        self.width = action.shape[1]
        if "next.reward" in values:
            demo["rewards"] = self._single(values["next.reward"], "next.reward", where)
        if "next.done" in values:
            demo["dones"] = self._single(values["next.done"], "next.done", where).astype(np.int64)
        for key, part in self.contents.vectors.items():
            taken = part.of(values[part.column], where)
            demo[f"obs/{key}"] = taken
            meant = self.dataset.dimension_names(part.column, values[part.column].shape[1])
            if meant:
                demo[f"obs/{key}"].attrs["names"] = json.dumps(meant[part.start:part.stop])
        for key in list(self.contents.cameras):
            self._camera(demo, key, episode, file, start, stop)
        self._extras(demo, episode, file, start, stop)
        return count

    @staticmethod
    def _single(values, name, where):
        if values.shape[1] != 1:
            raise Refused(f"{where}: column {name} has {values.shape[1]} values a row, 1 expected")
        return values[:, 0]

    def _check_width(self, name, width, path):
        if self.widths.setdefault(name, width) != width:
            raise Refused(f"{path}: column {name} has {width} values a row, {self.widths[name]} in the episodes before")
        shape = self.dataset.shape(name)
        if shape is not None and int(np.prod(shape, dtype=np.int64)) != width:
            raise Refused(f"{path}: column {name} has {width} values a row; meta/info.json gives it shape {shape}")

    def _check_rate(self, measured):
        """A rate that the recording's own times contradict is nobody's."""
        if measured is not None and self.fps is not None and abs(measured / self.fps - 1) > 0.02:
            self.notes.add(f"the times of the rows are {measured:.4g} a second, meta/info.json says {self.fps:g}: "
                           "no rate is written")
            self.fps = None

    def _check_gap(self, episode, found):
        if found is not None:
            self.gaps.append(f"episode {episode.index}: row {found[0]} is {found[1]:.4g} s after the row before")

    def _check_columns(self, file):
        """The first file's columns stand for all: one that it lacks becomes nothing."""
        if not self.contents.robocasa:
            for name in file.schema.names:
                if name not in self.known:
                    self.contents.left_out[name] = "not in the first data file"

    # cameras

    def _camera(self, demo, key, episode, file, start, stop):
        camera, count = self.contents.cameras[key], stop - start
        try:
            if camera.embedded:
                path, frames = file.path, self._images(camera, file, episode, start, stop)
                self._frames(demo, key, path, frames, count)
            else:
                clip = self.dataset.clip(episode, camera.column)
                with Video(clip.path) as video:
                    times = scalars(file, "timestamp")
                    frames = video.clip(clip.start, clip.stop, self.dataset.fps) if clip.start is not None else (
                        video.frames(self.dataset.fps, None if times is None else times[start:stop]))
                    self._frames(demo, key, clip.path, frames, count)
        except LeftOut as reason:
            if key in self.sizes:
                raise Refused(f"{path if camera.embedded else clip.path}: episode {episode.index}, {camera.column}: "
                              f"{reason}, where the others have color") from None
            self.contents.left_out[camera.column] = str(reason)
            del self.contents.cameras[key]

    def _images(self, camera, file, episode, start, stop):
        if camera.column not in file.schema.names:
            raise Refused(f"{file.path}: no column {camera.column}; there are {', '.join(file.schema.names)}")
        for row, cell in enumerate(file.batches(camera.column, start, stop)):
            where = f"{file.path}: episode {episode.index}, row {row}, column {camera.column}"
            yield image(cell, self.dataset.folder, where)

    def _frames(self, demo, key, path, frames, count):
        """As many frames as rows, in blocks, all of one size."""
        expected, found, block, stored = self.contents.cameras[key].size, 0, [], None
        for frame in frames:
            size = self.sizes.setdefault(key, frame.shape)
            if expected is not None and frame.shape[:2] != tuple(expected):
                raise Refused(f"{path}: frame {found} is {frame.shape[0]} x {frame.shape[1]}; "
                              f"meta/info.json says {expected[0]} x {expected[1]}")
            if frame.shape != size:
                raise Refused(f"{path}: frame {found} is {frame.shape[0]} x {frame.shape[1]}, "
                              f"{size[0]} x {size[1]} before")
            if stored is None:
                stored = demo.create_dataset(f"obs/{key}", (count, *size), np.uint8)
            found += 1
            if found > count:
                continue
            block.append(frame)
            if len(block) == BLOCK or found == count:
                stored[found - len(block):found] = np.stack(block)
                block = []
        if found != count:
            raise Refused(f"{path}: {found} frames for {count} steps of {demo.name.removeprefix('/data/')}")

    # beside the columns

    def _extras(self, demo, episode, file, start, stop):
        """RoboCasa's: what the episode is about, its model and the simulator's states."""
        folder = os.path.join(self.dataset.folder, "extras", f"episode_{episode.index:06d}")
        path = os.path.join(folder, "ep_meta.json")
        words, several = instruction(self.dataset, file, episode, start, stop, self.notes)
        about = read_object(path) if os.path.lexists(path) else {"lang": words}
        if several:
            about |= {"lang": "", "tasks": several}
        if not about.get("lang"):
            self.notes.count("silent")
        demo.attrs["ep_meta"] = json.dumps(about)
        path = os.path.join(folder, "model.xml.gz")
        if os.path.lexists(path):
            check(path)
            try:
                with gzip.open(path, "rt", encoding="utf-8") as model:
                    demo.attrs["model_file"] = model.read()
            except (OSError, EOFError, zlib.error, ValueError) as error:
                raise Refused(f"{path}: not a readable gzip text: {first_line(error)}") from None
        path = os.path.join(folder, "states.npz")
        if os.path.lexists(path):
            demo["states"] = self._states(path, stop - start)

    @staticmethod
    def _states(path, count):
        check(path)
        try:
            with np.load(path, allow_pickle=False) as stored:
                states = stored[stored.files[0]]
        except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError,
                zlib.error, zipfile.BadZipFile) as error:
            raise Refused(f"{path}: not readable states: {first_line(error)}") from None
        if states.dtype.kind not in "fiu" or states.ndim != 2 or len(states) != count:
            raise Refused(f"{path}: states of shape {list(states.shape)}, {states.dtype}, for {count} steps")
        if not np.isfinite(states).all():
            raise Refused(f"{path}: row {int(np.argmin(np.isfinite(states).all(1)))}: a value that is no number")
        return states

    # the whole

    def _attributes(self, data):
        arguments = self._environment()
        if arguments:
            data.attrs["env_args"] = json.dumps(arguments)
        names = self.contents.action_names
        if names is None:
            names = self.dataset.dimension_names(self.contents.actions[0].column, self.width)
        if names is None:
            names = [f"action_{index}" for index in range(self.width)]
        rate = None if self.fps is None else int(self.fps) if self.fps.is_integer() else self.fps
        data.attrs["action_schema"] = json.dumps({"actions": {
            "dimensions": [{"name": name, "unit": None, "low": None, "high": None} for name in names],
            "control_hertz": rate, "control": None}})
        if rate is not None:
            data.attrs["fps"] = float(rate)

    def _environment(self):
        """What simulates it, where the dataset says so: its description, else RoboCasa's last task, which is a name."""
        path = os.path.join(self.dataset.folder, "extras", "dataset_meta.json")
        if os.path.lexists(path):
            arguments = read_object(path).get("env_args")
            if isinstance(arguments, str):
                arguments = parse(arguments, f"{path}: env_args")
            if arguments is not None and not isinstance(arguments, dict):
                raise Refused(f"{path}: env_args is {short(arguments)}, not an object")
            if arguments:
                return arguments
        if self.contents.robocasa and self.dataset.tasks:
            name = self.dataset.tasks[max(self.dataset.tasks)]
            if name.isidentifier():
                return {"env_name": name, "type": 1, "env_kwargs": {}}
        return None

    def _masks(self, file, chosen):
        taken = [index for index in self.order if index in chosen]
        for size in (30, 50, 100, 300, 500, 1000, 3000):
            if size <= len(taken):
                self._mask(file, f"{size}_demos", taken[:size])
        splits = self.dataset.info.get("splits")
        for name, span in splits.items() if isinstance(splits, dict) else ():
            ends = span.split(":") if isinstance(span, str) else []
            numeric = len(ends) == 2 and all(end.isdecimal() and len(end) < 20 for end in ends)
            start, stop = map(int, ends) if numeric else (1, 0)
            if stop < start:
                self.notes.add(f"split {short(name)} of meta/info.json is {short(span)}, no range: left out")
                continue
            absent = stop - start - sum(start <= index < stop for index in self.order)
            if absent:
                self.notes.add(f"split {short(name)} of meta/info.json is {short(span)}: "
                               f"{absent} of these {stop - start} episodes are not in the dataset")
            inside = sorted(index for index in chosen if start <= index < stop)
            if len(splits) > 1 and inside and name and "/" not in name:
                self._mask(file, name, inside)

    @staticmethod
    def _mask(file, name, indices):
        file[f"mask/{name}"] = np.array([f"demo_{index}" for index in indices], dtype="S")

    def _told(self):
        notes, counts = self.notes, self.notes.counts
        if self.contents.left_out:
            notes.add("left out: " + ", ".join(f"{name} ({why})" for name, why in self.contents.left_out.items()))
        if self.dataset.modality is not None and not self.contents.robocasa:
            notes.add("meta/modality.json names no parts of RoboCasa's: values are in the order in which they are stored")
        if self.gaps:
            others = f"; and {len(self.gaps) - 3} more episodes" if len(self.gaps) > 3 else ""
            notes.add(f"times with a gap: {'; '.join(self.gaps[:3])}{others}")
        if self.dataset.fps is None:
            notes.add("meta/info.json has no fps: no rate is written")
        for what, line in (("several", "with several tasks, which are in ep_meta: no instruction is theirs"),
                           ("silent", "without an instruction"),
                           ("unnamed", "without episode_index: taken by the file's name")):
            if what in counts:
                notes.add(f"{counts[what]} episode{'s' * (counts[what] > 1)} {line}")
        return notes.lines
