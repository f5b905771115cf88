"""What a conversion writes is what the dataset holds: values, order, names, frames, words and rates."""
import gzip
import io
import json
import os
import random
import unittest

import h5py
import numpy as np
import pyarrow as pa
from PIL import Image

from lerobot_sets import ACTIONS, CAMERA, FPS, HEIGHT, WIDTH, LeRobotSet, png, write_json, write_parquet, write_video
from support import ToolTests

OURS = [5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4]
"""RoboCasa's 12 values, by where these sets store them."""


class LeRobotValues(ToolTests):
    def converted(self, dataset, *options, change=lambda rows: None):
        """The open file and what was said on the way."""
        source = dataset if isinstance(dataset, str) else dataset.write(f"{self.folder}/set", change)
        path = f"{self.out}/out.hdf5"
        done = self.succeeds(source, path, *options)
        file = h5py.File(path)
        self.addCleanup(file.close)
        return file, done.stderr

    def check(self, file, dataset, exact=False, camera="obs/top_image", episodes=None):
        """Every episode's arrays are the dataset's."""
        chosen = range(len(dataset.lengths)) if episodes is None else episodes
        self.assertEqual(sorted(file["data"]), [f"demo_{episode}" for episode in chosen])
        self.assertEqual(file["data"].attrs["total"], sum(dataset.lengths[episode] for episode in chosen))
        for episode in chosen:
            demo = file[f"data/demo_{episode}"]
            self.assertEqual(demo.attrs["num_samples"], dataset.lengths[episode])
            self.assertEqual(demo["actions"].dtype, np.float64)
            expected = dataset.actions[episode]
            if dataset.modality:
                expected = expected[:, OURS].copy()
                expected[:, [6, 11]] = np.where(expected[:, [6, 11]] < 0.5, -1, 1)
            np.testing.assert_array_equal(demo["actions"][()], expected)
            state = "obs/robot0_gripper_qpos" if dataset.modality else "obs/state"
            np.testing.assert_array_equal(demo[state][()], dataset.states[episode])
            np.testing.assert_array_equal(demo["rewards"][()], np.arange(dataset.lengths[episode]) / 8)
            np.testing.assert_array_equal(demo["dones"][()], dataset.tables[episode]["next.done"])
            self.assertEqual(json.loads(demo.attrs["ep_meta"])["lang"], dataset.tasks[episode % 2])
            if camera:
                frames = demo[camera]
                self.assertEqual(frames.dtype, np.uint8)
                self.assertEqual(frames.shape, dataset.frames[episode].shape)
                off = np.abs(frames[()].astype(int) - dataset.frames[episode]).mean((1, 2))
                self.assertLess(off.max(), 1 if exact else 8)
                if exact:
                    np.testing.assert_array_equal(frames[()], dataset.frames[episode])

    def schema(self, file):
        return json.loads(file["data"].attrs["action_schema"])["actions"]

    # layouts

    def test_plain_sets_of_all_versions(self):
        for version in ("v2.0", "v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version)
                file, said = self.converted(dataset)
                self.check(file, dataset)
                self.assertEqual(said, "")
                self.assertEqual(list(file["data/demo_0/obs"]), ["state", "top_image"])
                self.assertEqual(json.loads(file["data/demo_1/obs/state"].attrs["names"]), ["left", "right"])
                self.assertEqual(self.schema(file), {
                    "dimensions": [{"name": name, "unit": None, "low": None, "high": None} for name in ACTIONS],
                    "control_hertz": FPS, "control": None})
                self.assertEqual(file["data"].attrs["fps"], FPS)
                self.assertNotIn("env_args", file["data"].attrs)

    def test_without_features(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version, features=False)
                file, said = self.converted(dataset)
                self.check(file, dataset)
                self.assertEqual(said, "")
                self.assertEqual([one["name"] for one in self.schema(file)["dimensions"]],
                                 ["action_0", "action_1", "action_2", "action_3"])

    def test_images_in_parquet(self):
        for version in ("v2.1", "v3.0"):
            for features in (True, False):
                with self.subTest(version, features=features):
                    self.setUp()
                    dataset = LeRobotSet(version, camera="image", features=features)
                    file, _ = self.converted(dataset)
                    self.check(file, dataset, exact=True)

    def test_images_as_bytes_alone(self):
        dataset = LeRobotSet(camera="image")
        for table in dataset.tables:
            table[CAMERA] = [cell["bytes"] for cell in table[CAMERA]]
        file, _ = self.converted(dataset)
        self.check(file, dataset, exact=True)

    def test_images_beside_the_parquet_files(self):
        dataset = LeRobotSet(camera="image")
        source = f"{self.folder}/set"
        for episode, frames in enumerate(dataset.frames):
            for step, frame in enumerate(frames):
                path = f"images/{CAMERA}/episode_{episode:06d}/frame_{step:06d}.png"
                os.makedirs(os.path.dirname(f"{source}/{path}"), exist_ok=True)
                with open(f"{source}/{path}", "wb") as file:
                    file.write(png(frame))
                dataset.tables[episode][CAMERA][step] = {"bytes": None, "path": path}
        file, _ = self.converted(dataset)
        self.check(file, dataset, exact=True)

    def test_jpeg_and_palette_images(self):
        dataset = LeRobotSet(camera="image")
        jpeg = png(dataset.frames[0][0], format="JPEG", quality=95)
        palette = Image.fromarray(dataset.frames[0][1]).convert("P")
        opaque = Image.fromarray(dataset.frames[0][2]).convert("RGBA")
        cells = dataset.tables[0][CAMERA]
        cells[0], cells[1], cells[2] = ({"bytes": data, "path": None} for data in (jpeg, png(palette), png(opaque)))
        file, _ = self.converted(dataset)
        frames = file["data/demo_0/obs/top_image"]
        np.testing.assert_array_equal(frames[0], np.asarray(Image.open(io.BytesIO(jpeg))))
        np.testing.assert_array_equal(frames[1], np.asarray(palette.convert("RGB")))
        np.testing.assert_array_equal(frames[2], dataset.frames[0][2])

    def test_av1(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version)
                dataset.codec, dataset.video_options = "libsvtav1", {"crf": "20", "g": "2", "preset": "10"}
                file, _ = self.converted(dataset)
                self.check(file, dataset)

    def test_clips_of_many_episodes_in_one_file(self):
        """Seeking among B-frames and key frames that are elsewhere than where episodes begin."""
        dataset = LeRobotSet("v3.0", lengths=(3, 9, 2, 8, 1, 6, 10, 4))
        dataset.data_files = {episode: (0, 0) for episode in range(8)}
        dataset.video_options = {"g": "7", "bf": "3"}
        file, _ = self.converted(dataset)
        self.check(file, dataset)

    def test_v3_episodes_in_another_order_of_description(self):
        dataset = LeRobotSet("v3.0")
        file, _ = self.converted(dataset, change=lambda rows: rows.reverse())
        self.check(file, dataset)

    def test_v3_tasks_as_pandas_keeps_them(self):
        """An index without a name."""
        dataset = LeRobotSet("v3.0", camera=None)
        source = dataset.write(f"{self.folder}/set")
        write_parquet(f"{source}/meta/tasks.parquet",
                      {"task_index": [1, 0], "__index_level_0__": ["lift the toy", "push the toy"]})
        file, _ = self.converted(source)
        self.check(file, dataset, camera=None)

    # RoboCasa

    def test_modality(self):
        for version in ("v2.1", "v3.0"):
            for camera in ("video", "image"):
                with self.subTest(version, camera=camera):
                    self.setUp()
                    dataset = LeRobotSet(version, camera=camera, modality=True)
                    file, said = self.converted(dataset)
                    self.check(file, dataset, exact=camera == "image")
                    self.assertEqual(said, "")
                    self.assertEqual([one["name"] for one in self.schema(file)["dimensions"]], [
                        "arm_x", "arm_y", "arm_z", "arm_rx", "arm_ry", "arm_rz", "gripper", "base_x", "base_y",
                        "base_yaw", "torso", "mode"])
                    self.assertEqual({one["unit"] for one in self.schema(file)["dimensions"]}, {None})

    def test_modality_of_several_columns(self):
        """Parts of a column of their own are apart from those of `action`, whatever their numbers."""
        dataset = LeRobotSet(modality=True, camera=None, features=False)
        for episode, table in enumerate(dataset.tables):
            table["action"] = dataset.actions[episode][:, :11].tolist()
            table["action.gripper"] = dataset.actions[episode][:, 11].tolist()
            table["action.head"] = dataset.actions[episode][:, :2].tolist()
        dataset.modality["video"] = {}
        dataset.modality["action"] |= {
            "gripper_close": {"start": 0, "end": 1, "original_key": "action.gripper"},
            "head": {"start": 0, "end": 2, "original_key": "action.head"}}
        file, said = self.converted(dataset)
        self.check(file, dataset, camera=None)
        self.assertEqual(said, "run lerobot: note: left out: action.head (no action of RoboCasa's)\n")

    def test_robocasa_extras(self):
        dataset = LeRobotSet(modality=True)
        dataset.tasks[2] = "OpenDrawer"
        source = dataset.write(f"{self.folder}/set")
        states = np.arange(15.0).reshape(5, 3)
        extras = f"{source}/extras/episode_000000"
        write_json(f"{extras}/ep_meta.json", {"lang": "open it", "layout_id": 3})
        with gzip.open(f"{extras}/model.xml.gz", "wt") as model:
            model.write("<mujoco>" + "x" * 100_000 + "</mujoco>")
        np.savez(f"{extras}/states.npz", states=states)
        file, _ = self.converted(source)
        demo = file["data/demo_0"]
        self.assertEqual(json.loads(demo.attrs["ep_meta"]), {"lang": "open it", "layout_id": 3})
        self.assertEqual(len(demo.attrs["model_file"]), 100_017)
        np.testing.assert_array_equal(demo["states"][()], states)
        self.assertEqual(json.loads(file["data"].attrs["env_args"])["env_name"], "OpenDrawer")

    def test_environment_of_the_dataset_itself(self):
        for modality in (True, False):
            with self.subTest(modality=modality):
                self.setUp()
                source = LeRobotSet(modality=modality, camera=None).write(f"{self.folder}/set")
                if modality:
                    write_json(f"{source}/meta/modality.json", {**LeRobotSet(modality=True).modality, "video": {}})
                arguments = {"env_name": "Open", "type": 1, "env_kwargs": {"damping": float("nan")}}
                write_json(f"{source}/extras/dataset_meta.json", {"env_args": arguments})
                file, _ = self.converted(source)
                self.assertIn('"env_name": "Open"', file["data"].attrs["env_args"])
                self.assertIn("NaN", file["data"].attrs["env_args"])

    def test_filter_keys_are_robocasas_choice(self):
        dataset = LeRobotSet(lengths=(1,) * 31, camera=None)
        dataset.info["splits"] = {"train": "0:25", "val": "25:31"}
        file, _ = self.converted(dataset)
        order = list(range(31))
        random.Random(0).shuffle(order)
        self.assertEqual([name.decode() for name in file["mask/30_demos"]], [f"demo_{index}" for index in order[:30]])
        self.assertEqual([name.decode() for name in file["mask/val"]], [f"demo_{index}" for index in range(25, 31)])
        self.assertEqual(len(file["mask/train"]), 25)
        self.assertNotIn("50_demos", file["mask"])

    def test_splits_of_episodes_that_there_are_not(self):
        for splits, *says in [
            ({"train": "0:2", "val": "2:9"}, "split 'val' of meta/info.json is '2:9': 6 of these 7 episodes"),
            ({"train": "0:5"}, "split 'train' of meta/info.json is '0:5': 2 of these 5 episodes"),
            ({"train": "0:3", "val": "7:9"}, "split 'val' of meta/info.json is '7:9': 2 of these 2 episodes"),
            ({"train": "0:3", "val": "3:2"}, "split 'val' of meta/info.json is '3:2', no range: left out"),
            ({"train": "0:3", "val": "0:" + "9" * 5000}, "no range: left out"),
            ({"train": "0:2", "val": "2:3"},),
        ]:
            with self.subTest(splits=str(splits)[:60]):
                self.setUp()
                dataset = LeRobotSet(camera=None)
                dataset.info["splits"] = splits
                file, said = self.converted(dataset, "--episodes", "2")
                self.assertEqual(len(said.splitlines()), len(says), said)
                for words in says:
                    self.assertIn(words, said)
                if splits.get("val") in ("7:9", "3:2"):
                    self.assertNotIn("val", file["mask"])

    def test_some_episodes(self):
        dataset = LeRobotSet()
        file, _ = self.converted(dataset, "--episodes", "2")
        order = [0, 1, 2]
        random.Random(0).shuffle(order)
        self.check(file, dataset, episodes=sorted(order[:2]))

    def test_more_episodes_than_there_are(self):
        dataset = LeRobotSet(camera=None)
        file, said = self.converted(dataset, "--episodes", "9")
        self.check(file, dataset, camera=None)
        self.assertIn("9 episodes were asked for; there are 3", said)

    # kinds of columns

    def test_kinds_of_numbers(self):
        """Integers, bools, decimals, scalars, tables in cells and fixed lists are numbers; the order is the stored one."""
        dataset = LeRobotSet(camera=None, features=False)
        for episode, table in enumerate(dataset.tables):
            count = dataset.lengths[episode]
            signed = (np.arange(count * 4) - 9).reshape(count, 4).astype(np.int8)
            table["action"] = pa.FixedSizeListArray.from_arrays(pa.array(signed.reshape(-1)), 4)
            dataset.actions[episode] = signed.astype(float)
            table["observation.contact"] = pa.array([[step % 2 == 0, True] for step in range(count)])
            table["observation.pose"] = [[[step, 1.5], [2.5, -step]] for step in range(count)]
            table["observation.effort"] = np.arange(count, dtype=np.float16)
            table["observation.words"] = ["hello"] * count
            table["observation.code"] = pa.array(["a"] * count).dictionary_encode()
            table["observation.level"] = pa.array([3] * count).dictionary_encode()
            table["note"] = [1] * count
        file, said = self.converted(dataset)
        self.check(file, dataset, camera=None)
        demo = file["data/demo_1/obs"]
        np.testing.assert_array_equal(demo["contact"][()], [[step % 2 == 0, 1] for step in range(7)])
        np.testing.assert_array_equal(demo["pose"][()], [[step, 1.5, 2.5, -step] for step in range(7)])
        np.testing.assert_array_equal(demo["effort"][()], np.arange(7)[:, None])
        np.testing.assert_array_equal(demo["level"][()], np.full((7, 1), 3))
        self.assertEqual(len(said.splitlines()), 1)
        for left in ("observation.words (string", "observation.code", "note (no observation)"):
            self.assertIn(left, said)
        self.assertNotIn("words", demo)

    def test_names_without_a_prefix(self):
        """`state`, `actions`, `image`, `wrist_image`, as some converters call them."""
        dataset = LeRobotSet(camera="image")
        names = {"action": "actions", "observation.state": "state", CAMERA: "wrist_image"}
        dataset.info["features"] = {names.get(name, name): feature for name, feature in dataset.info["features"].items()}
        dataset.tables = [{names.get(name, name): column for name, column in table.items()} for table in dataset.tables]
        file, said = self.converted(dataset)
        self.check(file, dataset, exact=True, camera="obs/wrist_image")
        self.assertEqual(said, "")
        self.assertEqual([one["name"] for one in self.schema(file)["dimensions"]], ACTIONS)

    def test_forms_of_names(self):
        for names, expected in [
            (["a", "b", "c", "d"], ["a", "b", "c", "d"]), ([["a", "b", "c", "d"]], ["a", "b", "c", "d"]),
            ({"d": 3, "a": 0, "c": 2, "b": 1}, ["a", "b", "c", "d"]),
            ({"arm": ["a", "b"], "hand": ["c", "d"]}, ["a", "b", "c", "d"]),
            (["actions"], [f"action_{index}" for index in range(4)]),
            (["a", "a", "b", "c"], [f"action_{index}" for index in range(4)]),
            (None, [f"action_{index}" for index in range(4)]),
        ]:
            with self.subTest(names=names):
                self.setUp()
                dataset = LeRobotSet(camera=None, lengths=(2,))
                dataset.info["features"]["action"]["names"] = names
                file, _ = self.converted(dataset)
                self.assertEqual([one["name"] for one in self.schema(file)["dimensions"]], expected)

    def test_nested_features(self):
        dataset = LeRobotSet(camera=None)
        features = dataset.info["features"]
        features["observation"] = {"state": features.pop("observation.state")}
        file, _ = self.converted(dataset)
        self.check(file, dataset, camera=None)

    def test_modality_of_another_robot(self):
        dataset = LeRobotSet(camera=None)
        dataset.modality = {"action": {"single_arm": {"start": 0, "end": 3}, "gripper": {"start": 3, "end": 4}}}
        source = dataset.write(f"{self.folder}/set")
        dataset.modality = None
        file, said = self.converted(source)
        self.check(file, dataset, camera=None)
        self.assertIn("modality.json", said)

    # depth

    def test_depth_is_left_out_and_told(self):
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
        depth = (x * 100 + y).astype(np.uint16)
        deep = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        sixteen = bytearray(png(deep))
        sixteen[24] = 16
        cells = {"depth": png(Image.fromarray(depth)), "gray": png(Image.fromarray(deep[..., 0])),
                 "deep": bytes(sixteen), "alpha": png(Image.fromarray(np.zeros((HEIGHT, WIDTH, 4), np.uint8)))}
        for features in (True, False):
            with self.subTest(features=features):
                self.setUp()
                dataset = LeRobotSet(camera="image", features=features)
                for name, data in cells.items():
                    for episode, table in enumerate(dataset.tables):
                        table[f"observation.images.{name}"] = [{"bytes": data, "path": None}] * dataset.lengths[episode]
                    if features:
                        dataset.info["features"][f"observation.images.{name}"] = {
                            "dtype": "image", "shape": [HEIGHT, WIDTH, 1 if name in ("depth", "gray") else 3]}
                file, said = self.converted(dataset)
                self.check(file, dataset, exact=True)
                self.assertEqual(list(file["data/demo_0/obs"]), ["state", "top_image"])
                self.assertEqual(len(said.splitlines()), 1)
                for name in cells:
                    self.assertIn(f"observation.images.{name} (", said)

    def test_depth_videos(self):
        for features in (True, False):
            with self.subTest(features=features):
                self.setUp()
                dataset = LeRobotSet(features=features)
                source = f"{self.folder}/set"
                key = "observation.images.depth"
                if features:
                    dataset.info["features"][key] = {
                        "dtype": "video", "shape": [HEIGHT, WIDTH, 3], "info": {"video.is_depth_map": True}}
                for episode, count in enumerate(dataset.lengths):
                    write_video(f"{source}/{dataset.video(episode, key)}",
                                [np.full((HEIGHT, WIDTH), 9, np.uint8)] * count, codec="libx265",
                                pix_fmt="gray12le", options={"x265-params": "log-level=none"})
                file, said = self.converted(dataset)
                self.check(file, dataset)
                self.assertIn("observation.images.depth (", said)
                self.assertNotIn("depth_image", file["data/demo_0/obs"])

    # words

    def test_words_of_the_episode_where_tasks_are_missing(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version, camera=None)
                source = dataset.write(f"{self.folder}/set")
                os.remove(f"{source}/meta/tasks.{'parquet' if version == 'v3.0' else 'jsonl'}")
                file, said = self.converted(source)
                self.check(file, dataset, camera=None)
                self.assertEqual(said, "")

    def test_episodes_without_words_are_counted(self):
        dataset = LeRobotSet(camera=None)
        dataset.tasks = {}
        for episode in (0, 2):
            dataset.episodes[episode]["tasks"] = []
        file, said = self.converted(dataset)
        self.assertEqual([json.loads(file[f"data/demo_{episode}"].attrs["ep_meta"])["lang"] for episode in range(3)],
                         ["", "lift the toy", ""])
        self.assertIn("2 episodes without an instruction", said)

    def test_several_tasks_in_an_episode_are_no_instruction(self):
        dataset = LeRobotSet(camera=None)
        dataset.tables[1]["task_index"] = [0, 0, 0, 1, 1, 1, 1]
        dataset.episodes[1]["tasks"] = ["push the toy", "lift the toy"]
        file, said = self.converted(dataset)
        about = json.loads(file["data/demo_1"].attrs["ep_meta"])
        self.assertEqual(about, {"lang": "", "tasks": ["push the toy", "lift the toy"]})
        self.assertIn("1 episode with several tasks", said)

    def test_several_tasks_in_an_episode_of_robocasas(self):
        for extras in (False, True):
            with self.subTest(extras=extras):
                self.setUp()
                dataset = LeRobotSet(modality=True, camera=None)
                dataset.modality["video"] = {}
                dataset.tables[1]["task_index"] = [1, 1, 1, 0, 0, 0, 0]
                dataset.episodes[1]["tasks"] = ["lift the toy", "push the toy"]
                source = dataset.write(f"{self.folder}/set")
                if extras:
                    write_json(f"{source}/extras/episode_000001/ep_meta.json", {"lang": "lift the toy", "layout_id": 3})
                file, said = self.converted(source)
                about = json.loads(file["data/demo_1"].attrs["ep_meta"])
                self.assertEqual(about, {"lang": "", "tasks": ["lift the toy", "push the toy"],
                                         **({"layout_id": 3} if extras else {})})
                self.assertIn("1 episode with several tasks", said)

    # rates

    def test_no_rate(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version)
                del dataset.info["fps"]
                file, said = self.converted(dataset)
                self.check(file, dataset)
                self.assertIsNone(self.schema(file)["control_hertz"])
                self.assertNotIn("fps", file["data"].attrs)
                self.assertIn("no fps", said)

    def test_a_rate_that_the_times_contradict_is_not_written(self):
        dataset = LeRobotSet()
        dataset.info["fps"] = 30
        file, said = self.converted(dataset)
        self.check(file, dataset)
        self.assertIsNone(self.schema(file)["control_hertz"])
        self.assertNotIn("fps", file["data"].attrs)
        self.assertIn("10 a second, meta/info.json says 30", said)

    def test_gaps_are_told(self):
        """Times that stand still for a while; a large gap changes the mean rate as well."""
        for gap, words in [(0.06, "episode 1: row 3 is 0.16 s after the row before"), (2, "row 3 is 2.1 s after")]:
            with self.subTest(gap=gap):
                self.setUp()
                dataset = LeRobotSet(camera=None)
                dataset.tables[1]["timestamp"][3:] += np.float32(gap)
                file, said = self.converted(dataset)
                self.check(file, dataset, camera=None)
                self.assertIn("times with a gap: episode 1: ", said)
                self.assertIn(words, said)
        self.setUp()
        dataset = LeRobotSet(camera=None, lengths=(5,) * 5)
        for table in dataset.tables:
            table["timestamp"][1:] += np.float32(0.2)
        _, said = self.converted(dataset)
        self.assertIn("episode 2: row 1 is 0.3 s after the row before; and 2 more episodes\n", said)

    def test_frames_of_videos_are_where_their_rows_are(self):
        """Rows and frames that have the same gap, frames that begin later, and times that jitter about an even video's."""
        dataset = LeRobotSet(lengths=(5, 7))
        source = f"{self.folder}/set"
        dataset.tables[0]["timestamp"][2:] += np.float32(0.1)
        dataset.tables[1]["timestamp"][3:] += np.float32(0.04)
        dataset.write(source)
        write_video(f"{source}/{dataset.video(0)}", dataset.frames[0], places=[0, 1, 3, 4, 5])
        write_video(f"{source}/{dataset.video(1)}", dataset.frames[1], places=range(4, 11))
        file, _ = self.converted(source)
        self.check(file, dataset)

    def test_videos_without_times(self):
        """A bare stream of H.264 has none: its frames are taken one after the other."""
        dataset = LeRobotSet()
        dataset.info["video_path"] = "videos/{video_key}/{episode_index}.h264"
        source = dataset.write(f"{self.folder}/set")
        for episode, frames in enumerate(dataset.frames):
            write_video(f"{source}/videos/{CAMERA}/{episode}.h264", frames)
        file, _ = self.converted(source)
        self.check(file, dataset)

    def test_a_column_that_only_later_files_have(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version, camera=None, features=False)
                dataset.tables[2]["observation.force"] = [[1.0]] * dataset.lengths[2]
                file, said = self.converted(dataset)
                self.check(file, dataset, camera=None)
                self.assertEqual(
                    said, "run lerobot: note: left out: observation.force (not in the first data file)\n")

    def test_a_fractional_rate(self):
        dataset = LeRobotSet(camera=None)
        dataset.info["fps"] = 10.1
        file, _ = self.converted(dataset)
        self.assertEqual(self.schema(file)["control_hertz"], 10.1)

    def test_columns_that_other_converters_leave_out(self):
        """GR00T's have no frame_index; others no episode_index; what there is, is compared."""
        dataset = LeRobotSet(camera=None, features=False)
        for table in dataset.tables:
            del table["frame_index"], table["timestamp"], table["index"]
        file, said = self.converted(dataset)
        self.check(file, dataset, camera=None)
        self.assertEqual(said, "")
        self.setUp()
        for table in dataset.tables:
            del table["episode_index"]
        file, said = self.converted(dataset)
        self.check(file, dataset, camera=None)
        self.assertIn("3 episodes without episode_index", said)


if __name__ == "__main__":
    unittest.main()
