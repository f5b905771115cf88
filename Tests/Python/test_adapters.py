"""The adapters that need no simulator, and the wire they share: spoken to as their parent does."""
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTERS = os.path.join(ROOT, "Sources", "Environments", "adapters")
sys.path[:0] = [ADAPTERS, os.path.join(ROOT, "Tests", "Simulators")]
import robot_template
import serve_robocasa
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
            _, action = child.ask("teleoperate")
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
                child.process.stdin.close()
                child.process.stdout.close()


class Kitchen:
    """What the adapter uses of a kitchen: its scene and the robot's place come from `rng` alone."""

    # Where a controller has its parts differs between versions of robosuite.
    places = {"right": (0, 6), "torso": (6, 7), "base": (7, 10), "right_gripper": (10, 11)}

    def __init__(self, name, **arguments):
        self.name, self.arguments, self.taken = name, arguments, []
        gripper = types.SimpleNamespace(current_action=np.zeros(2), dof=1, format_action=lambda action: None)
        self.robots = [types.SimpleNamespace(
            gripper={"right": gripper}, composite_controller=types.SimpleNamespace(_action_split_indexes=self.places))]
        self.sim = types.SimpleNamespace(
            model=types.SimpleNamespace(camera_names=["robot0_eye_in_hand"], get_xml=lambda: "<mujoco/>"),
            get_state=lambda: self.state, set_state_from_flattened=lambda values: setattr(self, "state", values.copy()),
            forward=lambda: None, reset=lambda: None)
        self.described, self.loaded = None, []

    def reset(self):
        self.state, self.scene = self.rng.normal(size=21), self.rng.integers(0, 12, 2)
        return self._get_observations(force_update=True)

    def set_ep_meta(self, meta):
        self.described = meta

    def update_state(self):
        self.updates = getattr(self, "updates", 0) + 1

    def edit_model_xml(self, model):
        return model + " edited"

    def reset_from_xml_string(self, model):
        self.loaded.append(model)

    def get_ep_meta(self):
        things = [{"name": "distractor", "info": {"cat": "mug"}}, {"name": "obj", "info": {"cat": "apple"}}]
        return {"lang": "pick the apple", "layout_id": self.scene[0], "style_id": self.scene[1], "object_cfgs": things}

    def step(self, action):
        self.taken.append(action)
        return self._get_observations(force_update=False), 0, False, {}

    def _check_success(self):
        return len(self.taken) == 2

    def _get_observations(self, force_update):
        return {key: np.resize(self.state, width) for key, (width, *_) in serve_robocasa.VECTORS.items()}


class RoboCasaTests(unittest.TestCase):
    def begin(self, version, assets=True, kitchen=Kitchen, **options):
        """The adapter after its hello, with modules that look like RoboCasa's of a version."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        if assets:
            for name in ("textures/wood", "objects/objaverse/apple"):
                os.makedirs(os.path.join(folder, "models", "assets", name))
        task = dict(horizon=500, human_path="v0.1/single_stage/kitchen_pnp/PnPCounterToCab/2024-04-24")
        registry = types.ModuleType("dataset_registry")
        if version.startswith("0"):
            registry.SINGLE_STAGE_TASK_DATASETS = {"PnPCounterToCab": task, "OpenDrawer": {**task, "human_path": "x/kitchen_drawer/y"}}
            registry.MULTI_STAGE_TASK_DATASETS = {"PrepareCoffee": {"horizon": 1000}}
        else:
            registry.ATOMIC_TASK_DATASETS = {"PickPlaceCounterToCabinet": {"horizon": 750}, "OpenDrawer": {"horizon": 450}}
        robocasa, utils = types.ModuleType("robocasa"), types.ModuleType("utils")
        robocasa.__path__, robocasa.__version__, robocasa.utils, utils.dataset_registry = [folder], version, utils, registry
        robosuite, controllers = types.ModuleType("robosuite"), types.ModuleType("controllers")
        robosuite.make, controllers.load_composite_controller_config = kitchen, lambda controller, robot: {"robot": robot}
        self.enterContext(mock.patch.dict(sys.modules, {
            "robocasa": robocasa, "robocasa.utils": utils, "robocasa.utils.dataset_registry": registry,
            "robosuite": robosuite, "robosuite.controllers": controllers}))
        adapter = serve_robocasa.RoboCasa()
        return adapter, adapter.hello({"cameras": [], **options})

    def test_scenes_of_the_protocol(self):
        adapter, hello = self.begin("0.2.0", robot="PandaMobile")
        self.assertEqual([dimension["name"] for dimension in hello["action"]["dimensions"]][6:],
                         ["gripper", "base_x", "base_y", "base_yaw", "torso", "mode"])
        self.assertIn({"name": "PnPCounterToCab", "group": "pick-place", "horizon": 500}, hello["tasks"])
        self.assertIn({"name": "PrepareCoffee", "group": "composite", "horizon": 1000}, hello["tasks"])
        seen, answer = adapter.reset("PnPCounterToCab", 1, "evaluation")
        self.assertEqual(set(seen), set(hello["observations"]["vectors"]))
        self.assertEqual(answer["scene"]["object"], "apple")
        self.assertEqual(adapter.world.arguments["layout_and_style_ids"], [[1, 1], [2, 2], [4, 4], [6, 9], [7, 10]])
        self.assertEqual(adapter.world.arguments["obj_instance_split"], "B")
        self.assertEqual(adapter.world.arguments["robots"], "PandaOmron")
        kitchen = adapter.world
        adapter.reset("PnPCounterToCab", 2, "evaluation")
        self.assertIs(adapter.world, kitchen)
        adapter.reset("PnPCounterToCab", 2, "training")
        self.assertEqual(adapter.world.arguments["obj_instance_split"], "A")
        self.assertNotIn(9, adapter.world.arguments["style_ids"])
        self.assertNotIn(10, adapter.world.arguments["style_ids"])

    def test_recorded_states_are_seen_in_their_own_kitchen(self):
        adapter, hello = self.begin("0.2.0")
        self.assertIn("observe", hello["capabilities"])
        server = wire._Server(adapter, None, None)

        def observe(state, **demonstration):
            arrays = {"state": state}
            if demonstration:
                arrays["model"] = np.frombuffer(demonstration.pop("model").encode(), np.uint8)
            return server.call({"call": "observe", "task": "OpenDrawer", "seed": 0, **demonstration}, arrays)

        state = np.arange(21.0)
        answer, seen = observe(state, model="<drawers/>", metadata={"lang": "open it", "layout_id": 3})
        kitchen = adapter.world
        self.assertEqual((answer, kitchen.described["layout_id"], kitchen.loaded), ({"instruction": "open it"}, 3, ["<drawers/> edited"]))
        np.testing.assert_array_equal(seen["obs/robot0_base_pos"], state[:3])
        # The hand's last command, which ours have at their end, is nothing to see.
        _, seen = observe(np.append(state + 1, [0, 0]))
        # Water runs in the states in which the handle is turned.
        self.assertEqual(kitchen.updates, 2)
        np.testing.assert_array_equal(seen["obs/robot0_base_pos"], state[:3] + 1)
        self.assertIs(adapter.world, kitchen)
        with self.assertRaisesRegex(wire.Problem, "a state has 20 values, the demonstration's model 21"):
            observe(state[:20])
        observe(state, model="", metadata={})
        self.assertEqual((adapter.world.described, len(kitchen.loaded)), ({}, 1))
        observe(state, model="", metadata={"lang": "open it"})
        adapter.reset("OpenDrawer", 0, "training")
        self.assertEqual((adapter.world, adapter.world.described), (kitchen, {}))

    def test_bases_turn_as_their_quaternions(self):
        adapter, _ = self.begin("0.2.0")
        half = np.sqrt(0.5)
        for quaternion, turned in (([0, 0, half, half], [0, 1, 0]), ([0, half, 0, half], [0, 0, -1]), ([half, 0, 0, half], [1, 0, 0])):
            adapter.seen = {"robot0_base_quat": quaternion, "robot0_base_pos": np.zeros(3)}
            np.testing.assert_allclose(adapter.base()[1] @ [1, 0, 0], turned, atol=1e-12)

    def test_a_seed_is_an_episode(self):
        adapter, _ = self.begin("0.2.0")
        first, other, again = (adapter.reset("OpenDrawer", seed, "evaluation") for seed in (3, 4, 3))
        np.testing.assert_array_equal(first[0]["robot0_base_pos"], again[0]["robot0_base_pos"])
        self.assertEqual(wire.plain(first[1]), wire.plain(again[1]))
        self.assertNotEqual(list(first[0]["robot0_base_pos"]), list(other[0]["robot0_base_pos"]))

    def test_actions_go_to_the_parts_by_name(self):
        action = np.arange(1.0, 13)
        adapter, _ = self.begin("1.0.1")
        adapter.reset("PnPCounterToCab", 0, "evaluation")
        self.assertEqual(adapter.world.name, "PickPlaceCounterToCabinet")
        self.assertEqual(adapter.world.arguments["obj_instance_split"], "target")
        _, answer = adapter.step(action)
        self.assertFalse(answer["success"])
        self.assertEqual(list(adapter.world.taken[0]), [1, 2, 3, 4, 5, 6, 11, 8, 9, 10, 7, 12])
        _, answer = adapter.step(action)
        self.assertEqual((answer["success"], answer["reward"]), (True, 1.0))
        with self.assertRaisesRegex(wire.Problem, "12 values"):
            adapter.step(np.zeros(7))
        in_order = type("InOrder", (Kitchen,), {
            "places": {"right": (0, 6), "right_gripper": (6, 7), "base": (7, 10), "torso": (10, 11)}})
        adapter, hello = self.begin("0.2.0", kitchen=in_order, dimensions=7)
        self.assertEqual(len(hello["action"]["dimensions"]), 7)
        adapter.reset("OpenDrawer", 0, "evaluation")
        adapter.step(action[:7])
        self.assertEqual(list(adapter.world.taken[0]), [1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, -1])

    def test_states(self):
        adapter, _ = self.begin("0.2.0")
        seen, _ = adapter.reset("OpenDrawer", 5, "evaluation")
        adapter.robot.gripper["right"].current_action = np.array([0.5, -0.5])
        state = adapter.state()
        adapter.reset("OpenDrawer", 6, "evaluation")
        back, _ = adapter.restore("OpenDrawer", 5, "evaluation", state)
        np.testing.assert_array_equal(seen["robot0_joint_pos"], back["robot0_joint_pos"])
        np.testing.assert_array_equal(adapter.robot.gripper["right"].current_action, [0.5, -0.5])

    def test_says_what_is_missing(self):
        with self.assertRaisesRegex(wire.Problem, "assets are not there .*download_kitchen_assets$") as raised:
            self.begin("1.0.1", assets=False)
        self.assertEqual(raised.exception.kind, "missing")
        with self.assertRaisesRegex(wire.Problem, "no version of RoboCasa '2'; there are 0, 1"):
            self.begin("2.0")
        with self.assertRaisesRegex(wire.Problem, "no task 'OpenSingleDoor'"):
            self.begin("1.0.1", tasks=["OpenSingleDoor"])
        with mock.patch.dict(sys.modules, {"robocasa": None}):
            with self.assertRaisesRegex(wire.Problem, "not usable .*: type  git clone .*numpy==2.2.5.*download_kitchen_assets") as raised:
                serve_robocasa.RoboCasa().hello({"cameras": []})
        self.assertEqual(raised.exception.kind, "missing")


if __name__ == "__main__":
    unittest.main()
