"""Runs a command under a deadline and a bound of memory, and says what must never happen, whatever its input."""
import hashlib
import os
import pwd
import re
import subprocess
import time
from dataclasses import dataclass

SECONDS, MEGABYTES = 60, 1500
# What a program says that fell over, whatever its status.
CRASHES = ("Fatal error", "crashed", "Traceback", "HDF5-DIAG", "Precondition failed", "core dumped", "terminate called")


@dataclass
class Result:
    status: int
    output: str
    errors: str
    megabytes: int
    ended: bool

    @property
    def plain(self):
        """What went to the terminal, without what moves the cursor."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.errors.replace("\r", "\n"))

    @property
    def lines(self):
        """The complaints."""
        lines = [line for line in self.plain.splitlines() if line.startswith(("imitate: ", "run lerobot: "))]
        return [line for line in lines if ": note:" not in line]

    @property
    def line(self):
        return self.lines[0] if self.lines else self.plain[-300:]

    def faults(self):
        """What is wrong with the way it ended."""
        said = next((word for word in CRASHES if word in self.errors + self.output), None)
        if not self.ended:
            yield f"did not end within {SECONDS} s"
        elif self.status < 0 or self.status in (132, 134, 136, 139):
            yield f"ended by signal {abs(self.status) % 128}: {self.plain[-200:]}"
        elif said:
            yield f"fell over: {self.errors[max(0, self.errors.find(said)):][:200]}"
        elif self.status > 0 and len(self.lines) != 1:
            yield f"one line expected, status {self.status}, came: {self.plain[-300:]}"
        elif self.status == 0 and self.lines:
            yield f"status 0 although it says: {self.line}"
        if self.megabytes > MEGABYTES:
            yield f"took {self.megabytes} MB"


def run(command, place, logs, environment, ordinary_user=False):
    """Runs a command in the folder `place`; its output goes through files beginning with `logs`."""
    user = {"user": nobody()} if ordinary_user and os.geteuid() == 0 else {}
    files = [open(f"{logs}.{kind}", "wb+") for kind in ("out", "err")]
    process = subprocess.Popen(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=files[0], stderr=files[1], env=environment, **user)
    deadline = time.monotonic() + SECONDS
    ended = 0
    while not ended:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not ended and time.monotonic() > deadline:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
            break
        time.sleep(0.003)
    process.returncode = os.waitstatus_to_exitcode(status)
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read().decode("utf-8", "replace"))
        file.close()
    return Result(process.returncode, *texts, usage.ru_maxrss // 1024, bool(ended))


def nobody():
    return pwd.getpwnam("nobody").pw_uid


def reaches(path):
    """Whether the user nobody gets there."""
    return subprocess.run(["test", "-x", path], user=nobody(), check=False).returncode == 0


def listing(folder):
    """Every file below, by what it is and holds."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            full = os.path.join(path, name)
            if os.path.islink(full):
                mark = os.readlink(full)
            elif os.path.isfile(full):
                mark = (os.stat(full).st_ino, digest(full))
            else:
                mark = "folder"
            found[os.path.relpath(full, folder)] = mark
    return found


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def changes(before, after):
    for name in sorted(set(before) | set(after)):
        if before.get(name) != after.get(name):
            yield name, "new" if name not in before else "gone" if name not in after else "changed"
