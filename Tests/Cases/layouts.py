"""Whole files in the layouts of other toolkits."""
import json
import os

import h5py
import numpy as np

from making import ENV, STEPS, Reference, actions, case, decoded, each, encoded, maybe, pictures, positions, smooth, toy

# ---- ACT and ALOHA -------------------------------------------------------------------------------------------------------

EPISODE = dict(images=("top",), vectors=("qpos", "qvel"), inspect="any", repack=maybe("ACT"))


def episode(path, seed=0, steps=STEPS, compressed=False):
    with h5py.File(path, "w", rdcc_nbytes=1024**2 * 2) as file:
        file.attrs["sim"] = not compressed
        file["action"] = actions(seed, steps, 14).astype("f4")
        file["observations/qpos"] = positions(seed, steps, 14).astype("f4")
        file["observations/qvel"] = positions(seed + 50, steps, 14).astype("f4")
        if not compressed:
            file.create_dataset("observations/images/top", data=pictures(seed, steps), chunks=(1, 16, 16, 3))
            return
        file.attrs["compress"] = True
        file["observations/effort"] = positions(seed + 70, steps, 14)
        rows = [encoded(picture, quality=80) for picture in smooth(seed, steps)]
        padded = np.zeros((steps, max(map(len, rows))), np.uint8)
        for row, data in zip(padded, rows):
            row[: len(data)] = data
        file.create_dataset("observations/images/top", data=padded, chunks=(1, padded.shape[1]))
        file["compress_len"] = np.array([[len(data) for data in rows]], float)


def act(case, path):
    """Each file is an episode; a folder holds several."""
    several = os.path.isdir(path)
    files = [f"{path}/episode_{n}.hdf5" for n in range(len(os.listdir(path)))] if several else [path]
    arrays = {}
    for name in files:
        with h5py.File(name, "r", locking=False) as file:
            top = file["observations/images/top"][()]
            if top.ndim == 2:
                top = np.stack([decoded(row) for row in top])
            arrays[os.path.basename(name)[: -len(".hdf5")]] = {
                "actions": file["action"][()].astype(float), "obs/qpos": file["observations/qpos"][()].astype(float),
                "obs/qvel": file["observations/qvel"][()].astype(float), "obs/top": top}
    return Reference(arrays, dict.fromkeys(arrays, ""))


@case(**EPISODE, reference=act, demo="toy", notes=["note", "instruction"])
def aloha(folder):
    """One episode of ACT's layout (ALOHA's simulator)."""
    episode(f"{folder}/toy.hdf5")


@case(**EPISODE, reference=act, demo="toy")
def aloha_compressed(folder):
    """ALOHA's real robots: JPEG rows padded to the longest."""
    episode(f"{folder}/toy.hdf5", compressed=True)


@case(**EPISODE, reference=act, file="episodes", demo="episode_10")
def aloha_folder(folder):
    """A folder of episodes of different lengths; the tenth comes after the second."""
    os.makedirs(f"{folder}/episodes")
    for number in range(11):
        episode(f"{folder}/episodes/episode_{number}.hdf5", number, steps=6 + number)


@case(**{**EPISODE, "inspect": ["episode_1", "qpos"]}, train=["episode_1", "qpos"], file="episodes", play="any")
def aloha_folder_widths(folder):
    """A folder in which one episode is of another robot."""
    os.makedirs(f"{folder}/episodes")
    for number in range(3):
        episode(f"{folder}/episodes/episode_{number}.hdf5", number)
    with h5py.File(f"{folder}/episodes/episode_1.hdf5", "a") as file:
        del file["observations/qpos"]
        file["observations/qpos"] = positions(1, STEPS, 7)


# ---- others ------------------------------------------------------------------------------------------------------------


@case(unreadable=["traj_0"])
def maniskill(folder):
    """ManiSkill: trajectories at the top, groups inside obs, one more observation than actions, a JSON file beside."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        for i in range(3):
            group = file.create_group(f"traj_{i}")
            group["actions"] = actions(i, width=8).astype("f4")
            group["obs/agent/qpos"], group["obs/agent/qvel"] = positions(i, STEPS + 1, 9), positions(i, STEPS + 1, 9)
            group["obs/sensor_data/base_camera/rgb"] = pictures(i, STEPS + 1)
            group["env_states/actors/cube"] = np.zeros((STEPS + 1, 13), "f4")
            group["success"], group["terminated"] = np.zeros(STEPS, bool), np.zeros(STEPS, bool)
    with open(f"{folder}/toy.json", "w") as file:
        json.dump({"env_info": {"env_id": "PushCube-v1"}, "episodes": [{"episode_id": i} for i in range(3)]}, file)


@case(unreadable=[("observations", "actions")])
def d4rl(folder):
    """D4RL and Minari's flat arrays: one long row of steps, no demos."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file["actions"], file["observations"] = actions(steps=40), positions(steps=40)
        file["rewards"], file["terminals"], file["timeouts"] = np.zeros(40), np.zeros(40, bool), np.zeros(40, bool)


@case(unreadable=["action", "observation"])
def droid_raw(folder):
    """DROID's own trajectory.h5: groups of parts, films elsewhere."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        for name, width in (("cartesian_position", 6), ("gripper_position", 1), ("joint_velocity", 7)):
            file[f"action/{name}"] = actions(width=width)
        file["observation/robot_state/joint_positions"] = positions(width=7)
        file["observation/timestamp/cameras/123_frame_received"] = np.arange(STEPS)


@case(unreadable=[("episode", "data")])
def minari(folder):
    """Minari: episodes at the top."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        for i in range(3):
            file[f"episode_{i}/actions"], file[f"episode_{i}/observations"] = actions(i), positions(i, STEPS + 1)


@case(inspect="any", images=("table_cam", "wrist_cam"), vectors=("eef_pos", "gripper_pos"), demo="demo_3")
def isaac_lab(folder):
    """Isaac Lab: 32-bit floats, gaps where failed episodes were, states in groups, a success flag, no instruction."""
    with toy(folder, lang=None, env={"env_name": "Toy", "type": 2}, names=["demo_0", "demo_3", "demo_4", "demo_17"]) as file:
        for i, demo in each(file):
            del demo["obs"]
            demo.attrs["success"], demo.attrs["seed"] = True, 42 + i
            demo["obs/actions"] = actions(i).astype("f4")
            demo["obs/eef_pos"], demo["obs/gripper_pos"] = positions(i).astype("f4"), positions(i, width=2).astype("f4")
            for n, camera in enumerate(("table_cam", "wrist_cam")):
                demo.create_dataset(f"obs/{camera}", data=smooth(i + 5 * n), compression="gzip")
            demo["processed_actions"] = actions(i).astype("f4")
            demo["initial_state/articulation/robot/root_pose"] = np.zeros((1, 7), "f4")
            demo["states/articulation/robot/joint_position"] = np.zeros((STEPS, 9), "f4")
            demo["states/rigid_object/cube/root_pose"] = np.zeros((STEPS, 7), "f4")


@case(inspect="any", images=("agentview_rgb", "eye_in_hand_rgb"), vectors=("ee_pos", "gripper_states"))
def libero_keys(folder):
    """LIBERO's keys: cameras end with _rgb."""
    with toy(folder, lang=None) as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": ["push the toy"][0]})
        for i, demo in each(file):
            del demo["obs"]
            demo.attrs["init_state"] = np.zeros(50)
            demo["obs/agentview_rgb"], demo["obs/eye_in_hand_rgb"] = pictures(i), pictures(i + 9)
            demo["obs/ee_pos"], demo["obs/gripper_states"] = positions(i), positions(i, width=2)
            demo["rewards"], demo["dones"], demo["robot_states"] = np.zeros(STEPS, "u1"), np.zeros(STEPS, "u1"), positions(i, width=9)


@case(inspect="any", images=(), vectors=("object", "robot0_eef_pos", "robot0_eef_quat"), demo="demo_2")
def low_dim(folder):
    """robomimic's low_dim files: no camera, with next_obs."""
    with toy(folder, lang=None) as file:
        for i, demo in each(file):
            del demo["obs"]
            for part in ("obs", "next_obs"):
                demo[f"{part}/object"], demo[f"{part}/robot0_eef_pos"] = positions(i, width=10), positions(i + 5)
                demo[f"{part}/robot0_eef_quat"] = positions(i + 9, width=4)
            demo["states"], demo["rewards"], demo["dones"] = positions(i, width=32), np.zeros(STEPS), np.zeros(STEPS, "i8")
        file["mask/train"], file["mask/valid"] = np.array([b"demo_0", b"demo_2", b"demo_3"]), np.array([b"demo_1"])


@case(inspect="any")
def mimicgen(folder):
    """MimicGen: datagen_info and the source demo beside, an attribute of the whole task's text."""
    with toy(folder, env={**ENV, "env_name": "MG_Toy"}) as file:
        for i, demo in each(file):
            demo["datagen_info/eef_pose"] = np.tile(np.eye(4), (STEPS, 1, 1))
            demo["datagen_info/object_poses/cube"] = np.tile(np.eye(4), (STEPS, 1, 1))
            demo["datagen_info/subtask_term_signals/grasp"] = np.zeros(STEPS, "i8")
            demo["src_demo_inds"], demo["src_demo_labels"] = np.arange(3), np.zeros((STEPS, 1), "i8")
            demo.attrs["mp_end_steps"] = i


@case(inspect="any", images=("front_rgb", "wrist_rgb"), vectors=("joint_positions", "gripper_open"))
def rlbench_converted(folder):
    """RLBench turned into robomimic's layout: bool gripper, point clouds, masks."""
    with toy(folder, env=None) as file:
        for i, demo in each(file):
            del demo["obs"]
            demo["obs/front_rgb"], demo["obs/wrist_rgb"] = pictures(i), pictures(i + 9)
            demo["obs/front_point_cloud"] = np.zeros((STEPS, 16, 16, 3), "f4")
            demo["obs/front_mask"] = np.zeros((STEPS, 16, 16), "u1")
            demo["obs/joint_positions"], demo["obs/gripper_open"] = positions(i, width=7), np.arange(STEPS) % 2 == 0


@case(inspect="any", vectors=("pos", "stamp"))
def real_robot(folder):
    """A laboratory's own recorder: no env_args, clock times, words in obs, millimeters, a note in Latin letters."""
    with toy(folder, env=None, lang=None) as file:
        file.attrs["operator"], file.attrs["date"] = "Jörg", "2024-05-01"
        for i, demo in each(file):
            demo["obs/stamp"] = 1_714_557_600.25 + np.arange(STEPS) / 30
            demo["obs/lang"] = np.array(["push"] * STEPS, dtype=h5py.string_dtype())
            demo["obs/wrist_depth_mm"] = np.full((STEPS, 16, 16), 700, "u2")
            demo["obs/gripper_closed"] = np.arange(STEPS) % 2 == 0


@case(train=maybe("data"), inspect="either", play="any", repack="either")
def robosuite_states(folder):
    """robosuite's gathered file: model files, states, one joint_angles array."""
    with toy(folder) as file:
        file["data"].attrs["date"], file["data"].attrs["repository_version"] = "1-2-2024", "1.4.1"
        for i, demo in each(file):
            demo["states"], demo["joint_angles"] = positions(i, width=71), positions(i, width=7)
            demo.attrs["model_file"] = "<mujoco model='base'/>"
