"""What a demo holds: keys, groups, names."""
import json

import numpy as np

from making import STEPS, actions, case, each, maybe, pictures, positions, toy

# ---- keys --------------------------------------------------------------------------------------------------------------


@case(train=["demo_3", "pos"])
def key_in_some(folder):
    """A sensor that was plugged in for some demos only."""
    with toy(folder) as file:
        del file["data/demo_3/obs/pos"]


@case(train=["demo_1", "cam_image"])
def camera_in_one(folder):
    """Nine demos of which only the first was rendered."""
    with toy(folder, demos=9) as file:
        for i, demo in each(file):
            if i:
                del demo["obs/cam_image"]


@case(inspect="any")
def other_key_in_some(folder):
    """The same with a key that the recipe does not name."""
    with toy(folder) as file:
        file["data/demo_1/obs/wrench"] = positions(1, width=6)


@case(train=["obs"])
def no_obs(folder):
    """robosuite's raw collection: states and actions only, `env` in place of `env_args`."""
    with toy(folder, env=None) as file:
        file["data"].attrs["env"] = "Toy"
        file["data"].attrs["env_info"] = json.dumps({"env_name": "Toy", "robots": "Panda"})
        for _, demo in each(file):
            del demo["obs"]
            demo["states"] = np.zeros((STEPS, 40))


@case(train=["demo_2", "actions"])
def no_actions(folder):
    """A demo whose actions were never written."""
    with toy(folder) as file:
        del file["data/demo_2/actions"]


@case(train=["demo_2"])
def no_actions_at_all(folder):
    """A demo that is an empty group: the recorder stopped there."""
    with toy(folder) as file:
        del file["data/demo_2"]
        file.create_group("data/demo_2")


@case(train=["demo_2"])
def demo_is_array(folder):
    """A dataset where a demo should be."""
    with toy(folder) as file:
        del file["data/demo_2"]
        file["data/demo_2"] = np.zeros(3)


@case(train=["demo_2", "obs"])
def obs_is_array(folder):
    """`obs` is one array instead of a group, as low-dimensional benchmarks store it."""
    with toy(folder) as file:
        del file["data/demo_2/obs"]
        file["data/demo_2/obs"] = positions(2)


@case(train=["demo_0", "pos", ("group", "parts", "holds")], inspect="any")
def key_is_group(folder):
    """ManiSkill's agent state: `obs/pos` is a group of arrays."""
    with toy(folder) as file:
        for i, demo in each(file):
            del demo["obs/pos"]
            demo["obs/pos/qpos"], demo["obs/pos/qvel"] = positions(i), positions(i)


@case(inspect="any", repack="values")
def nested_obs(folder):
    """Isaac Lab Mimic: groups inside obs, and states outside."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["obs/datagen_info/eef_pose/franka"] = np.tile(np.eye(4), (STEPS, 1, 1))
            demo["obs/datagen_info/object_pose/cube_1"] = np.tile(np.eye(4), (STEPS, 1, 1))
            demo["obs/zz_last"] = positions(4)
            demo["initial_state/articulation/robot/joint_position"] = np.zeros((1, 9), "f4")


@case(inspect="any", vectors=("pos", "agent/qpos"))
def nested_key(folder):
    """A key inside a group of obs, named in the recipe."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/agent/qpos"] = positions(i + 10, width=5)


MATRIX = maybe("datagen_info/eef_pose/franka")


@case(train=MATRIX, inspect="any", vectors=("datagen_info/eef_pose/franka",), play="values", repack="values")
def nested_matrix(folder):
    """The pose of Isaac Lab Mimic's arm: a 4x4 matrix a step, inside two groups."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/datagen_info/eef_pose/franka"] = positions(i, width=16).reshape(STEPS, 4, 4)


@case(inspect="any", images=("sensor_data/cam/rgb",), play="any")
def nested_camera(folder):
    """ManiSkill's cameras are inside groups of obs."""
    with toy(folder) as file:
        for _, demo in each(file):
            file.move(f"{demo.name}/obs/cam_image", f"{demo.name}/obs/sensor_data/cam/rgb")


@case(inspect="any", vectors=("pos", "joint_pos"), images=("table_cam", "wrist_cam"))
def other_camera_names(folder):
    """Isaac Lab: cameras are called table_cam, not _image."""
    with toy(folder) as file:
        for i, demo in each(file):
            del demo["obs/cam_image"]
            demo["obs/table_cam"], demo["obs/wrist_cam"] = pictures(i), pictures(i + 5)
            demo["obs/joint_pos"] = positions(i + 5, width=9).astype("f4")
            demo["obs/actions"] = actions(i).astype("f4")


@case(images=("cam_image", "wide_image"))
def cameras_of_two_sizes(folder):
    """Two cameras of different sizes; beside each other in play."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/wide_image"] = np.random.default_rng(i).integers(0, 256, (STEPS, 20, 32, 3), dtype=np.uint8)


@case()
def next_obs(folder):
    """robomimic's next_obs, rewards and dones."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["next_obs/pos"], demo["rewards"], demo["dones"] = positions(i), np.zeros(STEPS), np.zeros(STEPS, "i8")


@case(actions=("action_dict/rel_pos", "action_dict/gripper"))
def action_parts(folder):
    """RoboCasa's and robomimic's action_dict: the recipe names the parts."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["action_dict/rel_pos"], demo["action_dict/gripper"] = actions(i, width=3).astype("f4"), actions(i + 9, width=1)[:, 0]


GROUP = ["actions", "cartesian_velocity", "from"]


@case(train=GROUP, play="either", repack="values")
def group_actions(folder):
    """DROID turned into robomimic's layout: `actions` is a group of parts."""
    with toy(folder) as file:
        for i, demo in each(file):
            del demo["actions"]
            demo["actions/cartesian_velocity"], demo["actions/gripper_position"] = actions(i, width=6), actions(i + 9, width=1)


@case(actions=("actions/cartesian_velocity", "actions/gripper_position"), inspect="any", play="either")
def group_actions_named(folder):
    """The same with the parts named in the recipe."""
    group_actions(folder)


# ---- names -------------------------------------------------------------------------------------------------------------


@case(demo="demo_00010")
def padded_names(folder):
    """Demos whose numbers are padded, with gaps, not from 0."""
    toy(folder, names=["demo_00002", "demo_00010", "demo_00007", "demo_00100"]).close()


@case()
def same_numbers(folder):
    """Two names of one number."""
    toy(folder, names=["demo_0", "demo_00", "demo_1", "demo_01"]).close()


@case(unreadable=["episode_0"])
def other_names(folder):
    """Demos that are not called demo_N."""
    toy(folder, names=["episode_0", "episode_1", "episode_2"]).close()


@case(inspect="any", images=("Kamera außen_image",), vectors=("手首 pos", "a.b-c"))
def unicode_names(folder):
    """Keys in other languages, with spaces and dots."""
    with toy(folder) as file:
        for i, demo in each(file):
            file.move(f"{demo.name}/obs/cam_image", f"{demo.name}/obs/Kamera außen_image")
            file.move(f"{demo.name}/obs/pos", f"{demo.name}/obs/手首 pos")
            demo["obs/a.b-c"] = positions(i + 5)


@case(inspect="any")
def odd_members(folder):
    """Names that break naive reports: quotes, tabs, line feeds, an escape."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo['obs/quo"te'], demo["obs/tab\tline\nfeed"], demo["obs/\x1b[31mred"] = positions(i), positions(i), positions(i)


@case(inspect="any")
def extras(folder):
    """What a rewriting must keep: attributes everywhere, a group in `data` that is no demo, a demo of another name."""
    with toy(folder) as file:
        file.attrs["license"] = "CC-BY-4.0"
        file["mask/2_demos"] = np.array(["demo_0", "demo_1"], dtype="S")
        file["mask"].attrs["made_by"] = "split.py"
        file["data/camera_info/intrinsics"] = np.eye(3)
        file["data/note"] = "recorded on a Monday"
        file.copy("data/demo_0", file["data"], "failed_0")
        for i in range(4):
            demo = file[f"data/demo_{i}"]
            demo["obs/cam_image"].attrs["fovy"] = 45.0
            demo["obs"].attrs["rate"] = 20.0
            demo["obs/pos"].attrs["unit"] = "m"
            demo.create_group("nothing").attrs["why"] = "empty groups count too"
