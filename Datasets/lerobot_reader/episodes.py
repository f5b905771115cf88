"""Which rows are an episode's, what it is asked to do, and at which rate it was recorded."""
import numpy as np

from .columns import DataFile
from .files import Refused


class DataFiles:
    """Parquet files, the last one kept open: v3.0 has many episodes in each."""

    def __init__(self):
        self.open = None

    def __call__(self, path):
        if self.open is None or self.open.path != path:
            self.close()
            self.open = DataFile(path)
        return self.open

    def close(self):
        if self.open is not None:
            self.open.close()
        self.open = None


def scalars(file, name):
    """A column of one value a row; None where there is none."""
    values = file.column(name)
    if values is not None and len(values) != file.rows:
        raise Refused(f"{file.path}: column {name}: more than one value a row")
    return values


def locate(file, episode, notes):
    """First row and the one after the last of an episode, whose indices are what the descriptions say."""
    owner = scalars(file, "episode_index")
    if episode.rows is None:
        start, stop = 0, file.rows
        if owner is None:
            notes.count("unnamed")
        elif (owner != episode.index).any():
            row = int(np.argmax(owner != episode.index))
            raise Refused(f"{file.path}: row {row} belongs to episode {owner[row]:g}, {episode.index} expected")
    else:
        if owner is None:
            raise Refused(f"{file.path}: no column episode_index; v3.0 needs it")
        mine = np.flatnonzero(owner == episode.index)
        if len(mine) == 0:
            raise Refused(f"{file.path}: no rows of episode {episode.index}, which {episode.where} places there")
        start, stop = int(mine[0]), int(mine[-1]) + 1
        if stop - start != len(mine):
            row = start + int(np.argmax(owner[start:stop] != episode.index))
            raise Refused(f"{file.path}: row {row} of episode {owner[row]:g} is among those of episode {episode.index}")
    count = stop - start
    if episode.length is not None and episode.length != count:
        raise Refused(f"{file.path}: episode {episode.index} has {count} rows; {episode.where} says {episode.length}")
    if count == 0:
        raise Refused(f"{file.path}: episode {episode.index} has no rows")
    check_order(file, episode, start, stop)
    return start, stop


def check_order(file, episode, start, stop):
    where, count = f"{file.path}: episode {episode.index}", stop - start
    steps = scalars(file, "frame_index")
    if steps is not None and (steps[start:stop] != np.arange(count)).any():
        row = int(np.argmax(steps[start:stop] != np.arange(count)))
        raise Refused(f"{where}: row {row} has frame_index {steps[start + row]:g}, {row} expected")
    index = scalars(file, "index")
    if index is not None and (np.diff(index[start:stop]) != 1).any():
        row = int(np.argmax(np.diff(index[start:stop]) != 1)) + 1
        raise Refused(f"{where}: row {row} has index {index[start + row]:g}, {index[start + row - 1] + 1:g} expected")
    times = scalars(file, "timestamp")
    if times is not None and (np.diff(times[start:stop]) <= 0).any():
        row = int(np.argmax(np.diff(times[start:stop]) <= 0)) + 1
        raise Refused(f"{where}: row {row} is at {times[start + row]:g} s, no later than the row before")
    if episode.rows is not None:
        first = index[start] if index is not None else episode.file_start + start
        if first != episode.rows[0]:
            raise Refused(f"{where}: its rows begin at {first:g}; {episode.where} says {episode.rows[0]}")


def instruction(dataset, file, episode, start, stop, notes):
    """What the episode is asked to do, and its tasks where they are several.

    The frames' task_index counts, as in LeRobot, and must be what the episode's description says.
    """
    described = episode.tasks
    indices = scalars(file, "task_index")
    if indices is None or not dataset.tasks:
        tasks = described
    else:
        chosen = list(dict.fromkeys(indices[start:stop].tolist()))
        unknown = [index for index in chosen if index not in dataset.tasks]
        if unknown:
            raise Refused(f"{file.path}: episode {episode.index} has task_index {unknown[0]:g}, which no task of "
                          f"{dataset.folder}/meta has")
        tasks = [dataset.tasks[int(index)] for index in chosen]
        other = [task for task in tasks if described and task not in described]
        if other:
            raise Refused(f"{file.path}: episode {episode.index} has the task '{other[0]}' by its task_index; "
                          f"{episode.where} says '{described[0]}'")
    if len(tasks) > 1:
        notes.count("several")
        return "", tasks
    return (tasks[0] if tasks else ""), []


def rate(dataset, file, start, stop):
    """How many rows a second the times of an episode are; None where they do not tell."""
    times = scalars(file, "timestamp")
    if times is None or stop - start < 2:
        return None
    return (stop - start - 1) / float(times[stop - 1] - times[start])


def gap(file, start, stop, fps):
    """The row that is furthest from the row before, and the seconds in between; None unless they are more than 1.5 steps."""
    times = scalars(file, "timestamp")
    if times is None or stop - start < 2:
        return None
    steps = np.diff(times[start:stop])
    row = int(np.argmax(steps))
    return (row + 1, float(steps[row])) if steps[row] > 1.5 * (1 / fps if fps else np.median(steps)) else None


class Notes:
    """What a user should know of a conversion that went well."""

    def __init__(self):
        self.counts = {}
        self.lines = []

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def add(self, line):
        if line not in self.lines:
            self.lines.append(line)
