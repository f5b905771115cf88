"""Writes a LeRobot dataset (v2.0, v2.1 or v3.0) as one HDF5 file of the layout that ImitationKit reads.

    ./run lerobot FOLDER OUTPUT.hdf5 [--episodes N] [--replace]

docs/data-format.md describes what becomes what. Whatever fails is one line on the error output, and leaves nothing behind.
"""
import argparse
import os
import re
import signal
import stat
import sys
import warnings

USAGE = "./run lerobot FOLDER OUTPUT.hdf5 [--episodes N] [--replace]"
PACKAGES = {"h5py": "h5py", "numpy": "numpy", "pyarrow": "pyarrow", "av": "av", "PIL": "pillow"}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

partial = None
"""The file that is being written."""


def fail(reason):
    """Ends the process at once: HDF5 would go on with a file that it could not write."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if partial is not None:
        try:
            os.remove(partial)
        except OSError:
            pass
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    line = re.sub(r"[\x00-\x1f\x7f]+", " ", reason)
    try:
        print(f"{clear}run lerobot: {line}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        fail(f"{message}; usage: {USAGE}")


def arguments():
    parser = Parser(prog="run lerobot", usage=USAGE, description="LeRobot v2.0, v2.1 or v3.0 to HDF5", allow_abbrev=False)
    parser.add_argument("folder")
    parser.add_argument("output")
    parser.add_argument("--episodes", type=int, metavar="N", help="only so many, chosen as RoboCasa chooses")
    parser.add_argument("--replace", action="store_true", help="write over OUTPUT")
    chosen = parser.parse_args()
    if chosen.episodes is not None and chosen.episodes < 1:
        fail(f"--episodes {chosen.episodes}: at least 1")
    if not chosen.folder:
        fail(f"FOLDER is empty; usage: {USAGE}")
    return chosen


def check_output(folder, output, replace):
    """Refuses before any work what would be refused after it."""
    above = os.path.dirname(output) or "."
    if not os.path.basename(output):
        fail(f"{output or 'OUTPUT'}: names no file")
    if not os.path.isdir(above):
        fail(f"{above}: no such folder for OUTPUT")
    if not os.access(above, os.W_OK | os.X_OK):
        fail(f"{above}: no permission to write there")
    existing = os.lstat(output) if os.path.lexists(output) else None
    if existing and not stat.S_ISREG(existing.st_mode):
        fail(f"{output}: not an ordinary file; choose another name")
    if existing and not replace:
        fail(f"{output}: exists; --replace writes over it")
    if belongs(output, existing, folder):
        fail(f"{output}: belongs to FOLDER, whose files are only read; choose another place")


def belongs(output, existing, folder):
    """Whether OUTPUT is inside of FOLDER, or is a file of it under another name."""

    def inside(of):
        return os.path.commonpath([os.path.realpath(of), os.path.realpath(output)]) == os.path.realpath(of)

    if inside(folder):
        return True
    for root, folders, files in os.walk(folder):
        paths = [os.path.join(root, name) for name in folders]
        if any(os.path.islink(path) and inside(path) for path in paths):
            return True
        for path in [os.path.join(root, name) for name in files] if existing else []:
            if os.path.exists(path) and os.path.samestat(os.stat(path), existing):
                return True
    return False


def synchronize(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(output, replace):
    """The finished file gets its name, which another process may have taken meanwhile."""
    global partial
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if replace:
        os.replace(partial, output)
    else:
        try:
            os.link(partial, output)
            os.remove(partial)
        except OSError:  # the name is taken, or it is a file system without hard links
            if os.path.lexists(output):
                fail(f"{output}: was made by another program meanwhile; --replace writes over it")
            os.rename(partial, output)
    partial = None
    try:
        synchronize(os.path.dirname(output) or ".")
    except OSError:
        pass  # not every file system does that for folders; the file is whole all the same


def explain(error, folder):
    """An exception that nothing was prepared for."""
    if isinstance(error, MemoryError):
        return f"{folder}: out of memory"
    if isinstance(error, OSError) and error.errno:
        return f"{error.filename or folder}: {os.strerror(error.errno)}"
    lines = str(error).strip().splitlines() or ["no further words"]
    return f"{folder}: {type(error).__name__}: {lines[0]}"


def packages():
    """What the conversion imports; a missing one is named as pip knows it."""
    try:
        from lerobot_reader import writer
        return writer
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in PACKAGES:
            raise
        fail(f"{sys.executable}: no Python package {PACKAGES[name]}; pip install {' '.join(PACKAGES.values())}")


def main():
    global partial
    for number in SIGNALS:
        signal.signal(number, lambda number, _: fail(f"stopped by {signal.Signals(number).name}; nothing was written"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit on file sizes becomes an error
    warnings.simplefilter("ignore")
    chosen = arguments()
    folder, output = chosen.folder.rstrip("/") or "/", chosen.output
    from_terminal = sys.stderr.isatty()

    def progress(done, total):
        if from_terminal:
            print(f"\r{done} of {total} episodes", end="", file=sys.stderr, flush=True)

    try:
        check_output(folder, output, chosen.replace)
        writer = packages()
        from lerobot_reader.files import Refused
        try:
            partial = f"{output}.{os.getpid()}.partial"
            episodes, steps, notes = writer.convert(
                folder, partial, lambda error: fail(f"{output}: {error.strerror}; nothing was written"),
                chosen.episodes, progress)
            publish(output, chosen.replace)
        except Refused as reason:
            fail(str(reason))
    except Exception as error:
        fail(explain(error, folder))
    if from_terminal:
        print("\r\033[K", end="", file=sys.stderr)
    for note in notes:
        print(f"run lerobot: note: {note}", file=sys.stderr)
    try:
        print(f"{output}: {episodes} episodes, {steps} steps", flush=True)
    except OSError:
        os._exit(0)  # nobody reads; the file is written


if __name__ == "__main__":
    main()
