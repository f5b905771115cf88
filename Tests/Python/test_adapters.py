"""The adapters that need no simulator, and the wire they share: spoken to as their parent does."""
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTERS = os.path.join(ROOT, "Sources", "Environments", "adapters")
sys.path[:0] = [ADAPTERS, os.path.join(ROOT, "Tests", "Simulators")]
import robot_template
import wire
from check_adapter import Child, Failed, check_task, short_episode


def adapter(name, **options):
    return Child([sys.executable, os.path.join(ADAPTERS, name)], options)


class WireTests(unittest.TestCase):
    def test_arrays_come_back_as_they_went(self):
        arrays = {"image": np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8),
                  "vector": np.array([1.5, -2], np.float32), "state": np.zeros((0,)), "one": np.array([7])}
        for encoding in ("raw", "png"):
            stream = io.BytesIO()
            wire.write_message(stream, {"reward": 1}, arrays, encoding)
            stream.seek(0)
            header, back = wire.read_message(stream)
            self.assertEqual(header["reward"], 1)
            self.assertEqual(header["arrays"][0]["shape"], [4, 6, 3])
            for name, array in arrays.items():
                np.testing.assert_array_equal(back[name], array)
                self.assertEqual(back[name].dtype, array.dtype)
            self.assertIsNone(wire.read_message(stream))

    def test_jpeg_is_near(self):
        image = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 64, 3))
        stream = io.BytesIO()
        wire.write_message(stream, {}, {"image": image}, "jpeg", 95)
        stream.seek(0)
        _, back = wire.read_message(stream)
        self.assertLess(np.abs(back["image"].astype(int) - image).max(), 8)

    def test_what_is_no_message_is_refused(self):
        whole = io.BytesIO()
        wire.write_message(whole, {"call": "step"}, {"action": np.zeros(3, np.float32)})
        whole = whole.getvalue()
        for wrong in (b"HTTP/1.1 200 OK\r\n", whole[:20], whole[:-1], b"IKE1" + b"\xff" * 12):
            with self.assertRaises((ValueError, EOFError)):
                wire.read_message(io.BytesIO(wrong))

    def test_a_long_model_is_left_out(self):
        stream = io.BytesIO()
        wire.write_message(stream, {"model": "x" * (2 << 20), "reward": 0})
        stream.seek(0)
        self.assertEqual(wire.read_message(stream)[0]["model"], "")

    def test_pools_share_no_seed(self):
        seeds = {pool: {wire.simulator_seed("Lift", seed, pool) for seed in range(500)} for pool in ("training", "evaluation")}
        self.assertFalse(seeds["training"] & seeds["evaluation"])
        self.assertEqual([len(of) for of in seeds.values()], [500, 500])
        self.assertLess(max(map(max, seeds.values())), 1 << 32)


PRINTING = """
import os, sys, time
sys.path.insert(0, {folder!r})
import wire

class Printing(wire.Adapter):
    def hello(self, options):
        print("a library's greeting")
        os.system("echo a program of its own")
        with wire.working(10):
            time.sleep(1.2)
        try:
            input("write a configuration file? ")
        except EOFError:
            pass
        return {{"tasks": [], "options": options}}

    def reset(self, task, seed, pool):
        if task == "again":
            raise wire.Restart
        wire.choose("task", [task], ["one"])
        raise RuntimeError("two\\nlines")

wire.serve(Printing())
"""


class ServeTests(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([sys.executable, "-c", PRINTING.format(folder=ADAPTERS)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.finish)

    def finish(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def ask(self, call, **header):
        wire.write_message(self.process.stdin, {"call": call, **header})
        return self.next()

    def next(self):
        return wire.read_message(self.process.stdout)[0]

    def test_prints_go_to_the_log_and_questions_are_not_asked_of_the_parent(self):
        answer, signs = self.ask("hello", protocol=1, options={"encoding": "png", "size": 3}), 0
        while "working" in answer:
            answer, signs = self.next(), signs + 1
        self.assertEqual(signs, 2)
        self.assertEqual(answer["options"], {"size": 3})
        self.assertEqual(self.ask("close"), {})
        self.assertEqual(self.process.wait(10), 0)
        log = self.process.stderr.read().decode()
        self.assertIn("a library's greeting", log)
        self.assertIn("a program of its own", log)

    def test_failures_are_one_line_with_a_traceback(self):
        answer = self.ask("hello", protocol=2)
        self.assertIn("protocol 1", answer["error"])
        answer = self.ask("reset", task="one", seed=0, pool="training")
        self.assertRegex(answer["error"], r"^RuntimeError: two lines \(<string>:\d+\)$")
        self.assertIn("Traceback", answer["traceback"])
        self.assertEqual(answer["kind"], "simulator")
        answer = self.ask("reset", task="two", seed=0, pool="training")
        self.assertEqual((answer["error"], answer["kind"]), ("no task 'two'; there are one", "task"))
        self.assertEqual(self.ask("reset", task="again", seed=0), {"restart": True})
        self.assertIn("unknown call", self.ask("dance")["error"])
        self.process.stdin.close()
        self.assertEqual(self.process.wait(10), 0)


class TemplateTests(unittest.TestCase):
    def test_is_short_and_does_what_a_parent_asks(self):
        with open(os.path.join(ADAPTERS, "template.py")) as file:
            self.assertLessEqual(len(file.readlines()), 80)
        one, other = adapter("template.py"), adapter("template.py")
        check_task(one, "push-the-dot", other)
        with self.assertRaisesRegex(Failed, "task: no task 'pull'"):
            one.ask("reset", task="pull", seed=0, pool="training")
        one.close()
        other.close()


class ReplayTests(unittest.TestCase):
    def setUp(self):
        from PIL import Image

        self.file = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "demos.hdf5")
        random = np.random.default_rng(0)
        self.frames = np.repeat(np.repeat(random.integers(0, 256, (3, 6, 4, 4, 3), np.uint8), 8, 2), 8, 3)
        self.actions = random.uniform(-1, 1, (3, 6, 2))
        with h5py.File(self.file, "w") as file:
            data = file.create_group("data")
            data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": 20}})
            data.attrs["action_schema"] = json.dumps({"actions": {"dimensions": [{"name": "x"}, {"name": "y"}], "control_hertz": 20}})
            for index in range(3):
                demo = data.create_group(f"demo_{index}")
                demo.attrs["ep_meta"] = json.dumps({"lang": f"episode {index}", "layout_id": index})
                demo["actions"], demo["states"] = self.actions[index], np.arange(12.0).reshape(6, 2) + index
                demo["rewards"] = np.arange(6)
                demo["obs/front_image"] = self.frames[index]
                demo["obs/arm"] = random.normal(size=(6, 3))
                pictures = demo.create_dataset("obs/wrist_image", 6, h5py.vlen_dtype(np.uint8))
                for row, frame in enumerate(self.frames[index]):
                    out = io.BytesIO()
                    Image.fromarray(frame).save(out, "jpeg", quality=95, subsampling=0)
                    pictures[row] = np.frombuffer(out.getvalue(), np.uint8)

    def test_plays_what_was_recorded(self):
        child = adapter("replay.py", file=self.file)
        self.assertEqual(child.hello["action"]["control_hertz"], 20)
        self.assertEqual(child.hello["observations"]["images"], {"front_image": [32, 32], "wrist_image": [32, 32]})
        self.assertEqual(child.hello["tasks"], [{"name": "Lift", "group": "replay", "horizon": 6}])
        for seed, pool, index in ((0, "training", 0), (1, "training", 2), (0, "evaluation", 1), (5, "evaluation", 1)):
            answer, seen = child.ask("reset", task="Lift", seed=seed, pool=pool)
            self.assertEqual((answer["instruction"], answer["scene"]), (f"episode {index}", {"layout": index}))
            np.testing.assert_array_equal(seen["front_image"], self.frames[index][0])
            self.assertLess(np.abs(seen["wrist_image"].astype(int) - self.frames[index][0]).mean(), 8)
        seen, told = short_episode(child, "Lift", 0, "training", self.actions[0].astype(np.float32))
        np.testing.assert_array_equal([one["front_image"] for one in seen], self.frames[0][[0, 1, 2, 3, 4, 5, 5]])
        self.assertEqual(told[1:], [(float(row), row == 5) for row in range(6)])
        child.ask("restore", {"state": np.array([6.0, 7])}, task="Lift", seed=0, pool="training")
        np.testing.assert_allclose(child.ask("expert", seed=0, noise=0)[1]["action"], self.actions[0][3].astype(np.float32))
        child.close()

    def test_solves_only_when_followed_if_asked_to(self):
        child = adapter("replay.py", file=self.file, tolerance=0.01)
        right, wrong = self.actions[0].astype(np.float32), self.actions[0].astype(np.float32)
        wrong[2] += 0.02
        self.assertTrue(short_episode(child, "Lift", 0, "training", right)[1][-1][1])
        self.assertFalse(short_episode(child, "Lift", 0, "training", wrong)[1][-1][1])
        child.close()

    def test_says_what_is_wrong(self):
        for options, line in (({"file": "nowhere.hdf5"}, "'nowhere.hdf5' is none"), ({}, "option file must name"),
                              ({"file": __file__}, "is no HDF5 file"), ({"file": self.file, "speed": 1}, "unknown option speed")):
            with self.assertRaisesRegex(Failed, line):
                adapter("replay.py", **options)


class RobotTests(unittest.TestCase):
    def test_the_operator_reaches_the_cup(self):
        child = adapter("robot_template.py")
        _, seen = child.ask("reset", task="pick-and-place", seed=0, pool="evaluation")
        begun = time.monotonic()
        for _ in range(20):
            _, action = child.ask("expert", seed=0, noise=0)
            answer, seen = child.ask("step", action)
        # The robot takes a part of each period for moving; the rest is the policy's.
        self.assertLess(time.monotonic() - begun, 20 / child.hello["action"]["control_hertz"] + 0.5)
        np.testing.assert_allclose(seen["robot0_eef_pos"], [0.5, 0.2], atol=0.05)
        child.close()

    def test_actions_are_clipped_and_numbers(self):
        robot = robot_template.RobotAdapter()
        robot.hello({})
        self.addCleanup(robot.close)
        robot.reset("pick-and-place", 0, "training")
        before = robot.target.copy()
        _, answer = robot.step(np.array([9.0, 9, 9]))
        self.assertTrue(answer["clipped"])
        self.assertLessEqual(np.abs(robot.target - before).max(), robot_template.SPEED / robot_template.HERTZ + 1e-9)
        for _ in range(60):
            robot.step(np.array([1.5, 2.5, 2.5]))
            hand = robot.robot.hand(robot.target)
            self.assertTrue((hand >= robot_template.WORKSPACE_LOW).all() and (hand <= robot_template.WORKSPACE_HIGH).all())
        for wrong in (np.array([np.nan, 0, 0]), np.zeros(2)):
            with self.assertRaisesRegex(wire.Problem, "it holds"):
                robot.step(wrong)
            self.assertTrue(robot.holds)

    def test_holds_when_no_step_comes_and_when_it_fails(self):
        robot = robot_template.RobotAdapter()
        robot.hello({})
        self.addCleanup(robot.close)
        robot.reset("pick-and-place", 0, "training")
        robot.step(robot_template.HOME + 0.05)
        self.assertFalse(robot.holds)
        time.sleep(2 * robot_template.HOLD_AFTER)
        self.assertTrue(robot.holds)
        np.testing.assert_array_equal(robot.robot.target, robot.robot.read())
        robot.robot.grab = lambda: 1 / 0
        with self.assertRaises(ZeroDivisionError):
            robot.step(robot_template.HOME)
        self.assertTrue(robot.holds)

    def test_holds_when_its_parent_goes_and_when_it_is_ended(self):
        script = (f"import sys; sys.path.insert(0, {ADAPTERS!r}); import robot_template as r, wire\n"
                  "class Told(r.RobotAdapter):\n    def hold(self):\n        super().hold(); print('held', flush=True)\n"
                  "wire.serve(Told())")
        for end in (lambda child: child.process.stdin.close(), lambda child: child.process.send_signal(signal.SIGTERM)):
            with tempfile.TemporaryFile() as log:
                child = Child([sys.executable, "-c", script], {}, log)
                child.ask("reset", task="pick-and-place", seed=0, pool="training")
                child.ask("step", {"action": robot_template.HOME.astype(np.float32)})
                end(child)
                child.process.wait(10)
                log.seek(0)
                self.assertIn(b"held", log.read())
                child.process.stdout.close()


if __name__ == "__main__":
    unittest.main()
