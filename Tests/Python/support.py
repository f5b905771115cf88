"""Runs the Python tools as their users do, and holds their failures to one line with nothing left behind."""
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEROBOT = os.path.join(ROOT, "Datasets", "import_lerobot.py")
CHECKPOINT = os.path.join(ROOT, "docs", "checkpoint_to_safetensors.py")


# Importing these takes longer than most conversions: one process has them and forks for each run of the tool.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["h5py", "numpy", "pyarrow.parquet", "av", "PIL.Image"])


def forked(tool, arguments, output, errors):
    """What the interpreter does with a script, its standard streams and arguments."""
    for number, path in ((0, os.devnull), (1, output), (2, errors)):
        descriptor = os.open(path, os.O_RDWR)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = [tool, *arguments]
    sys.path.insert(0, os.path.dirname(tool))
    runpy.run_path(tool, run_name="__main__")


def run_forked(tool, arguments, seconds=120):
    with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
        process = FORKS.Process(target=forked, args=(tool, arguments, output.name, errors.name))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired([tool, *arguments], seconds)
        return subprocess.CompletedProcess([tool, *arguments], process.exitcode, output.read(), errors.read())


class ToolTests(unittest.TestCase):
    """A folder for each test: `self.folder` for inputs, `self.out` for outputs."""

    tool = LEROBOT

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out)

    def command(self, *arguments):
        return [sys.executable, self.tool, *map(str, arguments)]

    def run_tool(self, *arguments, **options):
        if self.tool == LEROBOT and not options:
            return run_forked(self.tool, list(map(str, arguments)))
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, **options)

    def succeeds(self, *arguments, **options):
        done = self.run_tool(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse([name for name in os.listdir(self.out) if "partial" in name])
        return done

    def fails(self, *arguments, says=(), left=(), **options):
        """Exit code 1, one line that has all of `says`, and nothing in the output folder but what was `left` there."""
        done = self.run_tool(*arguments, **options)
        self.check_failure(done, says, left)
        return done

    def check_failure(self, done, says=(), left=()):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(done.stdout, "")
        for words in says:
            self.assertIn(words, done.stderr)
        self.assertEqual(sorted(os.listdir(self.out)), sorted(left))
