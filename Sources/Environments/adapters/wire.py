"""The wire between ImitationKit and a simulator or a robot: messages, and the loop that answers them.

An adapter is a class with the methods of `Adapter`, and `wire.serve(MyAdapter())` as its last line. The bytes are described
in docs/environments.md; `template.py` is the same without this file.
"""
import contextlib
import ctypes.util
import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import platform
import shlex
import signal
import struct
import sys
import threading
import time
import traceback

import numpy as np

PROTOCOL = 1
MAGIC = b"IKE1"
LONGEST_HEADER = 1 << 20
LONGEST_BODY = 256 << 20
TYPES = {"uint8": "<u1", "int64": "<i8", "float32": "<f4", "float64": "<f8"}
# What an answer says where its adapter says nothing.
BEGUN = {"instruction": "", "scene": {}, "metadata": {}, "model": "", "reward": 0}
STEPPED = {"terminated": False, "truncated": False}


class Problem(Exception):
    """A request that fails for a reason that fits into one line.

    `kind` is "task" (no such task), "action", "missing" (something is not installed; the line says what to type) or
    "simulator".
    """

    def __init__(self, kind, line):
        super().__init__(line)
        self.kind = kind


class Restart(Exception):
    """What this process cannot do and a fresh one can: the parent starts another and asks again, once."""


class Adapter:
    """What an adapter can do. `hello`, `reset` and `step` are needed; the others as `hello` lists under "capabilities"."""

    def hello(self, options):
        """Starts with the options of the recipe. Returns name, versions, tasks, action, observations, arguments, capabilities."""
        raise NotImplementedError

    def reset(self, task, seed, pool):
        """Starts the episode that the three fix. Returns (observation, answer): the answer has what of `BEGUN` there is."""
        raise NotImplementedError

    def step(self, action):
        """Acts for one control period. Returns (observation, answer): the answer has reward, success, what of `STEPPED` holds."""
        raise NotImplementedError

    def expert(self, seed, noise):
        """Returns the scripted expert's action for the present state. The first call after a reset begins its episode."""
        raise Problem("simulator", "this adapter has no expert")

    def teleoperate(self):
        """Returns the action that a person asks for now, or (action, whether the episode ends with it)."""
        raise Problem("simulator", "nobody leads this robot")

    def hold(self):
        """Has the robot stay where it is until the next step."""
        raise Problem("simulator", "this adapter holds nothing")

    def state(self):
        """Returns the whole physical state, flat."""
        raise Problem("simulator", "this adapter tells no state")

    def restore(self, task, seed, pool, state):
        """Puts the episode that the three fix into a state. Returns what `reset` returns."""
        raise Problem("simulator", "this adapter restores no state")

    def observe(self, task, seed, pool, state, demonstration):
        """Looks at a state of a demonstration, which may be another's recording. Returns (observation, answer) as `reset` does.

        `demonstration` has its `model` (MJCF or empty) and `metadata`, and is None while it is the same as in the call before.
        What follows is another `observe` or a `reset`.
        """
        raise Problem("simulator", "this adapter observes no demonstrations")

    def close(self):
        """Ends: a simulator is freed, a robot stopped."""


# messages


def read_message(stream):
    """Returns (header, arrays by name), or None at the end of the stream."""
    start = _read(stream, 16, may_end=True)
    if start is None:
        return None
    if start[:4] != MAGIC:
        raise ValueError(f"not a message: begins with {start[:4]!r}")
    header_bytes, body_bytes = struct.unpack("<IQ", start[4:])
    if header_bytes > LONGEST_HEADER or body_bytes > LONGEST_BODY:
        raise ValueError(f"message too long: header of {header_bytes} bytes, body of {body_bytes}")
    header = json.loads(_read(stream, header_bytes))
    body = memoryview(_read(stream, body_bytes))
    arrays = {}
    for entry in header.get("arrays", []):
        data, body = body[: entry["bytes"]], body[entry["bytes"] :]
        arrays[entry["name"]] = _decoded(data, entry)
    if len(body):
        raise ValueError(f"{len(body)} bytes of the body belong to no array")
    return header, arrays


def write_message(stream, header, arrays=None, encoding="raw", quality=95):
    """Writes a message. `encoding` is that of images: raw, jpeg or png; the last two use Pillow."""
    entries, parts = [], []
    for name, array in (arrays or {}).items():
        array = np.asarray(array)
        kind = encoding if array.ndim == 3 and array.dtype == np.uint8 else "raw"
        try:
            data = _encoded(array, kind, quality)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        entries.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "encoding": kind,
                        "bytes": len(data)})
        parts.append(data)
    if entries:
        header = {**header, "arrays": entries}
    text = json.dumps(header).encode()
    if len(text) > LONGEST_HEADER and header.get("model"):
        # A kitchen's MJCF can be longer than a header may be. The seed makes the same scene again without it.
        text = json.dumps({**header, "model": ""}).encode()
    # One write: a step is one wake-up of the reader.
    stream.write(b"".join([MAGIC, struct.pack("<IQ", len(text), sum(map(len, parts))), text, *parts]))
    stream.flush()


def _read(stream, count, may_end=False):
    data = stream.read(count)
    if may_end and not data and count:
        return None
    if len(data) != count:
        raise EOFError(f"the stream ended within a message, {len(data)} of {count} bytes")
    return data


def _decoded(data, entry):
    if entry["dtype"] not in TYPES:
        raise ValueError(f"array {entry['name']} has the unknown type {entry['dtype']}")
    if entry.get("encoding", "raw") == "raw":
        return np.frombuffer(data, TYPES[entry["dtype"]]).reshape(entry["shape"])
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(entry["shape"])


def _encoded(array, encoding, quality):
    if array.dtype.name not in TYPES:
        raise ValueError(f"arrays of type {array.dtype.name} cannot be sent")
    if encoding == "raw":
        return np.ascontiguousarray(array, TYPES[array.dtype.name]).tobytes()
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(array).save(out, encoding, quality=quality, subsampling=0)
    return out.getvalue()


# the loop


class _Server:
    def __init__(self, adapter, requests, answers):
        self.adapter = adapter
        self.requests = requests
        self.answers = answers
        self.lock = threading.Lock()
        self.encoding = {}

    def run(self):
        while True:
            message = read_message(self.requests)
            if message is None or message[0].get("call") == "close":
                with contextlib.suppress(BrokenPipeError):
                    self.adapter.close()
                    if message is not None:
                        self.send({})
                return
            self.send(*self.answer(*message), **self.encoding)

    def answer(self, header, arrays):
        try:
            return self.call(header, arrays)
        except Restart:
            return ({"restart": True},)
        except Exception as error:
            kind = error.kind if isinstance(error, Problem) else "simulator"
            return ({"error": one_line(error), "kind": kind, "traceback": traceback.format_exc()[-100_000:]},)

    def call(self, header, arrays):
        call = header.get("call")
        if call == "hello":
            if header.get("protocol") != PROTOCOL:
                raise Problem("simulator", f"this adapter speaks protocol {PROTOCOL}, asked for {header.get('protocol')}")
            options = dict(header.get("options") or {})
            # How images travel is no business of the adapter's.
            self.encoding = {key: options.pop(key) for key in ("encoding", "quality") if key in options}
            return (plain({"protocol": PROTOCOL, **self.adapter.hello(options)}),)
        if call == "reset":
            return self.observed(BEGUN, *self.adapter.reset(header["task"], header["seed"], header.get("pool", "training")))
        if call == "step":
            return self.observed(STEPPED, *self.adapter.step(np.array(arrays["action"], np.float64)))
        if call == "expert":
            action = self.adapter.expert(header.get("seed", 0), header.get("noise", 0))
            return {}, {"action": np.asarray(action, np.float32)}
        if call == "teleoperate":
            action, finished = asked if isinstance(asked := self.adapter.teleoperate(), tuple) else (asked, False)
            return {"finished": bool(finished)}, {"action": np.asarray(action, np.float32)}
        if call == "hold":
            self.adapter.hold()
            return ({},)
        if call == "state":
            return {}, {"state": np.asarray(self.adapter.state(), np.float64)}
        if call == "restore":
            pool = header.get("pool", "training")
            return self.observed(BEGUN, *self.adapter.restore(header["task"], header["seed"], pool, arrays["state"].copy()))
        if call == "observe":
            about = {"model": bytes(arrays["model"]).decode(), "metadata": header.get("metadata") or {}} if "model" in arrays else None
            pool = header.get("pool", "training")
            return self.observed({}, *self.adapter.observe(header["task"], header["seed"], pool, arrays["state"].copy(), about))
        raise Problem("simulator", f"unknown call {call!r}")

    def observed(self, usual, observation, answer):
        arrays = {}
        for key, value in observation.items():
            value = np.asarray(value)
            # Images are the arrays of three axes; everything else is a vector.
            arrays["obs/" + key] = value if value.ndim == 3 else np.atleast_1d(value).astype(np.float32)
        return plain({**usual, **answer}), arrays

    def send(self, header, arrays=None, **encoding):
        with self.lock:
            write_message(self.answers, header, arrays, **encoding)


_server = None


def serve(adapter):
    """Answers requests on standard input until `close` or its end, and leaves."""
    global _server
    # Standard output is for messages alone, and standard input for requests: whatever a library prints goes to the log, and
    # whatever it asks is answered with the end of the input.
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Ctrl-C in a terminal reaches the whole group. The parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Ended by force, a robot is stopped all the same.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    _server = _Server(adapter, requests, answers)
    code = 0
    try:
        _server.run()
    except BaseException as error:
        code = 1
        if not isinstance(error, (BrokenPipeError, SystemExit)):
            traceback.print_exc()
        # The parent is gone in the middle of something.
        with contextlib.suppress(Exception):
            adapter.close()
    sys.stderr.flush()
    # Not sys.exit: OpenGL contexts print exceptions when the interpreter tears them down.
    os._exit(code)


@contextlib.contextmanager
def working(longest):
    """Tells the parent twice a second that a long job goes on, for `longest` seconds at most: a job that hangs is still found."""
    if _server is None:
        yield
        return
    done = threading.Event()

    def tell():
        end = time.monotonic() + longest
        while not done.wait(0.5) and time.monotonic() < end:
            with contextlib.suppress(OSError):
                _server.send({"working": True})

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


# what adapters share


def flat(error):
    """An exception's words in one line."""
    return " ".join(str(error).split())


def one_line(error):
    """An exception as one line: its words if they are ours, else its type, words and place."""
    words = flat(error)
    if not isinstance(error, Problem):
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
        words = f"{type(error).__name__}: {words}{place}"
    return words if len(words) <= 1000 else words[:997] + "..."


def plain(value):
    """A value of numpy's, or of several, as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    # What JSON has no word for is written as Python would print it.
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def require(module, install):
    """Imports a module, or says in one line what to type. Only the module itself missing is 'missing': a broken one says how.

    - install: what `pip install` needs, with the pins that work; None where no one knows.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, AssertionError) as error:
        # Some assert the versions they were made with.
        raise missing(f"Python's module {module} is not usable ({type(error).__name__}: {flat(error)})", install) from error


def missing(what, install):
    """The Problem of something not installed, with the line to type."""
    if install is None:
        return Problem("missing", f"{what}: install the package that has it for {sys.executable}")
    return Problem("missing", f"{what}: type  {shlex.quote(sys.executable)} -m pip install {install}")


def versions(*packages):
    """The installed versions by package, and Python's."""
    found = {"python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def pin(package, wanted, install):
    """Refuses a package whose version does not begin with `wanted`: it is known not to work, or was never tried."""
    found = versions(package).get(package)
    if found is None or not (found + ".").startswith(wanted + "."):
        raise missing(f"{package} {found or 'none'} is installed and {wanted} is needed", install)


def option(options, key, default):
    """Takes an option out, of the default's type."""
    value = options.pop(key, default)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if default is not None and type(value) is not type(default):
        raise Problem("simulator", f"option {key} is {value!r}; a {type(default).__name__} like {default!r} is expected")
    return value


def no_more(options, known):
    """Refuses options that no one took."""
    if options:
        raise Problem("simulator", f"unknown option {', '.join(sorted(options))}; options are {', '.join(known)}")


def choose(kind, names, known):
    """Refuses names that are not among the known."""
    for name in names:
        if name not in known:
            raise Problem("task" if kind == "task" else "simulator", f"no {kind} {name!r}; there are {', '.join(map(str, known))}")


def vector(width, unit=None, frame=None, quaternion=None):
    """What a vector of the hello is."""
    return {"width": width, "unit": unit, "frame": frame, "quaternion": quaternion}


def simulator_seed(task, seed, pool):
    """A seed below 2^32 for the simulator. Those of the evaluation pool are odd, the others even: no scene is in both."""
    if pool not in ("training", "evaluation"):
        raise Problem("simulator", f"no pool {pool!r}; there are training, evaluation")
    digest = hashlib.sha256(f"{task}/{int(seed)}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1 << 1 | (pool == "evaluation")


def offscreen(needed=True):
    """Chooses MuJoCo's renderer before it is imported: EGL with an NVIDIA GPU, else OSMesa on one thread a process."""
    gpu = os.path.exists("/dev/nvidiactl")
    os.environ.setdefault("MUJOCO_GL", "egl" if gpu else "osmesa")
    os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
    # Small frames are drawn faster by one thread; several simulators run side by side.
    for threads in ("LP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(threads, "1")
    if needed and os.environ["MUJOCO_GL"] == "osmesa" and not ctypes.util.find_library("OSMesa"):
        raise Problem("missing", "OSMesa, which draws without a GPU, is not installed: type  apt-get install libosmesa6")
    return os.environ["MUJOCO_GL"]
