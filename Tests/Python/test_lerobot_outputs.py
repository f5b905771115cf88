"""Outputs: never replaced unasked, never half-written, whatever stops the conversion."""
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py

from lerobot_sets import LeRobotSet, write_json
from support import LEROBOT, ToolTests


class LeRobotOutputs(ToolTests):
    def setUp(self):
        super().setUp()
        self.source = LeRobotSet(camera=None).write(f"{self.folder}/set")
        self.path = f"{self.out}/out.hdf5"

    def contents(self, path=None):
        with open(path or self.path, "rb") as file:
            return file.read()

    def listing(self):
        return sorted(os.path.join(root, name) for root, _, names in os.walk(self.source) for name in names)

    def test_usage(self):
        for arguments, *says in [
            ([], "arguments are required", "usage: ./run lerobot FOLDER OUTPUT.hdf5"),
            ([self.source], "arguments are required"), ([self.source, self.path, "more"], "unrecognized", "more"),
            ([self.source, self.path, "--episodes", "0"], "--episodes 0: at least 1"),
            ([self.source, self.path, "--episodes", "-3"], "--episodes -3: at least 1"),
            ([self.source, self.path, "--episodes", "two"], "invalid int value: 'two'"),
            ([self.source, self.path, "--episode", "2"], "--episode"),
            (["", self.path], "FOLDER is empty"),
            ([f"{self.folder}/nowhere", self.path], "nowhere: no such folder", "meta, data and videos"),
            ([f"{self.source}/meta/info.json", self.path], "info.json: not a folder"),
            ([f"{self.source}/data", self.path], "meta/info.json: no such file"),
            (["/", self.path], "belongs to FOLDER"),
            ([self.source, f"{self.out}/"], "names no file"), ([self.source, ""], "names no file"),
            ([self.source, f"{self.out}/no/out.hdf5"], "/no: no such folder for OUTPUT"),
        ]:
            with self.subTest(arguments):
                self.fails(*arguments, says=says)

    def test_names_of_several_lines(self):
        self.fails(f"{self.folder}/a\nb", self.path, says=("no such folder",))

    def test_trailing_slashes(self):
        self.succeeds(f"{self.source}///", self.path)

    def test_an_output_is_not_replaced_unasked(self):
        with open(self.path, "w") as file:
            file.write("precious")
        self.fails(self.source, self.path, says=("out.hdf5: exists; --replace writes over it",), left=["out.hdf5"])
        self.assertEqual(self.contents(), b"precious")
        self.succeeds(self.source, self.path, "--replace")
        with h5py.File(self.path) as file:
            self.assertEqual(len(file["data"]), 3)

    def test_a_failed_replacement_leaves_what_was_there(self):
        with open(self.path, "w") as file:
            file.write("precious")
        os.remove(f"{self.source}/data/chunk-000/episode_000001.parquet")
        self.fails(self.source, self.path, "--replace", says=("episode_000001.parquet",), left=["out.hdf5"])
        self.assertEqual(self.contents(), b"precious")

    def test_outputs_that_are_no_files(self):
        os.mkdir(f"{self.out}/folder")
        self.fails(self.source, f"{self.out}/folder", "--replace", says=("not an ordinary file",), left=["folder"])
        os.symlink("/dev/null", f"{self.out}/null")
        self.fails(self.source, f"{self.out}/null", "--replace", says=("not an ordinary file",),
                   left=["folder", "null"])
        self.fails(self.source, "/dev/null", "--replace", says=("not an ordinary file",), left=["folder", "null"])

    def test_the_input_is_not_written_to(self):
        before = self.listing()
        parquet = f"{self.source}/data/chunk-000/episode_000000.parquet"
        kept = self.contents(parquet)
        os.symlink(self.source, f"{self.out}/link")
        os.link(parquet, f"{self.out}/same")
        for output in (f"{self.source}/out.hdf5", f"{self.source}/data/out.hdf5", f"{self.out}/link/out.hdf5", parquet,
                       f"{self.out}/same"):
            with self.subTest(output):
                self.fails(self.source, output, "--replace", says=("belongs to FOLDER",), left=["link", "same"])
        os.rename(f"{self.source}/data", f"{self.folder}/data")
        os.symlink(f"{self.folder}/data", f"{self.source}/data")
        self.fails(self.source, f"{self.folder}/data/out.hdf5", says=("belongs to FOLDER",), left=["link", "same"])
        os.remove(f"{self.source}/data")
        os.rename(f"{self.folder}/data", f"{self.source}/data")
        self.assertEqual(self.listing(), before)
        self.assertEqual(self.contents(parquet), kept)

    def test_a_limit_on_file_sizes(self):
        for limit in (1, 100, 2000, 30_000, 60_000, 120_000, 165_000):
            with self.subTest(limit):
                self.setUp()
                source = LeRobotSet(camera="image").write(f"{self.folder}/images")
                self.fails(source, self.path, says=("out.hdf5: ", "nothing was written"),
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))

    def test_a_full_disk(self):
        small = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, small, ignore_errors=True)
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("no small file system can be made here")
        self.addCleanup(subprocess.run, ["umount", small])
        source = LeRobotSet(camera="image").write(f"{self.folder}/images")
        self.fails(source, f"{small}/out.hdf5", says=("out.hdf5: No space left on device",))
        self.assertEqual(os.listdir(small), [])

    def stopped(self, number):
        """Sends a signal once the file is being written."""
        source = LeRobotSet(lengths=(400,), camera="image")
        source = source.write(f"{self.folder}/long")
        process = subprocess.Popen(self.command(source, self.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True)
        deadline = time.monotonic() + 60
        while not os.listdir(self.out) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, error)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                done = self.stopped(number)
                self.check_failure(done, says=(f"stopped by {number.name}",))

    def test_a_signal_before_the_packages_are_there(self):
        process = subprocess.Popen(self.command(self.source, self.path), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        time.sleep(0.15)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=60)
        self.assertNotIn("Traceback", error)
        self.assertLessEqual(len(error.splitlines()), 1)
        self.assertFalse([name for name in os.listdir(self.out) if "partial" in name])

    def test_another_program_takes_the_name_meanwhile(self):
        script = f"""
import sys; sys.path.insert(0, {os.path.dirname(LEROBOT)!r})
import import_lerobot
publish = import_lerobot.publish
def late(output, replace):
    open(output, "w").write("theirs")
    publish(output, replace)
import_lerobot.publish = late
sys.argv = ["import_lerobot.py", {self.source!r}, {self.path!r}]
import_lerobot.main()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        self.check_failure(done, says=("was made by another program",), left=["out.hdf5"])
        self.assertEqual(self.contents(), b"theirs")

    def test_two_at_once(self):
        """Neither writes into the other's file; one of them gets the name."""
        running = [subprocess.Popen(self.command(self.source, self.path), stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True) for _ in range(2)]
        ended = [(process.communicate(timeout=120), process.returncode) for process in running]
        self.assertEqual(sorted(code for _, code in ended), [0, 1])
        self.assertEqual(os.listdir(self.out), ["out.hdf5"])
        with h5py.File(self.path) as file:
            self.assertEqual(file["data"].attrs["total"], 18)

    def test_missing_packages(self):
        for name, package in {"h5py": "h5py", "av": "av", "PIL": "pillow", "pyarrow": "pyarrow"}.items():
            with self.subTest(name):
                hidden = f"{self.folder}/hidden-{name}"
                write_json(f"{hidden}/{name}/__init__.py",
                           f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')")
                self.fails(self.source, self.path, says=(f"no Python package {package}; pip install",),
                           env={**os.environ, "PYTHONPATH": hidden})

    def test_whatever_else_fails(self):
        """An exception that nobody foresaw is one line, too, with its class."""
        script = f"""
import sys; sys.path.insert(0, {os.path.dirname(LEROBOT)!r})
import import_lerobot
from lerobot_reader import writer
def broken(*_):
    raise ZeroDivisionError("two\\nlines")
writer.Writer._masks = broken
sys.argv = ["import_lerobot.py", {self.source!r}, {self.path!r}]
import_lerobot.main()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        self.check_failure(done, says=(f"{self.source}: ZeroDivisionError: two",))

    def test_a_closed_output(self):
        """Nobody reads what is said; the file is there."""
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(self.command(self.source, self.path), stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(os.listdir(self.out), ["out.hdf5"])

    def test_memory_is_that_of_some_frames(self):
        """A camera of 2000 frames, 150 MB, within 60 MB more than a camera of 20."""
        peaks = []
        for count in (20, 2000):
            path = f"{self.out}/{count}.hdf5"
            dataset = LeRobotSet(lengths=(20,))
            dataset.frames = [[frame.repeat(4, 0).repeat(4, 1) for frame in dataset.frames[0]] * (count // 20)]
            dataset.tables[0] = {**{name: list(column) * (count // 20) for name, column in dataset.tables[0].items()},
                                 "frame_index": list(range(count)), "index": list(range(count)),
                                 "timestamp": [step / 10 for step in range(count)]}
            dataset.episodes[0]["length"], dataset.info["features"] = count, None
            source = dataset.write(f"{self.folder}/{count}")
            script = f"""
import os, resource, subprocess, sys
code = subprocess.run([sys.executable, {LEROBOT!r}, {source!r}, {path!r}], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            peaks.append(int(done.stdout))
            with h5py.File(path) as file:
                self.assertEqual(file["data/demo_0/obs/top_image"].shape, (count, 192, 256, 3))
        self.assertLess(peaks[1] - peaks[0], 60_000)


if __name__ == "__main__":
    unittest.main()
