"""What commands do to files that are there already, and to runs whose data changed."""
import os
import shutil
import subprocess

import h5py

import running
from making import Skipped, actions, case, each, put, smooth, toy


def kept(walk, verb, path, *command, goes_on=False):
    """A command must not write over a file, say --replace, and do it when told so. It may go on where that is not all it does."""
    with open(path, "wb") as file:
        file.write(b"mine")
    result = walk.run(verb, *command)
    with open(path, "rb") as file:
        if file.read() != b"mine":
            walk.fail(verb, f"{os.path.basename(path)} was replaced unasked")
    if result.status == 0 and not goes_on or "--replace" not in result.plain:
        walk.fail(verb, f"a line with --replace expected, came: status {result.status} {result.plain[-200:]}")
    result = walk.run(verb, *command, "--replace")
    with open(path, "rb") as file:
        if result.status != 0 or file.read() == b"mine":
            walk.fail(verb, f"--replace: status {result.status} {result.line}")


def outputs_named(walk):
    kept(walk, "inspect --sheet", f"{walk.out}/sheet.png", "inspect", walk.path, "--sheet", f"{walk.out}/sheet.png")
    kept(walk, "inspect --page", f"{walk.out}/page.html", "inspect", walk.path, "--page", f"{walk.out}/page.html")
    kept(walk, "play --output", f"{walk.out}/film.png", "play", walk.path, "demo_0", "--output", f"{walk.out}/film.png")
    kept(walk, "repack --output", f"{walk.out}/raw.hdf5", "repack", walk.path, "--output", f"{walk.out}/raw.hdf5")


@case(check=outputs_named)
def outputs_kept(folder):
    """Someone's own files under the names that a command is given."""
    toy(folder).close()


def outputs_by_default(walk):
    """In a copy, since outputs without a name go beside the file."""
    place = f"{walk.folder}/copy"
    shutil.copytree(walk.data, place)
    kept(walk, "play", f"{place}/toy-demo_0.png", "play", f"{place}/toy.hdf5", "demo_0")
    before = set(os.listdir(place))
    for verb, command in {"inspect": ["inspect", f"{place}/toy.hdf5"], "repack": ["repack", f"{place}/toy.hdf5"]}.items():
        first = walk.run(verb, *command)
        new = sorted(set(os.listdir(place)) - before)
        if first.status != 0 or len(new) > 1:
            walk.fail(verb, f"status {first.status}, new files {new}")
        for name in new:
            kept(walk, verb, f"{place}/{name}", *command, goes_on=verb == "inspect")
        before |= set(new)


@case(check=outputs_by_default)
def outputs_kept_by_default(folder):
    """Someone's own files under the names that commands choose themselves."""
    toy(folder).close()


def onto_itself(walk):
    """Repacking over its own input, by whatever name it is called."""
    for name in ("toy.hdf5", "symbolic.hdf5", "hard.hdf5", "../data/toy.hdf5"):
        before = running.listing(walk.data)
        for more in ([], ["--replace"]):
            result = walk.run(f"repack onto {name}", "repack", walk.path, "--output", f"{walk.data}/{name}", *more)
            if result.status == 0 or not any(word in result.line for word in ("same file", "itself")):
                walk.fail(f"repack onto {name}", f"a line with 'same file' expected, came: status {result.status} {result.line}")
        assert before == running.listing(walk.data) or walk.failures


@case(check=onto_itself)
def repack_onto_itself(folder):
    """The output is the input: directly, by a symbolic link, by a hard link, by another path."""
    toy(folder).close()
    os.symlink("toy.hdf5", f"{folder}/symbolic.hdf5")
    os.link(f"{folder}/toy.hdf5", f"{folder}/hard.hdf5")


def home_folder(walk):
    """`~` in the recipe's data.root, in --root and in IMITATE_ROOT is the home folder."""
    os.makedirs(f"{walk.home}/demos")
    shutil.copy(walk.path, f"{walk.home}/demos/toy.hdf5")
    base = ["train", f"{walk.folder}/recipe.yaml", "--datasets", f"{walk.folder}/Datasets"]
    ways = {"data.root": ["--set", "data.root=~/demos"], "--root": ["--root", "~/demos"], "IMITATE_ROOT": []}
    for name, more in ways.items():
        walk.variables = {"IMITATE_ROOT": "~/demos"} if name == "IMITATE_ROOT" else {}
        result = walk.run(name, *base, *more, "--run", f"{walk.out}/{name.strip('-')}")
        if result.status != 0:
            walk.fail(name, f"~ is not the home folder: {result.line}")


@case(check=home_folder)
def tilde(folder):
    """Paths that begin with ~, which a recipe is given by no shell."""
    toy(folder).close()


def trained(walk, verb, name, *more):
    return walk.run(verb, "train", f"{walk.folder}/recipe.yaml", "--datasets", f"{walk.folder}/Datasets", "--root", walk.data,
                    "--run", f"{walk.out}/{name}", *more)


def longer(walk):
    first = trained(walk, "train", "run")
    second = trained(walk, "train for more steps", "run", "--set", "training.steps=6")
    if (first.status, second.status) != (0, 0) or not os.path.exists(f"{walk.out}/run/checkpoints/step-0000006.safetensors"):
        walk.fail("train for more steps", f"status {second.status}: {second.line}")
        return
    trained(walk, "train at once", "whole", "--set", "training.steps=6")
    import comparing

    step = "checkpoints/step-0000006.safetensors"
    for difference in comparing.checkpoint(f"{walk.out}/run/{step}", f"{walk.out}/whole/{step}"):
        walk.fail("train for more steps", f"not as if trained at once: {difference}")


@case(check=longer)
def more_steps(folder):
    """A finished run is trained on for more steps."""
    toy(folder).close()


def changed_between(walk):
    trained(walk, "train", "run")
    with h5py.File(walk.path, "a") as file:
        put(file["data/demo_1"], "actions", actions(77))
    result = trained(walk, "train for more steps on other data", "run", "--set", "training.steps=6")
    if result.status == 0:
        walk.fail("train on changed data", "went on although the demonstrations changed")
    else:
        walk.has("train on changed data", result.line, ["toy.hdf5", "changed"])


@case(check=changed_between)
def demonstrations_changed(folder):
    """The file was recorded again while the run was interrupted."""
    toy(folder).close()


def replaced_meanwhile(walk):
    """Frames that are not kept in memory are read as they are needed: from the file that was opened."""
    import comparing
    import time

    more = ["--set", "data.memory_gigabytes=1.0e-6", "--set", "training.steps=300", "--set", "training.checkpoint_every=300"]
    command = ["train", f"{walk.folder}/recipe.yaml", "--datasets", f"{walk.folder}/Datasets", "--root"]
    undisturbed = walk.run("train", *command, walk.data, "--run", f"{walk.out}/undisturbed", *more)
    copy = f"{walk.folder}/copy"
    shutil.copytree(walk.data, copy)
    process = subprocess.Popen(
        [walk.imitate, *command, copy, "--run", f"{walk.out}/disturbed", *more], cwd=walk.place, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics, deadline = f"{walk.out}/disturbed/metrics.jsonl", time.monotonic() + running.SECONDS
    while process.poll() is None and time.monotonic() < deadline and not (os.path.exists(metrics) and os.path.getsize(metrics)):
        time.sleep(0.002)
    os.replace(f"{copy}/other.hdf5", f"{copy}/toy.hdf5")
    status = process.wait(running.SECONDS)
    step = "checkpoints/step-0000300.safetensors"
    if undisturbed.status == 0 and status == 0:
        for difference in comparing.checkpoint(f"{walk.out}/disturbed/{step}", f"{walk.out}/undisturbed/{step}"):
            walk.fail("train", f"not on the file that was opened: {difference}")
    elif undisturbed.status != 0 or status < 0:
        walk.fail("train", f"status {undisturbed.status} and {status}: {undisturbed.line}")


@case(check=replaced_meanwhile)
def replaced_while_training(folder):
    """The file is replaced by another of the same layout while a run reads it."""
    toy(folder).close()
    with toy(folder, name="other.hdf5") as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i))


SHIM = """
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <stdarg.h>
static int refuse(void) { errno = atoi(getenv("LOCK_ERROR")); return -1; }
int flock(int file, int operation) { return refuse(); }
int lockf(int file, int command, long size) { return refuse(); }
"""


def locks(walk):
    """As NFS (37), Lustre (38 or 95) and DVS (524) answer when locks are not to be had."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise Skipped("there is no C compiler")
    library = f"{walk.folder}/locks.so"
    walk.write(f"{walk.folder}/locks.c", SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, f"{walk.folder}/locks.c"], check=True)
    for error in (37, 38, 95, 524):
        walk.variables = {"LD_PRELOAD": library, "LOCK_ERROR": str(error)}
        for verb, command in {
            "inspect": ["inspect", walk.path, "--sheet", f"{walk.out}/{error}.png"],
            "play": ["play", walk.path, "demo_0", "--output", f"{walk.out}/film-{error}.png"],
            "repack": ["repack", walk.path, "--output", f"{walk.out}/raw-{error}.hdf5"],
        }.items():
            result = walk.run(verb, *command)
            if result.status != 0:
                walk.fail(verb, f"a lock that cannot be had (error {error}) is taken for one that is held: {result.line}")
        result = trained(walk, "train", f"run-{error}")
        if result.status != 0:
            walk.fail("train", f"a lock that cannot be had (error {error}) is taken for one that is held: {result.line}")
        else:
            walk.has("train", result.plain, ["note", "lock"])


@case(check=locks)
def no_locks(folder):
    """A file system without locks."""
    toy(folder).close()


def odd_commands(walk):
    """Demos that are not there, places that cannot be written."""
    os.mkfifo(f"{walk.out}/pipe")
    commands = {
        "play demo_99": (["play", walk.path, "demo_99"], ["demo_99", "toy.hdf5", "demo_0"]),
        "play nowhere": (["play", walk.path, "demo_0", "--output", f"{walk.folder}/no/such/film.png"], ["film.png"]),
        "inspect nowhere": (["inspect", walk.path, "--sheet", f"{walk.folder}/no/such/sheet.png"], ["sheet.png"]),
        "repack onto a folder": (["repack", walk.path, "--output", walk.place], [("folder", "directory")]),
        "repack onto a pipe": (["repack", walk.path, "--output", f"{walk.out}/pipe"], ["pipe"]),
        "play onto a pipe": (["play", walk.path, "demo_0", "--output", f"{walk.out}/pipe"], ["pipe"]),
    }
    for verb, (command, expected) in commands.items():
        result = walk.run(verb, *command)
        if result.status == 0:
            walk.fail(verb, "status 0")
        walk.has(verb, result.line, expected)


@case(check=odd_commands)
def commands_that_cannot_work(folder):
    """Names and places that do not exist."""
    toy(folder).close()


def gone_on(walk):
    """A repacking is killed part way, the file is recorded again, and the repacking is repeated: nothing of the old one is used."""
    import signal
    import time

    output = f"{walk.out}/raw.hdf5"
    command = [walk.imitate, "repack", walk.path, "--output", output]
    process = subprocess.Popen(command, cwd=walk.place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and process.poll() is None and not any(
            name.endswith(".hdf5") for path, _, names in os.walk(walk.out) for name in names):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with toy(walk.data) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i + 3, size=64))
    result = walk.run("repack again", "repack", walk.path, "--output", output, "--replace")
    import comparing

    if result.status == 0:
        for difference in comparing.copies(walk.path, output)[:2]:
            walk.fail("repack again", difference)
    else:
        walk.has("repack again", result.line, ["changed"])


@case(check=gone_on)
def repack_of_changed_file(folder):
    """A repacking that was killed, and a file that was recorded again since."""
    with toy(folder, demos=30) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i, size=128))
