"""Files of a dataset: whatever is wrong with one becomes `Refused`, a single line that names it."""
import json
import os
import stat

LFS_POINTER = b"version https://git-lfs.github.com/spec"


class Refused(Exception):
    """What cannot be converted: where, why and, where there is something to do, what."""


def first_line(error):
    """What an exception says, without what follows in further lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def check(path, hint="", empty=False):
    """Refuses whatever is no ordinary file with something in it."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise Refused(f"{path}: a folder, where a file is expected")
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path}: not an ordinary file")
        if status.st_size == 0 and not empty:
            raise Refused(f"{path}: empty; fetch it again")
        with open(path, "rb") as file:
            head = file.read(len(LFS_POINTER))
    except FileNotFoundError:
        raise Refused(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or first_line(error)}") from None
    if head == LFS_POINTER:
        raise Refused(f"{path}: a Git LFS pointer in place of the file; `git lfs pull` fetches it")


def text(path, hint="", empty=False):
    check(path, hint, empty)
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or first_line(error)}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not UTF-8 text: {first_line(error)}") from None


def parse(characters, where):
    """A JSON object, Python's NaN and Infinity among its numbers."""
    try:
        value = json.loads(characters)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where}: not JSON: {first_line(error)}") from None
    if not isinstance(value, dict):
        raise Refused(f"{where}: a JSON object is expected, not {type(value).__name__}")
    return value


def read_object(path, hint=""):
    return parse(text(path, hint), path)


def read_lines(path):
    """The objects of a file with one a line, and where each stands."""
    lines = text(path, empty=True).split("\n")
    return [(parse(line, f"{path}: line {number}"), f"{path}: line {number}")
            for number, line in enumerate(lines, 1) if line.strip()]


def whole(value, where, name, least=0):
    """An integer of a description: true is none, nor is 3.5."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refused(f"{where}: {name} is {short(value)}, not an integer of at least {least}")
    return value


def short(value):
    characters = repr(value)
    return characters if len(characters) <= 60 else characters[:57] + "..."
