"""robosuite 1.5's tasks of one arm, among them robomimic's Lift, Can, Square and ToolHang, with experts that lift, stack
and put the can away.

    pip install robosuite==1.5.2 mujoco==3.3.1

Options: tasks (all), robot Panda, control delta | absolute, frame world | base, cameras [agentview, robot0_eye_in_hand],
image_size 84, offsamples 0, shadowsize 1024, shadows true, reflections true, depth false, lite_physics false, reward_shaping true.
Robomimic's data was recorded with the defaults of control, frame and lite_physics. Robosuite calls the same tasks by longer
names; both are known. With a single one in `tasks`, observations have `object`, as robomimic has it: its width is the task's.
An action is the hand's step, +1 is 5 cm or 0.5 rad about an axis, or with `absolute` its goal; then the fingers. 20 a second.
"""
import numpy as np
from contextlib import suppress

import drawing
import wire
import worlds

INSTALL = "robosuite==1.5.2 mujoco==3.3.1"
OPTIONS = ["tasks", "robot", "control", "frame", "cameras", "lite_physics", "reward_shaping", *drawing.OPTIONS]
# Robosuite's name, steps until an attempt has failed, instruction.
TASKS = {
    "Lift": ("Lift", 400, "lift the cube"),
    "Can": ("PickPlaceCan", 400, "put the can into its bin"),
    "Square": ("NutAssemblySquare", 400, "put the square nut onto its peg"),
    "ToolHang": ("ToolHang", 700, "hang the tool on the frame"),
    "Stack": ("Stack", 400, "stack the red cube on the green cube"),
    "Door": ("Door", 500, "open the door"),
    "PickPlace": ("PickPlace", 1000, "put every object into its bin"),
    "PickPlaceSingle": ("PickPlaceSingle", 400, "put the object into its bin"),
    "PickPlaceMilk": ("PickPlaceMilk", 400, "put the milk into its bin"),
    "PickPlaceBread": ("PickPlaceBread", 400, "put the bread into its bin"),
    "PickPlaceCereal": ("PickPlaceCereal", 400, "put the cereal into its bin"),
    "PickPlaceCan": ("PickPlaceCan", 400, "put the can into its bin"),
    "NutAssembly": ("NutAssembly", 1000, "put the nuts onto their pegs"),
    "NutAssemblySingle": ("NutAssemblySingle", 400, "put the nut onto its peg"),
    "NutAssemblySquare": ("NutAssemblySquare", 400, "put the square nut onto its peg"),
    "NutAssemblyRound": ("NutAssemblyRound", 400, "put the round nut onto its peg"),
}
WITH_EXPERT = ["Lift", "Stack", "Can", "PickPlaceCan"]


class Robosuite(worlds.RobosuiteAdapter):
    def hello(self, options):
        self.tasks = tasks = wire.option(options, "tasks", list(TASKS))
        self.robot = wire.option(options, "robot", "Panda")
        self.control = wire.option(options, "control", "delta")
        self.frame = wire.option(options, "frame", "world")
        self.cameras = wire.option(options, "cameras", ["agentview", "robot0_eye_in_hand"])
        self.lite_physics = wire.option(options, "lite_physics", False)
        self.reward_shaping = wire.option(options, "reward_shaping", True)
        self.drawing = drawing.Drawing(options, self.cameras, size=84)
        wire.no_more(options, OPTIONS)
        wire.choose("task", tasks, TASKS)
        wire.choose("control", [self.control], ["delta", "absolute"])
        wire.choose("frame", [self.frame], ["world", "base"])
        with wire.working(180):
            wire.require("robosuite", INSTALL)
            wire.pin("robosuite", "1.5", INSTALL)
            # Others fail in an assertion with every task.
            wire.pin("mujoco", "3.3", INSTALL)
            import robosuite
            from scipy.spatial.transform import Rotation

            import experts
            self.make, self.experts, self.Rotation = robosuite.make, experts, Rotation
            self.arguments = self.made_arguments()
            self.begin(tasks[0], 0)
        seen = self.seen
        self.vectors = {key: about for key, about in worlds.VECTORS.items() if key in seen}
        vectors = {key: wire.vector(len(seen[key]), *about) for key, (_, *about) in self.vectors.items()}
        self.has_object = len(tasks) == 1
        if self.has_object:
            vectors["object"] = wire.vector(len(seen["object-state"]), frame="world")
        vectors |= self.geometry()
        return {
            "name": "robosuite",
            "versions": wire.versions("robosuite", "mujoco", "numpy", "scipy"),
            "tasks": [{"name": task, "group": "robomimic" if task in list(TASKS)[:4] else "robosuite",
                       "horizon": TASKS[task][1]} for task in tasks],
            "action": {"dimensions": self.dimensions(), "control_hertz": 20,
                       "control": f"OSC_POSE, {self.control}, in the frame of the {self.frame}"},
            "observations": {"images": self.drawing.images(self.cameras), "vectors": vectors},
            "arguments": {**self.arguments, "camera_names": self.cameras, **self.drawing.arguments},
            "capabilities": ["state", "restore", "observe", "models"] + ["expert"] * any(task in WITH_EXPERT for task in tasks),
        }

    def dimensions(self):
        arm = worlds.ARM
        if self.control == "absolute":
            # Goals have no limits that anyone states.
            arm = [{"name": step["name"], "unit": step["unit"].split()[1]} for step in arm]
        return [*arm, worlds.GRIPPER]

    def made_arguments(self):
        arm = {
            "type": "OSC_POSE", "input_max": 1, "input_min": -1, "output_max": list(worlds.STEP), "output_min": list(-worlds.STEP),
            "kp": 150, "damping_ratio": 1, "impedance_mode": "fixed", "kp_limits": [0, 300],
            "damping_ratio_limits": [0, 10], "position_limits": None, "orientation_limits": None,
            "uncouple_pos_ori": True, "input_type": self.control, "input_ref_frame": self.frame, "interpolation": None,
            "ramp_ratio": 0.2, "gripper": {"type": "GRIP"},
        }
        return {"robots": [self.robot], "controller_configs": {"type": "BASIC", "body_parts": {"right": arm}},
                "control_freq": 20, "lite_physics": self.lite_physics, "reward_shaping": self.reward_shaping}

    def begin(self, task, seed):
        """A world made again: sizes and places follow from the seed alone."""
        with suppress(AttributeError):
            self.world.close()
        self.task, self.script = task, None
        self.world = self.make(
            TASKS[task][0], **self.arguments, seed=seed, horizon=100_000, ignore_done=True, hard_reset=False,
            has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False, renderer="mujoco")
        self.seen = self.world.reset()
        self.robot0 = self.world.robots[0]
        # The fingers' last command is part of states, and has its lasting shape only after their first action.
        self.gripper = self.robot0.gripper["right"]
        self.gripper.format_action(np.zeros(self.gripper.dof))
        self.show()

    def reset(self, task, seed, pool):
        wire.choose("task", [task], self.tasks)
        self.begin(task, wire.simulator_seed(task, seed, pool))
        return self.observation(), {"instruction": TASKS[task][2], "model": self.world.sim.model.get_xml()}

    def step(self, action):
        if action.shape != (7,):
            raise wire.Problem("action", f"robosuite takes 7 values, got {action.shape}")
        self.seen, reward, _, _ = self.world.step(action)
        return self.observation(), {"reward": float(reward), "success": bool(self.world._check_success())}

    def observation(self):
        seen = super().observation()
        if self.has_object:
            seen["object"] = self.seen["object-state"]
        return seen

    # the expert

    def expert(self, seed, noise):
        if self.task not in WITH_EXPERT:
            raise wire.Problem("simulator", f"there is no expert for {self.task}, only for {', '.join(WITH_EXPERT)}")
        data, world = self.world.sim.data, self.world
        if self.script is None:
            self.script = self.experts.PickAndPlace(seed, noise, carry=0.1 if self.task in ("Lift", "Stack") else 0.15)
        hand = data.get_site_xpos("gripper0_right_grip_site").copy()
        turn = data.get_site_xmat("gripper0_right_grip_site").copy()
        if self.task == "Lift":
            thing, goal = world.cube, None
        elif self.task == "Stack":
            thing, below = world.cubeA, data.body_xpos[world.sim.model.body_name2id(world.cubeB.root_body)]
            goal = below + [0, 0, world.cubeA.size[2] + world.cubeB.size[2] + 0.005]
        else:
            thing = world.objects[world.object_id]
            goal = world.target_bin_placements[world.object_id] - [0, 0, thing.bottom_offset[2] - 0.03]
        body = world.sim.model.body_name2id(thing.root_body)
        place = data.body_xpos[body].copy()
        # Boxes are taken at their sides, round things anyhow.
        axes = data.body_xmat[body].reshape(3, 3)[:, :2].T if self.task in ("Lift", "Stack") else []
        if goal is not None:
            goal = goal + hand - place
        held = world._check_grasp(gripper=self.robot0.gripper, object_geoms=thing)
        opening = abs(self.seen["robot0_gripper_qpos"]).sum()
        way, rotation, closes = self.script.act(hand, turn, place, axes, held, opening, goal)
        return self.action(hand, turn, way, rotation, closes)

    def action(self, hand, turn, way, rotation, closes):
        """A way and a rotation of the hand, seen from the world, as an action."""
        controller = self.robot0.part_controllers["right"]
        base = np.eye(3) if self.frame == "world" else controller.origin_ori
        if self.control == "delta":
            return self.delta(base.T @ way, base.T @ rotation, closes)
        place = hand + way if self.frame == "world" else base.T @ (hand + way - controller.origin_pos)
        turned = base.T @ self.Rotation.from_rotvec(rotation).as_matrix() @ turn
        return np.concatenate([place, self.Rotation.from_matrix(turned).as_rotvec(), [1 if closes else -1]])


if __name__ == "__main__":
    wire.serve(Robosuite())
