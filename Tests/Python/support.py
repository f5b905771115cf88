"""Runs the Python tools as their users do, and holds their failures to one line with nothing left behind."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEROBOT = os.path.join(ROOT, "Datasets", "import_lerobot.py")
CHECKPOINT = os.path.join(ROOT, "docs", "checkpoint_to_safetensors.py")


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
