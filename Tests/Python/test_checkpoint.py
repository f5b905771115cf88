"""Checkpoints of robomimic and diffusion_policy: what is written is what they hold, what cannot be is refused by name.

Most tests run with a stand-in for PyTorch, whose tensors are numpy's; those of PyTorch itself need it.
"""
import importlib.util
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import unittest

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from support import CHECKPOINT, ToolTests

spec = importlib.util.spec_from_file_location("checkpoint_to_safetensors", CHECKPOINT)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

STAND_IN = '''
import pickle
def load(path, map_location, pickle_module, weights_only):
    with open(path, "rb") as file:
        return pickle.load(file)
'''


def weights(prefix="policy.nets."):
    return {f"{prefix}a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), f"{prefix}a.bias": np.ones(2, np.float32),
            f"{prefix}steps": np.array(7)}


def robomimic(**changes):
    """A checkpoint as robomimic 0.3 and 0.4 write it."""
    return {
        "model": weights(), "algo_name": "bc", "config": json.dumps({"algo_name": "bc", "train": {}}),
        "env_metadata": {"env_name": "Lift"},
        "shape_metadata": {"all_shapes": {"cam_image": [3, 4, 4], "pos": [2]}, "ac_dim": 7}, **changes,
    }


def diffusion(**changes):
    return {
        "cfg": {"shape_meta": {"obs": {"image": {"shape": [3, 4, 4], "type": "rgb"}, "pos": {"shape": [2]}}},
                "policy": {"_target_": "diffusion_policy.policy.Unet"}},
        "state_dicts": {"model": weights("model."), "ema_model": {k: v + 1 for k, v in weights("model.").items()},
                        "optimizer": {"state": {}, "param_groups": []}},
        "pickles": {"epoch": b"..."}, **changes,
    }


OLD_STATS = {"pos": {"mean": [[1.0, 2.0]], "std": [[0.5, 4.0]]},
             "cam_image": {"mean": np.full((1, 3, 4, 4), 0.5).tolist(), "std": np.full((1, 3, 4, 4), 0.25)}}
NEW_STATS = {"pos": {"offset": [[1.0, 2.0]], "scale": [[0.5, 4.0]]},
             "cam_image": {"offset": np.full((1, 3, 4, 4), 0.5).tolist(), "scale": np.full((1, 3, 4, 4), 0.25)}}


class Conversion(unittest.TestCase):
    """`convert`, without files."""

    def check(self, found, expected):
        self.assertEqual(set(found), set(expected))
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)

    def refused(self, checkpoint, *says):
        with self.assertRaises(tool.Refused) as caught:
            tool.convert(checkpoint)
        for words in says:
            self.assertIn(words, str(caught.exception))

    def test_robomimic(self):
        found, metadata = tool.convert(robomimic())
        self.check(found, weights())
        self.assertEqual(json.loads(metadata["observations"]),
                         [{"key": "cam_image", "shape": [3, 4, 4]}, {"key": "pos", "shape": [2]}])
        self.assertEqual(metadata["algorithm"], "bc")
        self.assertNotIn("version", metadata)
        self.assertEqual(tool.convert(robomimic(version="0.4.1"))[1]["version"], "0.4.1")

    def test_networks_beside_optimizers(self):
        """robomimic 0.5."""
        model = {"nets": weights(), "optimizers": {"policy": {"state": {}}}, "lr_schedulers": {"policy": None}}
        found, metadata = tool.convert(robomimic(model=model, variable_state={"epoch": 3}))
        self.check(found, weights())
        self.assertEqual(metadata["weights"], "nets")

    def test_averaged_networks(self):
        averaged = {name: value * 2 for name, value in weights().items()}
        for ema, expected in ((averaged, averaged), (None, weights())):
            found, _ = tool.convert(robomimic(model={"nets": weights(), "ema": ema}))
            self.check(found, expected)

    def test_prefixes_of_wrappers(self):
        for place in ("module.policy.nets.", "_orig_mod.policy.nets.", "policy._orig_mod.nets.",
                      "policy.nets.module._orig_mod."):
            with self.subTest(place):
                self.check(tool.convert(robomimic(model=weights(place)))[0], weights())
        self.refused(robomimic(model={**weights(), **weights("module.policy.nets.")}), "twice")

    def test_statistics_of_observations(self):
        for stats in (OLD_STATS, NEW_STATS):
            found, _ = tool.convert(robomimic(obs_normalization_stats=stats))
            self.check(found, {**weights(), "obs_normalization.pos.offset": [1, 2], "obs_normalization.pos.scale": [0.5, 4],
                               "obs_normalization.cam_image.offset": [0.5] * 48,
                               "obs_normalization.cam_image.scale": [0.25] * 48})

    def test_statistics_of_actions(self):
        stats = {"offset": [[0.0] * 3], "scale": [[2.0, 3.0, 4.0]]}
        for key in ("actions", "actions_abs"):
            found, _ = tool.convert(robomimic(action_normalization_stats={key: stats}))
            self.check(found, {**weights(), "action_normalization.offset": [0, 0, 0], "action_normalization.scale": [2, 3, 4]})

    def test_actions_of_several_parts(self):
        """In the order of the configuration, not of the statistics."""
        stats = {"rot": {"offset": [[1.0]], "scale": [[2.0]]}, "pos": {"offset": [[3.0, 4.0]], "scale": [[5.0, 6.0]]}}
        config = {"train": {"action_keys": ["pos", "rot"], "action_config": {"rot": {"format": None}}}}
        found, _ = tool.convert(robomimic(action_normalization_stats=stats, config=json.dumps(config)))
        np.testing.assert_array_equal(found["action_normalization.offset"], [3, 4, 1])
        np.testing.assert_array_equal(found["action_normalization.scale"], [5, 6, 2])
        self.refused(robomimic(action_normalization_stats=stats), "action_normalization_stats has rot, pos", "none")
        config["train"]["action_config"]["rot"]["format"] = "rot_6d"
        self.refused(robomimic(action_normalization_stats=stats, config=json.dumps(config)), "action rot")

    def test_diffusion_policy(self):
        found, metadata = tool.convert(diffusion())
        self.check(found, {name: value + 1 for name, value in weights("model.").items()})
        self.assertEqual(metadata["weights"], "ema_model")
        self.assertEqual(metadata["algorithm"], "diffusion_policy.policy.Unet")
        self.assertEqual(json.loads(metadata["observations"])[0], {"key": "image", "shape": [3, 4, 4]})
        plain = diffusion(cfg={"obs_dim": 20}, state_dicts={"model": weights("model.")})
        found, metadata = tool.convert(plain)
        self.check(found, weights("model."))
        self.assertEqual(json.loads(metadata["observations"]), [{"key": "obs", "shape": [20]}])

    def test_settings_that_weights_do_not_show(self):
        rgb = {"obs_randomizer_class": "CropRandomizer", "obs_randomizer_kwargs": {"crop_height": 76, "crop_width": 76}}
        config = {"algo": {"transformer": {"num_heads": 8}, "gmm": {"enabled": True, "low_noise_eval": True}},
                  "observation": {"encoder": {"rgb": rgb}}}

        def settings(checkpoint):
            return {key: json.loads(value) for key, value in json.loads(tool.convert(checkpoint)[1]["settings"]).items()}

        expected = {"policy.heads": 8, "policy.pred_future_actions": False, "encoder.crop": 76}
        self.assertEqual(settings(robomimic(config=json.dumps(config))), expected)
        config["algo"]["transformer"]["pred_future_acs"] = True
        self.assertIs(settings(robomimic(config=json.dumps(config)))["policy.pred_future_actions"], True)
        blind = robomimic(config=json.dumps(config), shape_metadata={"all_shapes": {"pos": [2]}})
        self.assertNotIn("encoder.crop", settings(blind))
        self.assertEqual(settings(robomimic()), {})
        whole = {**config, "observation": {}}
        self.assertEqual(settings(robomimic(config=json.dumps(whole)))["encoder.crop"], None)
        several = {"obs_randomizer_class": ["ColorRandomizer", "CropRandomizer"],
                   "obs_randomizer_kwargs": [{}, rgb["obs_randomizer_kwargs"]]}
        listed = {**config, "observation": {"encoder": {"rgb": several}}}
        self.assertEqual(settings(robomimic(config=json.dumps(listed)))["encoder.crop"], 76)
        del several["obs_randomizer_kwargs"][1]
        self.refused(robomimic(config=json.dumps(listed)), "[None, None], not to squares")
        several["obs_randomizer_class"][0] = "Mirror"
        self.refused(robomimic(config=json.dumps(listed)), "obs_randomizer_class is Mirror")
        rgb["obs_randomizer_kwargs"]["crop_width"] = 70
        self.refused(robomimic(config=json.dumps(config)), "obs_randomizer_kwargs", "not to squares")
        config["algo"]["gmm"]["low_noise_eval"] = False
        self.refused(robomimic(config=json.dumps(config)), "low_noise_eval")
        scheduler = {"num_train_timesteps": 50, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "epsilon",
                     "clip_sample": False}
        cfg = {**diffusion()["cfg"], "policy": {"noise_scheduler": scheduler, "crop_shape": [84, 84], "n_head": 4}}
        self.assertEqual(settings(diffusion(cfg=cfg)), {
            "policy.heads": 4, "policy.timesteps": 50, "policy.schedule": "squared_cosine",
            "policy.prediction": "epsilon", "policy.clip_sample": False, "encoder.crop": 84})
        cfg["policy"]["crop_shape"] = None
        self.assertIsNone(settings(diffusion(cfg=cfg))["encoder.crop"])
        del cfg["policy"]["crop_shape"]
        self.assertNotIn("encoder.crop", settings(diffusion(cfg=cfg)))
        scheduler["beta_schedule"] = "scaled_linear"
        self.refused(diffusion(cfg=cfg), "beta_schedule is scaled_linear")

    def test_what_would_be_lost(self):
        model = {"nets": weights(), "optimizers": {}, "value": weights()}
        for checkpoint, *says in [
            (robomimic(lora={}), "the checkpoint has lora"), (robomimic(model=model), "model has value"),
            (robomimic(model={"planner": weights(), "actor": weights()}), "model.planner", "type dict"),
            (robomimic(model={**weights(), "scale": 3.0}), "model.scale is a value of type float"),
            (robomimic(model={**weights(), "x._extra_state": {"amax": 1}}), "model.x._extra_state"),
            (robomimic(model={**weights(), "z": np.ones(2, np.complex64)}), "model.z", "complex64"),
            (robomimic(model={}), "no tensors"), (robomimic(model=None), "model is missing"),
            (robomimic(model=[1]), "model is a value of type list"),
            (diffusion(extra=1), "the checkpoint has extra"),
            (diffusion(state_dicts={"model": weights(), "encoder": weights()}), "state_dicts has encoder"),
            (diffusion(state_dicts={"optimizer": {}}), "model is missing"), (diffusion(cfg=None), "cfg is missing"),
            (diffusion(cfg={}), "neither shape_meta.obs nor obs_dim"),
            (diffusion(cfg={"shape_meta": {"obs": {"image": {}}}}), "shape_meta.obs.image is no shape"),
            (robomimic(shape_metadata={}), "all_shapes is missing"),
            (robomimic(shape_metadata={"all_shapes": {"pos": [0]}}), "all_shapes.pos is no shape"),
            (robomimic(shape_metadata={"all_shapes": {"pos": "2"}}), "all_shapes.pos is no shape"),
            (robomimic(config="{"), "config is not JSON"),
            ({"model": weights()}, "neither robomimic's", "it has model"), ({}, "it has nothing"),
            ({"state_dict": weights()}, "it has state_dict"), ([1], "type list"), (weights(), "it has policy.nets.a.weight"),
        ]:
            with self.subTest(says=says):
                self.refused(checkpoint, *says)
        self.check(tool.convert(robomimic(model={**weights(), "x._extra_state": None}))[0], weights())

    def test_statistics_that_are_none(self):
        good = NEW_STATS["pos"]
        for name, stats, *says in [
            ("obs", {"pos": good}, "has pos, but nothing about cam_image"),
            ("obs", {**NEW_STATS, "eef": good}, "obs_normalization_stats.eef"),
            ("obs", {**NEW_STATS, "pos": {"min": [0], "max": [1]}}, "pos has min, max"),
            ("obs", {**NEW_STATS, "pos": {**good, "mean": [1]}}, "pos has offset, scale, mean"),
            ("obs", {**NEW_STATS, "pos": {"offset": [1, 2, 3], "scale": [1, 2, 3]}}, "3 values for the shape [2]"),
            ("obs", {**NEW_STATS, "pos": {"offset": [1, 2], "scale": [1]}}, "2 and 1 values"),
            ("obs", {**NEW_STATS, "pos": {"offset": [1, 2], "scale": [1, 0]}}, "a scale of 0"),
            ("obs", {**NEW_STATS, "pos": {"offset": [1, float("nan")], "scale": [1, 1]}}, "no number"),
            ("obs", {**NEW_STATS, "pos": {"offset": ["a", "b"], "scale": [1, 1]}}, "pos.offset", "type str"),
            ("obs", {**NEW_STATS, "pos": [1]}, "pos is a value of type list"),
            ("obs", [1], "obs_normalization_stats is a value of type list"),
            ("action", {"actions": {"min": [0], "max": [1]}}, "actions has min, max"),
        ]:
            with self.subTest(says=says):
                self.refused(robomimic(**{f"{name}_normalization_stats": stats}), *says)


class Files(ToolTests):
    """The command, with the stand-in."""

    tool = CHECKPOINT

    def setUp(self):
        super().setUp()
        os.mkdir(f"{self.folder}/torch")
        with open(f"{self.folder}/torch/__init__.py", "w") as file:
            file.write(STAND_IN)
        self.environment = {**os.environ, "PYTHONPATH": self.folder}
        self.source, self.path = self.write(robomimic(obs_normalization_stats=OLD_STATS)), f"{self.out}/w.safetensors"

    def write(self, checkpoint, name="model.pth"):
        with open(f"{self.folder}/{name}", "wb") as file:
            pickle.dump(checkpoint, file)
        return f"{self.folder}/{name}"

    def fails(self, *arguments, says=(), **options):
        return super().fails(*arguments, says=("checkpoint_to_safetensors: ", *says),
                             **{"env": self.environment, **options})

    def test_what_is_written(self):
        done = self.succeeds(self.source, self.path, env=self.environment)
        self.assertEqual(done.stdout, f"{self.path}: 7 tensors of cam_image, pos\n")
        found = load_file(self.path)
        for name, value in weights().items():
            np.testing.assert_array_equal(found[name], value)
            self.assertEqual(found[name].dtype, value.dtype)
        self.assertEqual(found["obs_normalization.pos.scale"].dtype, np.float32)
        np.testing.assert_array_equal(found["obs_normalization.pos.scale"], [0.5, 4])
        with safe_open(self.path, "numpy") as file:
            self.assertEqual(file.metadata()["algorithm"], "bc")

    def test_kinds_of_values(self):
        kinds = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
        model = {f"policy.{kind}": np.arange(6).reshape(2, 3).T.astype(kind) for kind in kinds}
        model["policy.none"] = np.zeros((0, 3), np.float32)
        self.succeeds(self.write(robomimic(model=model)), self.path, env=self.environment)
        found = load_file(self.path)
        for name, value in model.items():
            np.testing.assert_array_equal(found[name], value)
            self.assertEqual(found[name].dtype, value.dtype)

    def test_usage(self):
        for arguments in ([], [self.source], [self.source, self.path, "more"], [self.source, self.path, "--force"],
                          ["", self.path]):
            self.fails(*arguments, says=("usage: python checkpoint_to_safetensors.py CHECKPOINT",))
        self.assertIn("--replace", self.run_tool("--help").stdout)

    def test_files_that_are_something_else(self):
        def file(name, content):
            with open(f"{self.folder}/{name}", "wb") as opened:
                opened.write(content)
            return f"{self.folder}/{name}"

        save_file(weights(), f"{self.folder}/given.safetensors", metadata={"a": "b"})
        os.mkfifo(f"{self.folder}/pipe")
        for source, *says in [
            (f"{self.folder}/nowhere.pth", "nowhere.pth: No such file"), (self.folder, "a folder"),
            (f"{self.folder}/given.safetensors", "is safetensors already"), (f"{self.folder}/pipe", "not an ordinary file"),
            (file("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
            (file("empty", b""), "empty"), (file("text", b"hello"), "not a PyTorch checkpoint"),
            (file("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(99)), "is HDF5"),
            (file("cut", pickle.dumps(robomimic())[:99]), "not a readable checkpoint"),
            (file("zip", b"PK\x03\x04" + bytes(99)), "not a readable checkpoint"),
            (self.write(robomimic(lora={}), "lora.pth"), "lora.pth: the checkpoint has lora"),
            (self.write([1], "list.pth"), "holds a value of type list"),
        ]:
            with self.subTest(says=says):
                self.fails(source, self.path, says=says)

    def test_a_module_that_is_missing(self):
        """The pickle names a class of a package that is not installed here."""
        with open(f"{self.folder}/gone.py", "w") as file:
            file.write("class Config: pass\n")
        script = ("import gone, pickle, sys; config = gone.Config(); "
                  "pickle.dump({'cfg': config}, open(sys.argv[1], 'wb'))")
        subprocess.run([sys.executable, "-c", script, f"{self.folder}/p.ckpt"], env=self.environment, check=True)
        os.remove(f"{self.folder}/gone.py")
        self.fails(f"{self.folder}/p.ckpt", self.path, says=("needs the Python package gone",))

    def test_without_pytorch(self):
        with open(f"{self.folder}/torch/__init__.py", "w") as file:
            file.write("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
        self.fails(self.source, self.path, says=("no Python package torch",))

    def test_an_output_is_not_replaced_unasked(self):
        with open(self.path, "w") as file:
            file.write("precious")
        self.fails(self.source, self.path, says=("w.safetensors: exists; --replace",), left=["w.safetensors"])
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")
        self.fails(self.write([1], "bad.pth"), self.path, "--replace", left=["w.safetensors"])
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")
        self.succeeds(self.source, self.path, "--replace", env=self.environment)
        self.assertEqual(len(load_file(self.path)), 7)

    def test_outputs_that_cannot_be(self):
        os.link(self.source, f"{self.out}/same.pth")
        os.mkdir(f"{self.out}/folder")
        left = ["folder", "same.pth"]
        for output, *says in [
            (self.source, "is the checkpoint itself"), (f"{self.out}/same.pth", "is the checkpoint itself"),
            (f"{self.out}/folder", "not an ordinary file"), ("/dev/null", "not an ordinary file"),
            (f"{self.out}/no/w.safetensors", "no such folder"), (f"{self.out}/", "names no file"),
        ]:
            with self.subTest(output):
                self.fails(self.source, output, "--replace", says=says, left=left)

    def test_a_limit_on_file_sizes(self):
        source = self.write(robomimic(model={"policy.nets.a": np.zeros(100_000)}))
        for limit in (10, 100_000):
            self.fails(source, self.path, says=("w.safetensors: File too large",),
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))

    def test_signals(self):
        """Before the checkpoint is read, and while."""
        with open(f"{self.folder}/torch/__init__.py", "a") as file:
            file.write("\nimport time\ndef load(path, **_):\n    open(path + '.started', 'w').close()\n    time.sleep(60)\n")
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(self.command(self.source, self.path), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, env=self.environment)
            deadline = time.monotonic() + 60
            while not os.path.exists(self.source + ".started") and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(number)
            out, error = process.communicate(timeout=30)
            os.remove(self.source + ".started")
            self.check_failure(subprocess.CompletedProcess([], process.returncode, out, error),
                               says=(f"stopped by {number.name}",))


@unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
class WithPyTorch(ToolTests):
    tool = CHECKPOINT

    def test_tensors(self):
        import torch
        base = torch.arange(24.0).reshape(4, 6)
        model = {"policy.nets.turned": base.T, "policy.nets.shared": base, "policy.nets.slice": base[1:3, 2:],
                 "policy.nets.half": base.half(), "policy.nets.brain": base.bfloat16(), "policy.nets.steps": torch.tensor(7),
                 "policy.nets.flags": base > 3, "policy.nets.parameter": torch.nn.Parameter(base)}
        checkpoint = robomimic(model=model, obs_normalization_stats=NEW_STATS, action_normalization_stats={
            "actions": {"offset": torch.zeros(1, 2), "scale": torch.ones(1, 2) * 3}})
        for legacy in (False, True):
            source, path = f"{self.folder}/{legacy}.pth", f"{self.out}/{legacy}.safetensors"
            torch.save(checkpoint, source, _use_new_zipfile_serialization=not legacy)
            self.succeeds(source, path)
            from safetensors.torch import load_file as load
            found = load(path)
            for name, value in model.items():
                self.assertEqual(found[name].dtype, value.dtype)
                self.assertTrue(torch.equal(found[name], value.detach()))
            self.assertEqual(found["action_normalization.scale"].tolist(), [3, 3])

    def test_modules_in_wrappers(self):
        import torch
        network = torch.nn.ModuleDict({"policy": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))})
        wrapped = torch.nn.DataParallel(network)
        torch.save(robomimic(model=wrapped.state_dict()), f"{self.folder}/m.pth")
        self.succeeds(f"{self.folder}/m.pth", f"{self.out}/w.safetensors")
        found = load_file(f"{self.out}/w.safetensors")
        self.assertEqual(set(found), set(network.state_dict()))

    def test_other_files(self):
        import torch
        torch.save(torch.nn.Linear(2, 3), f"{self.folder}/layer.pth")
        torch.save(robomimic(model={"policy.nets.a": torch.eye(3).to_sparse()}), f"{self.folder}/sparse.pth")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), f"{self.folder}/script.pth")
        for name, *says in [("layer", "type Linear"), ("sparse", "policy.nets.a", "sparse"), ("script", "script.pth")]:
            with self.subTest(name):
                self.fails(f"{self.folder}/{name}.pth", f"{self.out}/w.safetensors", says=says)


if __name__ == "__main__":
    unittest.main()
