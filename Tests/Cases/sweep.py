"""Walks over the cases with every command that reads demonstrations, and judges what comes of it.

    python sweep.py IMITATE FOLDER [CASE ...]     makes the cases in FOLDER; all of them when none is named
    python sweep.py --list

For each case, either the right values come (h5py's, down to the bits of the weights trained on them), or one line that says what is
wrong, with a status that is not 0. Nothing crashes, and nothing is left behind. Prints a line for each failure.
"""
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# h5py finds raw files by name beside the file that names them, wherever this runs.
os.environ["HDF5_EXTFILE_PREFIX"] = "${ORIGIN}"
# A process that is just being started holds the locks of every file that other threads have open here until it has become what it is
# to be: on a busy machine a case could not open again what it had closed. The commands and the other programs lock as ever.
os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"

import comparing
import running
from cases import CASES
from making import Skipped, Words, robomimic, write_plain
from writing import recipe, registry

CHECKPOINT = "run/checkpoints/step-0000003.safetensors"


class Walk:
    """One case: its folders, the commands run on it, and what was wrong."""

    def __init__(self, case, imitate, root):
        self.case, self.imitate = case, imitate
        self.folder = f"{root}/{case.name}"
        self.data, self.out, self.place, self.home = (f"{self.folder}/{name}" for name in ("data", "out", "place", "home"))
        self.path = f"{self.data}/{case.file}"
        self.failures = []
        self.skipped = None
        self.variables = case.environment()

    def fail(self, verb, what):
        self.failures.append(f"{self.case.name}: {verb}: {' '.join(str(what).split())[:600]}")

    def walk(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.data, self.home, self.place, f"{self.folder}/Datasets"):
            os.makedirs(folder)
        finish = None
        try:
            self.clear()
            finish = self.case.make(self.data)
            self.write(f"{self.folder}/recipe.yaml", recipe(self.case))
            self.write(f"{self.folder}/Datasets/toy.yaml", registry(self.case))
            if self.case.ordinary_user:
                self.open_to_all()
            if self.case.check:
                self.case.check(self)
            elif self.case.convert:
                self.convert()
            else:
                reference = self.reference()
                refused = self.train(reference)
                self.tasks()
                self.inspect(reference, refused)
                self.play(reference)
                self.repack(reference)
        except Skipped as reason:
            self.skipped = str(reason)
        except Exception as error:
            self.fail("making", f"{type(error).__name__}: {error}")
        finally:
            if callable(finish):
                finish()
            subprocess.run(["chmod", "-R", "u+rwX", self.folder], check=False)

    @staticmethod
    def write(path, text):
        with open(path, "w") as file:
            file.write(text)

    def open_to_all(self):
        """Runs as someone who may not read everything; where that user cannot reach the program, nothing can be tried."""
        for folder in (self.folder, self.place, self.home):
            os.chmod(folder, 0o777)
        if os.geteuid() == 0 and not all(map(running.reaches, (self.imitate, self.data))):
            raise Skipped("the user nobody cannot reach the program or the cases")

    def reference(self):
        if isinstance(self.case.train, list):
            return None
        try:
            return (self.case.reference or robomimic)(self.case, self.path)
        except Exception:  # what h5py and NumPy cannot read, nothing is compared with
            if self.case.train == "values":
                raise
            return None

    # ---- running and judging ---------------------------------------------------------------------------------------

    def run(self, verb, *arguments, program=None):
        """Runs a command; whatever happens, it must not fall over or touch what is not its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HDF5_", "IMITATE_"))}
        environment = kept | {"HOME": self.home, "XDG_CACHE_HOME": f"{self.home}/cache", "TERM": "dumb"} | self.variables
        before = running.listing(self.data)
        result = running.run(
            [*(program or [self.imitate]), *arguments], self.place, f"{self.folder}/log", environment, self.case.ordinary_user)
        for fault in result.faults():
            self.fail(verb, fault)
        for name, change in running.changes(before, running.listing(self.data)):
            self.fail(verb, f"{name} beside the demonstrations is {change}")
        for name in running.listing(self.place):
            self.fail(verb, f"{name} is left in the working folder")
        return result

    def clear(self):
        shutil.rmtree(self.out, ignore_errors=True)
        os.mkdir(self.out)
        if self.case.ordinary_user:
            os.chmod(self.out, 0o777)

    def left(self, verb, result, *names):
        """Whether the outputs are there; after failure there must be nothing at all."""
        expected, found = set(names) if result.status == 0 else set(), set(os.listdir(self.out))
        for name in sorted(found - expected):
            self.fail(verb, f"leaves {name}")
        for name in sorted(expected - found):
            self.fail(verb, f"status 0, but no {name}")
        return result.status == 0 and expected <= found

    def judge(self, verb, result, expected):
        """Whether it succeeded and should have; a refusal is judged by its line."""
        line_of = expected.words if isinstance(expected, Words) else expected
        if result.status != 0:
            if isinstance(line_of, list):
                self.has(verb, result.line, line_of)
                if os.path.basename(self.path) not in result.line and not self.case.convert:
                    self.fail(verb, f"does not say which file: {result.line}")
            elif expected not in ("either", "any"):
                self.fail(verb, f"right values expected, came: {result.line or result.status}")
            return False
        if isinstance(expected, list):
            self.fail(verb, f"a line with {words(expected)} expected, came: status 0 {result.plain[-200:]}")
            return False
        if isinstance(expected, Words) and expected.noted:
            self.has(verb, result.plain, line_of)
        return True

    def has(self, verb, text, expected):
        missing = [word for word in expected if not says(text, word)]
        if missing:
            self.fail(verb, f"a line with {words(missing)} expected, came: {text[-400:]}")

    # ---- the commands ----------------------------------------------------------------------------------------------

    def train(self, reference):
        """Returns whether it was refused."""
        case = self.case
        result = self.run("train", *self.training(self.folder, self.data, self.out, twin=False))
        done = self.left("train", result, "run")
        if self.judge("train", result, case.train) and done:
            self.has("train", result.plain, case.notes)
            if reference is not None:
                self.compare_with_twin(reference)
        self.clear()
        return result.status != 0

    def training(self, place, data, out, twin):
        case = self.case
        changes = list(case.sets)
        if not twin:
            changes += case.own_sets
            if case.actions != ("actions",):
                changes.append(f"actions.from=[{', '.join(case.actions)}]")
        return ["train", f"{self.folder}/recipe.yaml", "--datasets", f"{place}/Datasets", "--split", case.split, "--root", data,
                "--run", f"{out}/run", *(part for change in changes for part in ("--set", change))]

    def tasks(self):
        """The list of what is on the disk goes on, whatever is there."""
        result = self.run("tasks", "tasks", "toy", "--datasets", f"{self.folder}/Datasets", "--root", self.data)
        if result.status != 0 or "Toy" not in result.output:
            self.fail("tasks", f"does not list the task: {result.line or result.output[:200]}")

    def compare_with_twin(self, reference):
        """Trains on the same values as h5py reads them, stored in the plainest way: the weights are the same bits."""
        twin = f"{self.folder}/twin"
        for folder in (f"{twin}/data", f"{twin}/Datasets"):
            os.makedirs(folder)
        os.chmod(twin, 0o777)
        self.write(f"{twin}/Datasets/toy.yaml", registry(self.case, file="toy.hdf5"))
        write_plain(reference, f"{twin}/data/toy.hdf5", self.case.masks)
        result = self.run("train on the plain twin", *self.training(twin, f"{twin}/data", twin, twin=True))
        if result.status != 0:
            self.fail("train on the plain twin", result.line)
        else:
            for difference in comparing.checkpoint(f"{self.out}/{CHECKPOINT}", f"{twin}/{CHECKPOINT}"):
                self.fail("train", difference)

    def inspect(self, reference, refused):
        case, expected = self.case, self.case.inspect
        if expected is None:
            expected = case.train if isinstance(case.train, list) else "clean" if case.train == "values" else "either"
            if isinstance(case.train, Words) and refused:
                expected = case.train
        json = self.run("inspect", "inspect", self.path, "--format", "json", "--sheet", f"{self.out}/json.png", *case.flags)
        text = self.run("inspect", "inspect", self.path, "--page", f"{self.out}/page.html", *case.flags)
        for name in set(os.listdir(self.out)) - ({"json.png", "page.html"} if json.status == 0 else set()):
            self.fail("inspect", f"leaves {name}")
        self.clear()
        if text.status != json.status:
            self.fail("inspect", f"status {json.status} as JSON, {text.status} as text")
        if isinstance(expected, tuple) or json.status != 0:
            if isinstance(expected, tuple):
                self.judge("inspect", json, expected[1])
            elif isinstance(expected, Words):
                self.judge("inspect", json, expected.words)
            elif expected != "either":  # clean, any or words: the file can be opened, so one trouble does not hide the rest
                self.fail("inspect", f"does not go on: {json.line}")
            return
        comparable = case.train == "values" and case.split == "all"
        found, problems = comparing.summary(
            json.output, reference if comparable else None, with_actions=case.actions == ("actions",))
        for difference in found:
            self.fail("inspect", difference)
        if expected == "clean" and problems:
            self.fail("inspect", f"problems where there are none: {problems[:3]}")
        if refused and not problems and expected != "any":
            self.fail("inspect", "no problems found, but training refuses the file")
        wanted = expected.words if isinstance(expected, Words) else expected if isinstance(expected, list) else []
        if not any(all(says(problem, word) for word in wanted) for problem in problems) and wanted:
            self.fail("inspect", f"a problem with {words(wanted)} expected, came: {problems[:3]}")
        if problems and not says(text.output, "problem"):
            self.fail("inspect", "the text has no word of the problems")

    def play(self, reference):
        case = self.case
        expected = case.play or (case.train if case.train == "values" else "either")
        result = self.run("play", "play", self.path, case.demo, "--output", f"{self.out}/film.png", *case.flags)
        done = self.left("play", result, "film.png")
        if self.judge("play", result, expected) and done and expected != "any":
            cameras = self.cameras(reference)
            for difference in comparing.animation(f"{self.out}/film.png", cameras) if cameras else []:
                self.fail("play", difference)
        self.clear()

    def cameras(self, reference):
        """The frames that should be seen; of a file that h5py cannot read, none."""
        try:
            reference = reference or (self.case.reference or robomimic)(self.case, self.path)
        except Exception:
            return {}
        arrays = reference.arrays.get(self.case.demo, {})
        return {key[4:]: arrays[key] for key in arrays if key[4:] in self.case.images}

    def repack(self, reference):
        case = self.case
        expected = case.repack or (case.train if case.train == "values" else "either")
        for storage in ("raw", "lossless"):
            verb, output = f"repack --storage {storage}", f"{self.out}/{storage}.hdf5"
            result = self.run(verb, "repack", self.path, "--storage", storage, "--output", output, *case.flags)
            done = self.left(verb, result, f"{storage}.hdf5")
            if self.judge(verb, result, expected) and done and expected != "any":
                found = comparing.cameras(output, reference) if case.flags else comparing.copies(self.path, output)
                for difference in found[:3]:
                    self.fail(verb, difference)
            self.clear()

    def convert(self):
        from lerobot import CONVERTER

        output = f"{self.out}/set.hdf5"
        result = self.run("convert", f"{self.data}/set", output, program=[sys.executable, CONVERTER])
        done = self.left("convert", result, "set.hdf5")
        if self.judge("convert", result, self.case.convert) and done:
            expected = self.case.reference(self.case, f"{self.data}/set")
            for difference in comparing.converted(output, expected) if expected else []:
                self.fail("convert", difference)
            inspected = self.run("inspect", "inspect", output, "--sheet", f"{self.folder}/sheet.png")
            if inspected.status != 0:
                self.fail("inspect", f"the converted file: {inspected.line}")


def says(text, word):
    return any(option.lower() in text.lower() for option in (word if isinstance(word, tuple) else (word,)))


def words(expected):
    return ", ".join(" or ".join(word) if isinstance(word, tuple) else f"'{word}'" for word in expected)


def main():
    if sys.argv[1:] == ["--list"]:
        for case in CASES.values():
            print(f"{case.name:32} {case.about.splitlines()[0]}")
        return 0
    if len(sys.argv) < 3 or any(name not in CASES for name in sys.argv[3:]):
        unknown = [name for name in sys.argv[3:] if name not in CASES]
        print(f"sweep.py: no case called {', '.join(unknown)}; --list names them" if unknown else __doc__, file=sys.stderr)
        return 2
    imitate, root = map(os.path.abspath, sys.argv[1:3])
    walks = [Walk(CASES[name], imitate, root) for name in sys.argv[3:] or CASES]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Walk.walk, walks))
    for walk in walks:
        for failure in walk.failures:
            print(failure)
        if walk.skipped:
            print(f"{walk.case.name}: left out: {walk.skipped}", file=sys.stderr)
    failed = sum(bool(walk.failures) for walk in walks)
    left_out = sum(bool(walk.skipped) for walk in walks)
    print(f"{len(walks) - failed - left_out} passed, {failed} failed" + (f", {left_out} left out" if left_out else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
