"""The program that exported packages bring, with made-up graphs in ONNX Runtime's place. `./run peers onnx` runs it with real ones."""
import hashlib
import importlib.util
import json
import pathlib
import sys
import tempfile
import types
import unittest

import numpy as np
from safetensors.numpy import save_file

PROGRAM = pathlib.Path(__file__).parents[2] / "Sources/Export/package/run_policy.py"
SAMPLING = {"kind": "mixture", "mode": "best", "std": 0.5}


class Source:
    def __init__(self, name, shape, kind="tensor(float)"):
        self.name, self.shape, self.type = name, shape, kind


class Encoder:
    """Hands on what it is given."""

    seen = []

    def get_inputs(self):
        return [Source("cam", ["batch", 2, 4, 5, 3], "tensor(uint8)"), Source("p", ["batch", 2, 3]), Source("instruction", ["batch", 3])]

    def get_outputs(self):
        return [Source("features", ["batch", 2, 3])]

    def run(self, names, inputs):
        Encoder.seen.append(inputs)
        return [inputs["p"]]


class Head:
    """Two components; the second is the heavier one, and its actions count the predictions: 100 of the first, 200 of the second."""

    facts = {}

    def get_inputs(self):
        return [Source("features", ["batch", 2, 3])]

    def get_modelmeta(self):
        return types.SimpleNamespace(custom_metadata_map={key: json.dumps(value) for key, value in Head.facts.items()})

    def run(self, names, inputs):
        steps = np.arange(3, dtype=np.float32)[:, None, None] + np.zeros((3, 2, 7), np.float32)
        means = steps + 100 * len(Encoder.seen) + np.float32([[[-1000]], [[0]]])[:, 0]
        means[:, :, 1:] = [1, 0, 0, 0, 0, 1]
        return [means[None, :, 1], means[None], means[None], np.float32([[[0.2, 0.8]] * 3])]


class RunPolicyTests(unittest.TestCase):
    def setUp(self):
        Encoder.seen, self.rows, self.options = [], {}, []
        runtime = types.ModuleType("onnxruntime")
        runtime.SessionOptions = lambda: types.SimpleNamespace(add_session_config_entry=lambda *option: self.options.append(option))
        runtime.InferenceSession = lambda path, options: Encoder() if path.name == "encoder.onnx" else Head()
        sys.modules["onnxruntime"] = runtime
        self.addCleanup(sys.modules.pop, "onnxruntime")
        specification = importlib.util.spec_from_file_location("run_policy", PROGRAM)
        self.module = importlib.util.module_from_spec(specification)
        sys.dont_write_bytecode = True
        specification.loader.exec_module(self.module)
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        Head.facts = {"action_scale": [2.0] + [1e-9] * 6, "action_offset": [0.0] * 7, "sampling": SAMPLING,
                      "layout": {"learned": [0, 2, 3, 4], "template": [0, 7, 0, 0, 0], "rotations": [2]}}

    def package(self, ensemble=None, actions=None, draws=21):
        """A package whose golden actions are those of the first prediction, all its random numbers 0."""
        Encoder.seen = []
        about = {"observation": {"steps": 2}, "action": {"executed": 2, "ensemble": ensemble}, "vocabulary": ["dr\u00e4wer", "open"]}
        (self.folder / "policy.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        golden = np.zeros((3, 7), np.float32)
        golden[:, 0], golden[:, 1], golden[:, 6] = [100, 101, 102], 1, 1
        save_file({"image/cam": np.full((2, 4, 5, 3), 9, np.float32), "vector/p": np.ones((2, 3), np.float32),
                   "draws": np.zeros(draws, np.float32) if isinstance(draws, int) else draws, "graph_actions": golden if actions is None else actions, "actions": golden},
                  self.folder / "golden.safetensors", metadata={"instruction": "open", "seed": "1"})
        save_file({"w": np.zeros(1, np.float32), **self.rows}, self.folder / "weights.safetensors")
        for name in ("encoder.onnx", "head.onnx", "README.md", "run_policy.py"):
            (self.folder / name).write_bytes(b"graph")
        names = sorted(path.name for path in self.folder.iterdir() if path.name != "SHA256SUMS")
        (self.folder / "SHA256SUMS").write_text(
            "".join(f"{hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names))
        return self.module.Policy(self.folder)

    def observation(self, value=1.0):
        return {"cam": np.full((4, 5, 3), 7, np.uint8), "p": [value] * 3, "more": 1}

    def still(self, policy):
        policy.random = types.SimpleNamespace(normal=lambda size: np.zeros(size), uniform=None)

    def test_history_chunks_and_columns(self):
        policy = self.package()
        self.still(policy)
        Encoder.seen = []
        actions = [policy.act(self.observation(value), "Open the DR\u00c4WER!") for value in (1, 2, 3)]
        # Two of three predicted actions are carried out; the column that is not learned is constant; the rows (1, 0, 0) and (0, 0, 1)
        # are a quarter of a turn.
        np.testing.assert_allclose(actions, [[first, 7, -np.pi / 2, 0, 0] for first in (100, 101, 200)], atol=1e-6)
        # The first frame stands for the one before it; then both are seen.
        self.assertEqual([seen["p"][0, :, 0].tolist() for seen in Encoder.seen], [[1, 1], [2, 3]])
        np.testing.assert_allclose(Encoder.seen[0]["instruction"], [[1 / 3, 1 / 3, 1 / 3]])
        self.assertIn(("session.disable_quant_qdq", "1"), self.options)
        # However they are written; what has no word is a word that nobody knows; Hindi's marks are parts of words.
        for text, expected in (("dra\u0308wer", [0, 1, 0]), ("  !", [1, 0, 0]), ("", [1, 0, 0]),
                               ("\u092a\u093e\u0928\u0940 open", [0.5, 0, 0.5]), ("open_open 7", [1 / 3, 0, 2 / 3])):
            np.testing.assert_allclose(policy.words(text), expected, err_msg=text)

    def test_tables(self):
        self.rows = {"attached/instructions/open": np.float32([[0.5, 0.25, 0]]), "attached/instructions/shut": np.float32([1, 2, 3])}
        policy = self.package()
        np.testing.assert_allclose(Encoder.seen[-1]["instruction"], [[0.5, 0.25, 0]])
        policy.act(self.observation(), "shut")
        np.testing.assert_allclose(Encoder.seen[-1]["instruction"], [[1, 2, 3]])
        with self.assertRaisesRegex(ValueError, "no embedding of the instruction 'close'"):
            policy.act(self.observation(), "close")

    def test_seeds(self):
        policy = self.package()

        def drawn(seed):
            policy.reset(seed)
            Encoder.seen = []
            return policy.act(self.observation(), "open")[0]

        self.assertEqual(drawn(3), drawn(3))
        self.assertNotEqual(drawn(3), drawn(4))
        self.assertEqual(Encoder.seen[0]["cam"].dtype, np.uint8)

    def test_noise_is_scaled(self):
        policy = self.package()
        policy.random = types.SimpleNamespace(normal=lambda size: np.ones(size), uniform=None)
        Encoder.seen = []
        self.assertAlmostEqual(policy.act(self.observation(), "open")[0], 100 + 0.5 * 2, places=5)

    def test_components_by_their_shares(self):
        Head.facts["sampling"] = {**SAMPLING, "mode": "sample"}
        golden = np.zeros((3, 7), np.float32)
        golden[:, 0], golden[:, 1], golden[:, 6] = [-900, -899, -898], 1, 1
        # A uniform number before the seven normal ones of each step, all 0 here: the first component.
        policy = self.package(actions=golden, draws=24)
        for drawn, expected in ((0.19, -900), (0.21, 100)):
            policy.reset()
            policy.random = types.SimpleNamespace(normal=lambda size: np.zeros(size), uniform=lambda size: drawn)
            Encoder.seen = []
            self.assertAlmostEqual(policy.act(self.observation(), "open")[0], expected, places=4)
        # Rounding may leave the sum of shares a little below the draw: then it is the last.
        policy.reset()
        policy.random = types.SimpleNamespace(normal=lambda size: np.zeros(size), uniform=lambda size: 1.5)
        Encoder.seen = []
        self.assertAlmostEqual(policy.act(self.observation(), "open")[0], 100, places=4)

    def test_ensemble(self):
        policy = self.package(ensemble=0.1)
        self.still(policy)
        Encoder.seen = []
        actions = [policy.act(self.observation(), "open")[0] for _ in range(5)]
        # The third is the mean of the first prediction's third and the second's first, the older one heavier; the fourth and the fifth
        # are after the end of the first.
        older, newer = 1, np.exp(-0.1)
        both = [(102 * older + 200 * newer) / (older + newer), 201, (202 * older + 300 * newer) / (older + newer)]
        np.testing.assert_allclose(actions, [100, 101, *both], rtol=1e-6)

    def test_walk(self):
        """DDIM of two steps, as numbers: clean = 2 x - out, clipped, and x' = 0.5 clean + 0.25 x + 0.75 out + 0.1 noise."""
        Head.facts |= {"sampling": {"kind": "ddim", "clip": True, "first_action": 1, "walk": [[5, 2, -1, 0.5, 0.25, 0.75, 0.1], [0, 2, -1, 0.5, 0.25, 0.75, 0]]},
                       "action_scale": [3.0], "action_offset": [1.0], "layout": {"learned": [0], "template": [0], "rotations": []}}
        Head.get_inputs = lambda self: [Source("features", None), Source("noisy_actions", ["batch", 2, 1]), Source("step", ["batch"])]
        steps, before = [], Head.run
        Head.run = lambda self, names, inputs: [steps.append(inputs["step"][0]) or inputs["noisy_actions"] * 0 + 0.25]
        self.addCleanup(setattr, Head, "run", before)
        self.addCleanup(setattr, Head, "get_inputs", lambda self: [Source("features", ["batch", 2, 3])])
        x = 0.4
        for noise in (-2, 0):
            x = 0.5 * np.clip(2 * x - 0.25, -1, 1) + 0.25 * x + 0.75 * 0.25 + 0.1 * noise
        golden = np.float32([[x * 3 + 1]])
        # With the noise that it was made with, which is that of the second action, the first being of the past.
        self.package(actions=golden, draws=np.float32([0, 0.4, 0, -2]))
        self.assertEqual(steps, [5, 0])
        with self.assertRaisesRegex(ValueError, "differ"):
            self.package(actions=golden, draws=np.float32([0, 0.4, 0, -1]))

    def test_what_does_not_fit_is_refused(self):
        policy = self.package()
        for change in ({"cam": None}, {"p": [1, 2]}, {"p": [1, 2, np.nan]}, {"p": [1, 2, np.inf]}, {"p": [1, 2, 1e60]}, {"cam": np.full((4, 5, 3), 0.5)},
                       {"cam": np.full((4, 5, 3), 256)}, {"cam": np.full((4, 5, 3), -1)}, {"cam": np.zeros((3, 4, 5))}):
            key, value = next(iter(change.items()))
            seen = {k: v for k, v in {**self.observation(), **change}.items() if v is not None}
            with self.assertRaisesRegex(ValueError, f"the policy needs '{key}'"):
                policy.act(seen, "open")
        (self.folder / "weights.safetensors").write_bytes(b"other")
        with self.assertRaisesRegex(ValueError, "weights.safetensors: missing or damaged"):
            self.module.Policy(self.folder)
        with self.assertRaisesRegex(ValueError, "differ"):
            self.package(actions=np.zeros((3, 7), np.float32))
        # A list that lacks a file, as of an aborted copy.
        self.package()
        sums = self.folder / "SHA256SUMS"
        sums.write_text("".join(line for line in sums.read_text().splitlines(True) if "policy.json" not in line))
        with self.assertRaisesRegex(ValueError, "policy.json: missing or damaged"):
            self.module.Policy(self.folder)

    def test_actions_that_are_no_numbers_are_refused(self):
        policy = self.package()
        self.still(policy)
        policy.scale = np.float32([np.inf] * 7)
        with np.errstate(invalid="ignore"), self.assertRaisesRegex(ValueError, "not a number"):
            policy.act(self.observation(), "open")

    def test_rotations(self):
        random = np.random.default_rng(0)
        for angle in (0, 1e-9, 1e-6, 1e-3, 0.1, 1, 3, np.pi - 1e-3, np.pi - 1e-6):
            for _ in range(50):
                axis = random.normal(size=3)
                axis /= np.linalg.norm(axis)
                rows = matrix(axis * angle)[:2]
                rows = np.stack([rows[0] * 1.7, rows[1] * 0.6 + rows[0] * 0.3])
                np.testing.assert_allclose(matrix(self.module.axis_angle(rows.ravel())), matrix(axis * angle), atol=1e-12)


def matrix(vector):
    """Rodrigues."""
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


if __name__ == "__main__":
    unittest.main()
