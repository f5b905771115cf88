"""Datasets that must not be converted: each is refused by name, with nothing left behind."""
import json
import os
import shutil
import struct
import unittest

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from lerobot_sets import CAMERA, HEIGHT, WIDTH, LeRobotSet, png, write_json, write_parquet, write_video
from support import ToolTests

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 590254080\n"
FIRST = "data/chunk-000/episode_000000.parquet"
SECOND = "data/chunk-000/episode_000001.parquet"


class LeRobotFailures(ToolTests):
    def refused(self, dataset, *says, damage=lambda source: None, change=lambda rows: None):
        source = dataset.write(f"{self.folder}/set", change)
        damage(source)
        self.fails(source, f"{self.out}/out.hdf5", says=("run lerobot: ", *says))


    def tables(self, **options):
        """A set whose tables a test damages."""
        return LeRobotSet(camera=None, **options)

    # rows of another episode

    def test_rows_of_another_episode(self):
        self.refused(self.tables(), SECOND, "row 0", "episode 0, 1 expected",
                     damage=lambda source: shutil.copy(f"{source}/{FIRST}", f"{source}/{SECOND}"))

    def test_two_episodes_swapped(self):
        def swap(source):
            os.rename(f"{source}/{FIRST}", f"{source}/x")
            os.rename(f"{source}/{SECOND}", f"{source}/{FIRST}")
            os.rename(f"{source}/x", f"{source}/{SECOND}")
        self.refused(self.tables(lengths=(5, 5, 5)), FIRST, "episode 1, 0 expected", damage=swap)

    def test_one_row_of_another_episode(self):
        dataset = self.tables()
        dataset.tables[1]["episode_index"][3] = 2
        self.refused(dataset, SECOND, "row 3", "episode 2, 1 expected")

    def test_indices_of_another_order(self):
        for column, says in {"frame_index": "frame_index 2, 1 expected", "index": "index 2, 1 expected",
                             "timestamp": "no later than the row before"}.items():
            with self.subTest(column):
                self.setUp()
                dataset = self.tables()
                values = dataset.tables[0][column]
                values[1], values[2] = values[2], values[1]
                if column == "timestamp":
                    values[1], values[2] = 0.2, 0.2
                self.refused(dataset, FIRST, says)

    def test_rows_out_of_order(self):
        dataset = self.tables()
        dataset.tables[1] = {name: list(column)[::-1] for name, column in dataset.tables[1].items()}
        self.refused(dataset, SECOND, "row 0", "frame_index 6, 0 expected")

    def test_a_row_is_missing(self):
        dataset = self.tables()
        dataset.tables[1] = {name: list(column)[:3] + list(column)[4:] for name, column in dataset.tables[1].items()}
        self.refused(dataset, SECOND, "6 rows", "episodes.jsonl: line 2 says 7")

    def test_length_is_another(self):
        for length in (6, 0):
            with self.subTest(length=length):
                self.setUp()
                dataset = self.tables()
                dataset.episodes[1]["length"] = length
                self.refused(dataset, SECOND, f"7 rows", f"says {length}")

    def test_null_index(self):
        dataset = self.tables()
        dataset.tables[1]["episode_index"][2] = None
        self.refused(dataset, SECOND, "column episode_index: row 2: null")

    def test_v3_rows_elsewhere(self):
        def swapped(rows):
            for name in ("dataset_from_index", "dataset_to_index"):
                rows[0][name], rows[1][name] = rows[1][name], rows[0][name]

        def file(rows):
            rows[1]["data/file_index"] = 1

        def shifted(rows):
            for row in rows:
                row["dataset_from_index"] += 1
                row["dataset_to_index"] += 1

        def longer(rows):
            rows[0]["dataset_to_index"] += 1

        def none(rows):
            rows[0]["data/chunk_index"] = None

        for name, (change, says) in {
            "swapped": (swapped, "its rows begin at 0; "), "file": (file, "no rows of episode 1"),
            "shifted": (shifted, "begin at 0"), "longer": (longer, "for a length of"), "none": (none, "data/chunk_index"),
        }.items():
            for index in (True, False):
                with self.subTest(name, index=index):
                    self.setUp()
                    dataset = self.tables(version="v3.0", lengths=(5, 5, 5), features=False)
                    if not index:
                        if name == "shifted":
                            continue  # only the rows' own index could tell
                        for table in dataset.tables:
                            del table["index"]
                    self.refused(dataset, says, change=change)

    def test_v3_rows_among_each_other(self):
        dataset = self.tables(version="v3.0", lengths=(5, 5, 5))
        dataset.tables[0]["episode_index"][4], dataset.tables[1]["episode_index"][0] = 1, 0
        self.refused(dataset, "file-000.parquet: row 4 of episode 1 is among those of episode 0")

    # descriptions

    def test_an_episode_is_missing(self):
        dataset = self.tables()
        del dataset.episodes[1]
        self.refused(dataset, "info.json counts 3 episodes, 2 are described")

    def test_an_episodes_file_is_missing(self):
        self.refused(self.tables(), SECOND, "no such file", damage=lambda source: os.remove(f"{source}/{SECOND}"))

    def test_an_episode_is_described_twice(self):
        dataset = self.tables()
        dataset.episodes[2]["episode_index"] = 1
        self.refused(dataset, "episodes.jsonl: line 3", "episode 1 is described twice")

    def test_no_episodes(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                source = self.tables(version=version).write(f"{self.folder}/set")
                if version == "v2.1":
                    write_json(f"{source}/meta/episodes.jsonl", "")
                else:
                    table = parquet.read_table(f"{source}/meta/episodes/chunk-000/file-000.parquet")
                    write_parquet(f"{source}/meta/episodes/chunk-000/file-000.parquet", table.slice(0, 0))
                self.fails(source, f"{self.out}/out.hdf5", says=("meta/episodes", "no episode is described"))

    def test_empty_episode(self):
        dataset = self.tables(lengths=(5, 0, 6))
        dataset.tables[1] = {name: pa.array([], pa.array(column).type)
                             for name, column in dataset.tables[0].items()}
        self.refused(dataset, SECOND, "episode 1 has no rows")

    def test_bad_values_of_info(self):
        for name, value, *says in [
            ("fps", float("nan"), "fps is nan"), ("fps", -1, "fps is -1"), ("fps", 0, "fps is 0"),
            ("fps", "10", "fps is '10'"), ("fps", True, "fps is True"),
            ("chunks_size", 0, "chunks_size is 0"), ("chunks_size", "1", "chunks_size is '1'"),
            ("total_episodes", -3, "total_episodes is -3"), ("total_episodes", 3.5, "total_episodes"),
            ("data_path", "data/{episode}.parquet", "data_path", "cannot be filled in: no 'episode'"),
            ("data_path", "data/{0}.parquet", "data_path"), ("data_path", "data/{episode_index:q}", "data_path"),
            ("data_path", "data/{", "data_path"), ("data_path", 7, "data_path 7"),
            ("data_path", "data/{episode_index.x}", "data_path"),
            ("data_path", "{episode_index:09999999999d}", "data_path", "episode_index is wider than 20 characters"),
            ("data_path", "{episode_index:021d}", "data_path", "episode_index is wider than 20 characters"),
            ("data_path", "{episode_index:.99f}", "data_path", "episode_index is wider than 20 characters"),
            ("data_path", "{episode_index:{episode_chunk}d}", "data_path", "a width that is another field's"),
            ("features", [], "features is []"), ("features", {"action": 3}, "feature action is 3"),
            ("features", {"action": {"shape": [4]}}, "feature action"),
            ("features", {"action": {"dtype": 3}}, "dtype is 3"),
            ("features", {"action": {"dtype": "float32", "shape": "4"}}, "shape is '4'"),
            ("features", {"action": {"dtype": "float32", "shape": [5]}}, "4 values a row", "shape [5]"),
            ("features", {"observation.state": {"dtype": "float32", "shape": [2]}}, "no column action"),
            ("features", {"action": {"dtype": "float32", "shape": [4]}, "observation.force": {"dtype": "float32"}},
             "no column observation.force, which meta/info.json names"),
        ]:
            with self.subTest(name, value=value):
                self.setUp()
                dataset = self.tables()
                dataset.info[name] = value
                self.refused(dataset, *says)

    def test_wide_fields_of_videos(self):
        for version in ("v2.1", "v3.0"):
            with self.subTest(version):
                self.setUp()
                dataset = LeRobotSet(version)
                dataset.info["video_path"] = "videos/{video_key:>9999999999}.mp4"
                self.refused(dataset, "meta/info.json: video_path", "video_key is wider than 20 characters")

    def test_versions(self):
        for version in ("v1.6", "v2.2", "v3.1", "v4.0", "2.1", None, 3, ["v2.1"]):
            with self.subTest(version=version):
                self.setUp()
                dataset = self.tables()
                dataset.info["codebase_version"] = version
                self.refused(dataset, "meta/info.json", f"LeRobot {version or 'without codebase_version'}")

    def test_damaged_descriptions(self):
        for path, content, *says in [
            ("info.json", "{", "not JSON"), ("info.json", "[]", "a JSON object is expected, not list"),
            ("info.json", "null", "not NoneType"), ("info.json", "", "empty"), ("info.json", LFS, "Git LFS pointer"),
            ("info.json", "[" * 100_000, "not JSON"), ("info.json", b"\xff\xfe\x00", "not UTF-8"),
            ("episodes.jsonl", '{"episode_index": 0}\n{"episode_index"', "line 2: not JSON"),
            ("episodes.jsonl", "[0]", "line 1: a JSON object is expected"),
            ("episodes.jsonl", '{"index": 0}', "line 1: episode_index is None"),
            ("episodes.jsonl", '{"episode_index": -1}', "episode_index is -1"),
            ("episodes.jsonl", '{"episode_index": true}', "episode_index is True"),
            ("episodes.jsonl", '{"episode_index": 0, "length": "5"}', "length is '5'"),
            ("episodes.jsonl", '{"episode_index": 0, "tasks": [3]}', "tasks is [3]"),
            ("episodes.jsonl", LFS, "Git LFS pointer"),
            ("tasks.jsonl", '{"task_index": 0, "task": "a"}\n{"task', "line 2: not JSON"),
            ("tasks.jsonl", '{"task_index": 0}', "line 1: task is None"),
            ("tasks.jsonl", '{"task": "a"}', "line 1: task_index is None"),
            ("tasks.jsonl", '{"task_index": 0, "task": "a"}\n{"task_index": 0, "task": "b"}', "stands for two tasks"),
            ("modality.json", "{}", "action is None"), ("modality.json", "[1]", "a JSON object is expected"),
            ("modality.json", '{"action": {"base_motion": 3}}', "action is"),
        ]:
            with self.subTest(path, content=content[:40]):
                self.setUp()

                def damage(source):
                    with open(f"{source}/meta/{path}", "wb") as file:
                        file.write(content if isinstance(content, bytes) else content.encode())
                self.refused(self.tables(), f"meta/{path}", *says, damage=damage)

    def test_tasks_that_do_not_fit(self):
        dataset = self.tables()
        del dataset.tasks[1]
        self.refused(dataset, SECOND, "episode 1 has task_index 1, which no task of")
        self.setUp()
        dataset = self.tables()
        dataset.tasks[0] = "shove"
        self.refused(dataset, FIRST, "the task 'shove' by its task_index", "line 1 says 'push the toy'")

    def test_tasks_of_robocasas_sets_that_do_not_fit(self):
        for extras in (False, True):
            with self.subTest(extras=extras):
                def describe(source):
                    if extras:
                        write_json(f"{source}/extras/episode_000001/ep_meta.json", {"lang": "lift the toy"})
                self.setUp()
                dataset = self.robocasa()
                dataset.tables[1]["task_index"] = [1] * 6 + [7]
                self.refused(dataset, SECOND, "episode 1 has task_index 7, which no task of", damage=describe)
                self.setUp()
                dataset = self.robocasa()
                dataset.tables[1]["task_index"] = [0] * 7
                self.refused(dataset, SECOND, "the task 'push the toy' by its task_index",
                             "line 2 says 'lift the toy'", damage=describe)

    # modality.json

    def robocasa(self, **options):
        dataset = self.tables(modality=True, **options)
        dataset.modality["video"] = {}
        return dataset

    def test_parts_that_overlap(self):
        for kind, name, start, stop, *says in [
            ("action", "end_effector_position", 0, 3, "action.base_motion (0 to 4)",
             "action.end_effector_position (0 to 3)", "overlap in action;"),
            ("action", "gripper_close", 10, 11, "action.end_effector_rotation (8 to 11)",
             "action.gripper_close (10 to 11)", "overlap in action;"),
            ("action", "head", 3, 4, "action.base_motion (0 to 4)", "action.head (3 to 4)", "overlap in action;"),
            ("state", "base_position", 0, 3, "state.gripper_qpos (0 to 2)", "state.base_position (0 to 3)",
             "overlap in observation.state;"),
        ]:
            for version in ("v2.1", "v3.0"):
                with self.subTest(name, version=version):
                    self.setUp()
                    dataset = self.robocasa(version=version)
                    dataset.modality[kind][name] = {"start": start, "end": stop}
                    self.refused(dataset, "meta/modality.json: ", *says)

    def test_values_that_no_part_names(self):
        for name, shift, *says in [
            ("all", 1, "values 0 to 1 of action belong to none of RoboCasa's parts, action.base_motion (1 to 5)"),
            ("later", 1, "values 4 to 5 of action", "action.control_mode (5 to 6)"),
            ("none", 0, "values 12 to 13 of action", "action.gripper_close (11 to 12)"),
            ("head", 0, "values 12 to 13 of action", "action.gripper_close (11 to 12)"),
        ]:
            with self.subTest(name):
                self.setUp()
                dataset = self.robocasa()
                for table in dataset.tables:
                    table["action"] = [[*row, 0.5] for row in table["action"]]
                dataset.info["features"]["action"]["shape"] = [13]
                for part, span in dataset.modality["action"].items():
                    if name != "later" or part != "base_motion":
                        span["start"], span["end"] = span["start"] + shift, span["end"] + shift
                if name == "head":
                    dataset.modality["action"]["head"] = {"start": 12, "end": 13}
                self.refused(dataset, "meta/modality.json: ", *says)

    def test_parts_of_other_widths(self):
        for name, span, *says in [
            ("base_motion", {"start": 0, "end": 3}, "action.base_motion (0 to 3) has 3 values, 4 expected"),
            ("head", {"start": 3, "end": 1}, "action.head (3 to 1) has -2 values"),
            ("head", {"start": 3}, "action.head.end is None"),
        ]:
            with self.subTest(name, span=span):
                self.setUp()
                dataset = self.robocasa()
                dataset.modality["action"][name] = span
                self.refused(dataset, "meta/modality.json: ", *says)

    def test_damaged_descriptions_of_v3(self):
        for path, content, *says in [
            ("tasks.parquet", {"task_index": [0]}, "row 0: task is None"),
            ("tasks.parquet", {"task_index": [None], "task": ["a"]}, "row 0: task_index is None"),
            ("tasks.parquet", b"PAR1" + b"\0" * 99, "not a readable parquet file"),
            ("episodes/chunk-000/file-000.parquet", LFS.encode(), "Git LFS pointer"),
            ("episodes/chunk-000/file-000.parquet", {"episode_index": [0]}, "data/chunk_index is None"),
            ("episodes/chunk-000/file-000.parquet", {"length": [0]}, "episode_index is None"),
        ]:
            with self.subTest(path, content=str(content)[:30]):
                self.setUp()

                def damage(source):
                    if isinstance(content, bytes):
                        with open(f"{source}/meta/{path}", "wb") as file:
                            file.write(content)
                    else:
                        write_parquet(f"{source}/meta/{path}", content)
                self.refused(self.tables(version="v3.0"), f"meta/{path}", *says, damage=damage)
        self.setUp()
        self.refused(self.tables(version="v3.0"), "meta/episodes: no parquet file",
                     damage=lambda source: shutil.rmtree(f"{source}/meta/episodes"))

    def test_folders_in_place_of_files(self):
        for path in ("meta/info.json", "meta/episodes.jsonl", "meta/tasks.jsonl", FIRST,
                     f"videos/chunk-000/{CAMERA}/episode_000000.mp4"):
            with self.subTest(path):
                self.setUp()

                def damage(source):
                    os.remove(f"{source}/{path}")
                    os.mkdir(f"{source}/{path}")
                self.refused(LeRobotSet(), path, "a folder, where a file is expected", damage=damage)
        self.setUp()

        def pipe(source):
            os.remove(f"{source}/{FIRST}")
            os.mkfifo(f"{source}/{FIRST}")
        self.refused(self.tables(), FIRST, "not an ordinary file", damage=pipe)

    # values

    def test_missing_values(self):
        for column, row, value, *says in [
            ("action", 2, [0.0, None, 0.0, 0.0], "row 2, value 1: null"), ("action", 4, None, "row 4: null"),
            ("action", 1, [0.0, 0.0, 0.0, float("nan")], "row 1, value 3: nan"),
            ("action", 1, [float("-inf"), 0.0, 0.0, 0.0], "row 1, value 0: -inf"),
            ("observation.state", 0, [None, 0.0], "row 0, value 0: null"),
            ("observation.state", 3, [0.0, float("nan")], "row 3, value 1: nan"),
            ("next.reward", 2, None, "row 2: null"), ("next.reward", 2, float("nan"), "row 2: nan"),
            ("next.done", 0, None, "row 0: null"), ("task_index", 1, None, "row 1: null"),
            ("action", 3, [0.0, 1.0], "row 3: 2 values, 4 before"),
            ("action", 3, [0.0] * 5, "row 3: 5 values, 4 before"),
        ]:
            for version in ("v2.1", "v3.0"):
                with self.subTest(column, value=value, version=version):
                    self.setUp()
                    dataset = self.tables(version=version)
                    column_values = list(dataset.tables[1][column])
                    column_values[row] = value
                    dataset.tables[1][column] = column_values
                    first = 5 if version == "v3.0" and column == "task_index" else 0  # found by the file's rows
                    says = [one.replace("row 1:", f"row {first + 1}:") if first else one for one in says]
                    where = dataset.data(1) if column == "task_index" else f"{dataset.data(1)}: episode 1"
                    self.refused(dataset, where, f"column {column}", *says)

    def test_kinds_that_are_no_numbers(self):
        for column, values, *says in [
            ("action", lambda count: ["a"] * count, "column action holds string, not numbers"),
            ("action", lambda count: [["a", "b"]] * count, "string>, not numbers"),
            ("action", lambda count: [{"x": 1.0}] * count, "struct<x: double>, not numbers"),
            ("action", lambda count: pa.array([[]] * count, pa.list_(pa.float64())), "no values in a row"),
            ("observation.state", lambda count: pa.array([[]] * count, pa.list_(pa.float64())), "no values in a row"),
            ("next.reward", lambda count: [[1.0, 2.0]] * count, "2 values a row, 1 expected"),
            ("frame_index", lambda count: ["a"] * count, "column frame_index: holds string"),
            ("frame_index", lambda count: [[0, 1]] * count, "column frame_index: more than one value a row"),
            ("action", lambda count: pa.array([1 << 60] * count), "too large to be kept exactly"),
        ]:
            with self.subTest(column, says=says):
                self.setUp()
                dataset = self.tables(features=False)
                for episode, table in enumerate(dataset.tables):
                    table[column] = values(dataset.lengths[episode])
                self.refused(dataset, FIRST, *says)

    def test_widths_that_differ_between_episodes(self):
        dataset = self.tables(features=False)
        dataset.tables[2]["action"] = dataset.actions[2][:, :3].tolist()
        self.refused(dataset, "episode_000002.parquet", "3 values a row, 4 in the episodes before")

    def test_a_column_that_some_lack(self):
        for column in ("action", "observation.state"):
            with self.subTest(column):
                self.setUp()
                dataset = self.tables(features=False)
                del dataset.tables[2][column]
                self.refused(dataset, "episode_000002.parquet", f"no column {column}")

    def test_no_actions(self):
        dataset = self.tables(features=False)
        for table in dataset.tables:
            del table["action"]
        self.refused(dataset, "no column action; there are observation.state")

    def test_names_that_hdf5_has_for_itself(self):
        for name in ("observation.", "observation..", "observation.images."):
            with self.subTest(name):
                self.setUp()
                dataset = self.tables(features=False)
                for episode, table in enumerate(dataset.tables):
                    table[name] = (dataset.states[episode].tolist() if name != "observation.images."
                                   else [b""] * dataset.lengths[episode])
                self.refused(dataset, f"column '{name}' has no name")

    def test_images_that_are_not_there(self):
        dataset = LeRobotSet(camera="image")
        for table in dataset.tables:
            del table[CAMERA]
        self.refused(dataset, FIRST, f"no column {CAMERA} of images")

    def test_two_columns_for_one_key(self):
        dataset = self.tables(features=False)
        for table in dataset.tables:
            table["observation.a/b"] = table["observation.a.b"] = table["observation.state"]
        self.refused(dataset, "would both become obs/a.b")

    # modality.json

    def test_modality_that_does_not_fit(self):
        def narrow(dataset):
            for episode, table in enumerate(dataset.tables):
                table["action"] = dataset.actions[episode][:, :7].tolist()
            del dataset.info["features"]

        def part(kind, name, value):
            def change(dataset):
                dataset.modality[kind][name] = value
            return change

        for name, (change, *says) in {
            "narrow": (narrow, FIRST, "names values 5 to 8 of action, which has 7"),
            "state beyond": (part("state", "gripper_qpos", {"start": 1, "end": 3}), FIRST, "values 1 to 3"),
            "too wide": (part("action", "base_motion", {"start": 0, "end": 5}), "has 5 values, 4 expected"),
            "negative": (part("action", "base_motion", {"start": -4, "end": 0}), "action.base_motion.start is -4"),
            "text": (part("action", "base_motion", {"start": "0", "end": 4}), "start is '0'"),
            "no end": (part("action", "base_motion", {"start": 0}), "end is None"),
            "no column": (part("state", "gripper_qpos", {"start": 0, "end": 2, "original_key": "observation.x"}),
                          FIRST, "no column observation.x"),
            "no key": (part("state", "gripper_qpos", {"start": 0, "end": 2, "original_key": 3}), "original_key is 3"),
            "no camera": (part("video", "wrist", {}), "observation.images.wrist/episode_000000.mp4: no such file"),
            "missing": (lambda dataset: dataset.modality["action"].pop("gripper_close"), "no action gripper_close"),
        }.items():
            with self.subTest(name):
                self.setUp()
                dataset = LeRobotSet(modality=True)
                change(dataset)
                self.refused(dataset, *says)

    def test_null_is_no_open_gripper(self):
        dataset = LeRobotSet(modality=True)
        dataset.tables[0]["action"][2][11] = None
        self.refused(dataset, FIRST, "episode 0, column action: row 2, value 11: null")

    # frames

    def video_cases(self):
        first = f"videos/chunk-000/{CAMERA}/episode_000000.mp4"

        def cut(source):
            with open(f"{source}/{first}", "rb") as file:
                head = file.read()[:600]
            with open(f"{source}/{first}", "wb") as file:
                file.write(head)

        def write(content):
            def damage(source):
                with open(f"{source}/{first}", "wb") as file:
                    file.write(content)
            return damage

        def encode(frames):
            return lambda source: write_video(f"{source}/{first}", frames)

        def sound(source):
            import av
            with av.open(f"{source}/{first}", "w") as video:
                stream = video.add_stream("aac", rate=44100, layout="mono")
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate = 44100
                video.mux(stream.encode(frame))
                video.mux(stream.encode())

        frames = list(LeRobotSet().frames[0])
        small = [frame[:32, :32] for frame in frames]
        return {
            "missing": (lambda source: os.remove(f"{source}/{first}"), first, "no such file"),
            "cut": (cut, first, "not a readable video"), "text": (write(b"hello" * 99), first, "not a readable video"),
            "empty": (write(b""), first, "empty"), "lfs": (write(LFS.encode()), first, "Git LFS pointer"),
            "fewer": (encode(frames[:4]), first, "4 frames for 5 steps"),
            "more": (encode(frames + frames), first, "10 frames for 5 steps"),
            "size": (encode(small), first, "frame 0 is 32 x 32; meta/info.json says 48 x 64"),
            "turned": (encode([frame.transpose(1, 0, 2).copy() for frame in frames]), first, "is 64 x 48"),
            "sound": (sound, first, "no video in it"),
        }

    def test_videos(self):
        for name, (damage, *says) in self.video_cases().items():
            with self.subTest(name):
                self.setUp()
                self.refused(LeRobotSet(), *says, damage=damage)

    def test_videos_of_sizes_that_differ(self):
        path = f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
        self.refused(LeRobotSet(features=False), path, "frame 0 is 32 x 32, 48 x 64 before",
                     damage=lambda source: write_video(f"{source}/{path}", [np.zeros((32, 32, 3), np.uint8)] * 7))

    def test_a_camera_that_some_lack(self):
        for features in (True, False):
            with self.subTest(features=features):
                self.setUp()
                path = f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
                self.refused(LeRobotSet(features=features), path, "no such file",
                             damage=lambda source: os.remove(f"{source}/{path}"))

    def test_a_damaged_video(self):
        """Its container is whole, bytes of its frames are not."""
        path = f"videos/chunk-000/{CAMERA}/episode_000000.mp4"

        def damage(source):
            with open(f"{source}/{path}", "rb") as file:
                data = bytearray(file.read())
            at = data.index(b"mdat") + 4
            size = struct.unpack(">I", data[at - 8:at - 4])[0] - 8
            data[at + size // 4:at + size // 2] = bytes(range(256)) * size  # longer, then cut
            with open(f"{source}/{path}", "wb") as file:
                file.write(data)

        def noise(source):
            with open(f"{source}/{path}", "rb") as file:
                data = bytearray(file.read())
            at = data.index(b"mdat") + 4
            size = struct.unpack(">I", data[at - 8:at - 4])[0] - 8
            low, high = at + size // 4, at + size * 3 // 4
            data[low:high] = np.random.default_rng(1).integers(0, 256, high - low, np.uint8).tobytes()
            with open(f"{source}/{path}", "wb") as file:
                file.write(data)

        for name, spoil in {"noise": noise, "moved": damage}.items():
            with self.subTest(name):
                self.setUp()
                dataset = LeRobotSet(lengths=(11,))
                dataset.codec, dataset.video_options = "mpeg4", {}
                self.refused(dataset, path, damage=spoil)

    def test_clips_of_v3(self):
        key = f"videos/{CAMERA}"

        def add(name, value, episode=1):
            def change(rows):
                rows[episode][f"{key}/{name}"] = value if not isinstance(value, float) else (
                    rows[episode][f"{key}/{name}"] + value)
            return change

        def swapped(rows):
            for name in ("from_timestamp", "to_timestamp"):
                rows[0][f"{key}/{name}"], rows[1][f"{key}/{name}"] = rows[1][f"{key}/{name}"], rows[0][f"{key}/{name}"]

        for name, (change, *says) in {
            "one more": (add("to_timestamp", 0.1, 0), "6 frames for 5 steps"),
            "one less": (add("to_timestamp", -0.1), "6 frames for 7 steps"),
            "earlier": (add("from_timestamp", -0.1), "8 frames for 7 steps"),
            "beyond": (add("to_timestamp", 5.0, 2), None),
            "null": (add("from_timestamp", None), "from None to"),
            "file": (add("file_index", 7), "file-007.mp4: no such file"),
            "swapped": (swapped, "7 frames for 5 steps"),
        }.items():
            with self.subTest(name):
                self.setUp()
                dataset = LeRobotSet("v3.0")
                if says[0] is None:  # there are no frames beyond the file's end
                    source = dataset.write(f"{self.folder}/set", change)
                    self.succeeds(source, f"{self.out}/out.hdf5")
                else:
                    self.refused(dataset, *says, change=change)

    def test_a_frame_that_is_missing_inside_of_a_clip(self):
        """As many frames as rows, one of them late: the count alone would not tell."""
        dataset = LeRobotSet("v3.0", lengths=(5,))
        dataset.data_files = {0: (0, 0)}

        def damage(source):
            write_video(f"{source}/{dataset.video(0)}", dataset.frames[0], places=[0, 1, 3, 4, 5])

        def longer(rows):
            rows[0][f"videos/{CAMERA}/to_timestamp"] = 0.6
        self.refused(dataset, dataset.video(0), "frame 2", "is at 0.3 s, 0.2 s expected", damage=damage, change=longer)

    def test_a_frame_that_is_missing_in_a_video_of_v2(self):
        """As many frames as rows, since the last one is there twice: the images after the gap would be of the next rows."""
        for fps in (10, None):
            with self.subTest(fps=fps):
                self.setUp()
                dataset = LeRobotSet()
                dataset.info["fps"] = fps
                frames = [*dataset.frames[1][:2], *dataset.frames[1][3:], dataset.frames[1][-1]]
                self.refused(
                    dataset, f"{dataset.video(1)}: frame 2 is at 0.3 s, 0.2 s expected", "encode it again",
                    damage=lambda source: write_video(f"{source}/{dataset.video(1)}", frames, places=[0, 1, *range(3, 8)]))

    def test_a_video_of_another_rate_in_v2(self):
        for fps, says in {5: "frame 1 is at 0.2 s, 0.1 s expected", 30: "frame 1 is at 0.0333333 s, 0.1 s expected"}.items():
            with self.subTest(fps=fps):
                self.setUp()
                dataset = LeRobotSet()
                self.refused(dataset, dataset.video(0), says,
                             damage=lambda source: write_video(f"{source}/{dataset.video(0)}", dataset.frames[0], fps=fps))

    def test_images(self):
        good = LeRobotSet().frames[0][1]
        gray = png(good[..., 0])
        for name, (cell, *says) in {
            "null": (None, "no image"), "nothing": ({"bytes": None, "path": None}, "no image"),
            "cut": ({"bytes": png(good)[:-40], "path": None}, "a damaged image"),
            "text": ({"bytes": b"hello", "path": None}, "a damaged image"),
            "empty": ({"bytes": b"", "path": None}, "a damaged image"),
            "size": ({"bytes": png(good[:30]), "path": None}, "frame 1 is 30 x 64; meta/info.json says 48 x 64"),
            "gray": ({"bytes": gray, "path": None}, "1 channel, mode L, where the others have color"),
            "missing": ({"bytes": None, "path": "images/x.png"}, "images/x.png: no such file"),
            "outside": ({"bytes": None, "path": "/etc/hostname"}, "outside of the dataset"),
            "above": ({"bytes": None, "path": "../../x.png"}, "outside of the dataset"),
        }.items():
            for version in ("v2.1", "v3.0"):
                with self.subTest(name, version=version):
                    self.setUp()
                    dataset = LeRobotSet(version, camera="image")
                    dataset.tables[1][CAMERA][1] = cell
                    self.refused(dataset, *says)

    # parquet files

    def test_damaged_parquet(self):
        def cut(source):
            size = os.path.getsize(f"{source}/{FIRST}")
            os.truncate(f"{source}/{FIRST}", size // 2)

        def write(content):
            def damage(source):
                with open(f"{source}/{FIRST}", "wb") as file:
                    file.write(content)
            return damage

        def flip(source):
            """A byte of the values, in a file that has check sums."""
            table = parquet.read_table(f"{source}/{FIRST}")
            write_parquet(f"{source}/{FIRST}", table, write_page_checksum=True, compression="none",
                          use_dictionary=False)
            with open(f"{source}/{FIRST}", "rb") as file:
                data = bytearray(file.read())
            at = data.index(np.float64(table["action"][2].as_py()[1]).tobytes())
            data[at + 6] ^= 1
            with open(f"{source}/{FIRST}", "wb") as file:
                file.write(data)

        for name, (damage, says) in {
            "cut": (cut, "not a readable parquet file"), "text": (write(b"hello" * 99), "not a readable parquet file"),
            "empty": (write(b""), "empty"), "lfs": (write(LFS.encode()), "Git LFS pointer"),
            "flip": (flip, "not a readable parquet file"),
        }.items():
            with self.subTest(name):
                self.setUp()
                self.refused(self.tables(), FIRST, says, damage=damage)

    def test_extras(self):
        folder = "extras/episode_000000"
        for path, content, *says in [
            (f"{folder}/ep_meta.json", b"{", "not JSON"), (f"{folder}/ep_meta.json", b"[]", "a JSON object"),
            (f"{folder}/model.xml.gz", b"hello", "not a readable gzip text"),
            (f"{folder}/states.npz", b"hello", "not readable states"),
            (f"{folder}/states.npz", np.zeros((4, 3)), "shape [4, 3], float64, for 5 steps"),
            (f"{folder}/states.npz", np.full((5, 3), np.nan), "row 0: a value that is no number"),
            (f"{folder}/states.npz", np.array([["a"]] * 5), "for 5 steps"),
            ("extras/dataset_meta.json", b'{"env_args": 3}', "env_args is 3"),
            ("extras/dataset_meta.json", b'{"env_args": "{"}', "env_args: not JSON"),
        ]:
            with self.subTest(path, says=says):
                self.setUp()

                def damage(source):
                    os.makedirs(f"{source}/{folder}", exist_ok=True)
                    if isinstance(content, bytes):
                        with open(f"{source}/{path}", "wb") as file:
                            file.write(content)
                    else:
                        np.savez(f"{source}/{path}", states=content)
                self.refused(self.tables(), path, *says, damage=damage)


if __name__ == "__main__":
    unittest.main()
