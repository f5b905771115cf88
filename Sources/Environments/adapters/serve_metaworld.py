"""Meta-World's v3 tasks with their scripted experts.

    pip install metaworld==3.1.1 mujoco==3.3.0 packaging

Options: cameras [corner, gripperPOV], image_size 128, offsamples 0, shadowsize 1024, shadows true, reflections true, depth false.
An action is what Meta-World takes: three steps of the hand, +1 is 1 cm, and the fingers' effort; 80 a second (5 steps of 2.5 ms).
Meta-World's corner cameras hang upside down: their images are turned by 180 degrees.
"""
import copy

import numpy as np

import drawing
import wire

INSTALL = "metaworld==3.1.1 mujoco==3.3.0 packaging"
OPTIONS = ["cameras", *drawing.OPTIONS]
CAMERAS = ["topview", "corner", "corner2", "corner3", "corner4", "behindGripper", "gripperPOV"]
# How far the expert's action strays at noise 1, in actions.
STRAYING = 0.1
# At noise 1 the hand is pushed aside so often, a step, for so many steps: a policy has to see how to return. An expert that is only
# jittered never leaves its path, and what imitates it presses down beside the button.
PUSHES, PUSHED = 0.03, (3, 7)
INSTRUCTIONS = {
    "assembly-v3": "put the ring onto the peg",
    "basketball-v3": "put the basketball into the basket",
    "bin-picking-v3": "move the puck from one bin to the other",
    "box-close-v3": "put the lid onto the box",
    "button-press-topdown-v3": "press the button from above",
    "button-press-topdown-wall-v3": "press the button from above, behind the wall",
    "button-press-v3": "press the button",
    "button-press-wall-v3": "press the button behind the wall",
    "coffee-button-v3": "press the button of the coffee machine",
    "coffee-pull-v3": "pull the mug away from the coffee machine",
    "coffee-push-v3": "push the mug under the coffee machine",
    "dial-turn-v3": "turn the dial",
    "disassemble-v3": "take the ring off the peg",
    "door-close-v3": "close the door",
    "door-lock-v3": "lock the door",
    "door-open-v3": "open the door",
    "door-unlock-v3": "unlock the door",
    "drawer-close-v3": "close the drawer",
    "drawer-open-v3": "open the drawer",
    "faucet-close-v3": "turn the faucet off",
    "faucet-open-v3": "turn the faucet on",
    "hammer-v3": "hit the nail with the hammer",
    "hand-insert-v3": "put the hand into the hole",
    "handle-press-side-v3": "press the handle down from the side",
    "handle-press-v3": "press the handle down",
    "handle-pull-side-v3": "pull the handle up from the side",
    "handle-pull-v3": "pull the handle up",
    "lever-pull-v3": "pull the lever up",
    "peg-insert-side-v3": "put the peg into the hole from the side",
    "peg-unplug-side-v3": "pull the peg out of the hole",
    "pick-out-of-hole-v3": "take the puck out of the hole",
    "pick-place-v3": "bring the puck to the goal",
    "pick-place-wall-v3": "bring the puck over the wall to the goal",
    "plate-slide-back-side-v3": "slide the plate out of the net, sideways",
    "plate-slide-back-v3": "slide the plate out of the net",
    "plate-slide-side-v3": "slide the plate into the net, sideways",
    "plate-slide-v3": "slide the plate into the net",
    "push-back-v3": "pull the puck back to the goal",
    "push-v3": "push the puck to the goal",
    "push-wall-v3": "push the puck around the wall to the goal",
    "reach-v3": "reach the goal",
    "reach-wall-v3": "reach the goal behind the wall",
    "shelf-place-v3": "put the block onto the shelf",
    "soccer-v3": "push the ball into the goal",
    "stick-pull-v3": "pull the box with the stick",
    "stick-push-v3": "push the box with the stick",
    "sweep-into-v3": "sweep the block into the hole",
    "sweep-v3": "sweep the block off the table",
    "window-close-v3": "close the window",
    "window-open-v3": "open the window",
}


class MetaWorld(wire.Adapter):
    def hello(self, options):
        self.cameras = wire.option(options, "cameras", ["corner", "gripperPOV"])
        self.drawing = drawing.Drawing(options, self.cameras)
        wire.no_more(options, OPTIONS)
        wire.choose("camera", self.cameras, CAMERAS)
        with wire.working(120):
            wire.require("metaworld", INSTALL)
            wire.pin("metaworld", "3", INSTALL)
            self.mujoco = wire.require("mujoco", INSTALL)
            from metaworld.env_dict import ALL_V3_ENVIRONMENTS
            from metaworld.policies import ENV_POLICY_MAP
        self.kinds, self.experts = ALL_V3_ENVIRONMENTS, ENV_POLICY_MAP
        self.worlds, self.fresh = {}, {}
        self.task = None
        step = {"unit": "0.01 m", "low": -1, "high": 1}
        return {
            "name": "metaworld",
            "versions": wire.versions("metaworld", "mujoco", "gymnasium", "numpy"),
            "tasks": [{"name": name, "group": name.split("-")[0], "horizon": 500} for name in self.kinds],
            "action": {
                "dimensions": [{"name": "arm_x", **step}, {"name": "arm_y", **step}, {"name": "arm_z", **step},
                               {"name": "gripper", "unit": "-1 open, +1 close", "low": -1, "high": 1}],
                "control_hertz": 80,
                # The world's frame is the base's.
                "control": "mocap position, step in the base frame",
            },
            "observations": {
                "images": self.drawing.images(self.cameras),
                "vectors": {
                    "robot0_eef_pos": wire.vector(3, "m", "world"),
                    "robot0_gripper_opening": wire.vector(1, "0.1 m"),
                    # Position and orientation of two objects. The order of a quaternion's values differs from task to task.
                    "object": wire.vector(14, "m, 1", "world"),
                    "goal_pos": wire.vector(3, "m", "world"),
                    **({"robot0_base_to_eef_pos": wire.vector(3, "m", "robot base")} if self.drawing.depth else {}),
                    **self.drawing.vectors(self.cameras),
                },
            },
            "arguments": {"control_freq": 80, "camera_names": self.cameras, **self.drawing.arguments},
            "capabilities": ["expert", "state", "restore", "observe"],
        }

    def reset(self, task, seed, pool):
        self.begin(task, seed, pool)
        return self.observation(), {"instruction": INSTRUCTIONS.get(task, ""),
                                    "metadata": {"rand_vec": self.world._last_rand_vec}}

    def begin(self, task, seed, pool):
        wire.choose("task", [task], self.kinds)
        if task not in self.worlds:
            with wire.working(60):
                self.worlds[task] = self.made(task)
        if task != self.task and self.cameras:
            self.drawing.load(self.worlds[task].model)
        self.task, self.world = task, self.worlds[task]
        self.forget()
        self.world.seed(wire.simulator_seed(task, seed, pool))
        self.flat, _ = self.world.reset()
        self.script = None

    def made(self, task):
        world = self.kinds[task]()
        # A new goal with every reset, from the world's own random numbers, and shown to the policy.
        world._set_task_called, world._freeze_rand_vec, world.seeded_rand_vec = True, False, True
        world._partially_observable = False
        world.__dict__.pop("sawyer_observation_space", None)
        kinds = (np.ndarray, int, float, bool, type(None))
        self.fresh[task] = {name: copy.deepcopy(value) for name, value in vars(world).items() if isinstance(value, kinds)}
        return world

    def forget(self):
        """Some tasks place a goal by what the last episode left behind: everything is as in a new world."""
        mujoco, world = self.mujoco, self.world
        for name, value in self.fresh[self.task].items():
            setattr(world, name, copy.deepcopy(value))
        mujoco.mj_resetData(world.model, world.data)
        mujoco.mj_forward(world.model, world.data)

    def step(self, action):
        if self.task is None:
            raise wire.Problem("simulator", "a step before the first reset")
        if action.shape != (4,):
            raise wire.Problem("action", f"Meta-World takes 4 values, got {action.shape}")
        if self.world.curr_path_length >= self.world.max_path_length:
            raise wire.Problem("simulator", f"{self.task} ends after {self.world.max_path_length} steps")
        self.flat, reward, terminated, truncated, info = self.world.step(np.clip(action, -1, 1).astype(np.float32))
        return self.observation(), {"reward": float(reward), "success": bool(info["success"]),
                                    "terminated": bool(terminated), "truncated": bool(truncated)}

    def observation(self):
        data = self.world.data
        seen = {"robot0_eef_pos": self.flat[:3], "robot0_gripper_opening": self.flat[3:4], "object": self.flat[4:18],
                "goal_pos": self.world._target_pos}
        base = self.base() if self.drawing.depth else None
        if base:
            seen["robot0_base_to_eef_pos"] = base[1].T @ (self.flat[:3] - base[0])
        # A camera's own upwards, seen from the world: below the horizon when it hangs upside down.
        turned = [camera for camera in self.cameras if data.camera(camera).xmat[7] < -0.1]
        return {**seen, **self.drawing.seen(data, self.cameras, base, turned)}

    def base(self):
        """The robot's base in the world: (position, rotation)."""
        body = self.world.data.body("base")
        return body.xpos, body.xmat.reshape(3, 3)

    def expert(self, seed, noise):
        if self.script is None:
            self.script = self.experts[self.task]()
            self.random, self.left = np.random.default_rng(seed), 0
        action = np.clip(self.script.get_action(self.flat), -1, 1)
        if self.left == 0 and self.random.random() < PUSHES * noise:
            aside = self.random.standard_normal(3)
            self.aside, self.left = aside / np.linalg.norm(aside), self.random.integers(*PUSHED)
        if self.left > 0:
            self.left -= 1
            action[:3] = self.aside
        else:
            action[:3] += STRAYING * noise * self.random.standard_normal(3)
        return np.clip(action, -1, 1)

    def state(self):
        mujoco, world = self.mujoco, self.world
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.empty(mujoco.mj_stateSize(world.model, kind))
        mujoco.mj_getState(world.model, world.data, physics, kind)
        return np.concatenate([physics, self.flat, [world.curr_path_length]])

    def restore(self, task, seed, pool, state):
        _, answer = self.reset(task, seed, pool)
        self.place(state)
        return self.observation(), answer

    def observe(self, task, seed, pool, state, demonstration):
        answer = {}
        if demonstration is not None:
            self.begin(task, seed, pool)
            answer = {"instruction": INSTRUCTIONS.get(task, "")}
        self.place(state)
        return self.observation(), answer

    def place(self, state):
        mujoco, world, task = self.mujoco, self.world, self.task
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        count = mujoco.mj_stateSize(world.model, kind)
        if state.shape != (count + len(self.flat) + 1,):
            raise wire.Problem("simulator", f"a state of {task} has {count + len(self.flat) + 1} values, not {state.size}")
        # What was sensed is part of the state, the goal its last three values. Other versions draw others from a seed.
        goal = state[count:-1][36:39]
        if np.abs(goal - self.flat[36:39]).max() > 1e-4:
            raise wire.Problem("simulator", f"the state's goal is at {goal.round(3)}, that of the seed's scene at "
                               f"{self.flat[36:39].round(3)}: it is of another scene")
        mujoco.mj_setState(world.model, world.data, state[:count], kind)
        mujoco.mj_forward(world.model, world.data)
        self.flat, world.curr_path_length = state[count:-1].copy(), int(state[-1])
        world._prev_obs = self.flat[:18].copy()


if __name__ == "__main__":
    wire.serve(MetaWorld())
