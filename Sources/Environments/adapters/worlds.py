"""What adapters of simulators that are built on robosuite share: what is sensed, images, states."""
import numpy as np

import wire

# Of one arm, in all of them: width, unit, frame, order of a quaternion.
VECTORS = {
    "robot0_eef_pos": (3, "m", "world", None),
    "robot0_eef_quat": (4, "1", "world", "xyzw"),
    "robot0_gripper_qpos": (2, "m", None, None),
    "robot0_gripper_qvel": (2, "m/s", None, None),
    "robot0_joint_pos": (7, "rad", None, None),
    "robot0_joint_vel": (7, "rad/s", None, None),
}
TO_HAND = "robot0_base_to_eef_pos"
# What the hand's step of 1 is: m, rad.
STEP = np.array([0.05] * 3 + [0.5] * 3)
ARM = [{"name": f"arm_{turn}{axis}", "unit": unit, "low": -1, "high": 1}
       for turn, unit in (("", "0.05 m"), ("r", "0.5 rad")) for axis in "xyz"]
GRIPPER = {"name": "gripper", "unit": "-1 open, +1 close", "low": -1, "high": 1}


class RobosuiteAdapter(wire.Adapter):
    """Its adapters set `cameras`, `drawing`, and with each episode `world`, `gripper` and `seen`, robosuite's observation."""

    vectors = VECTORS

    def show(self):
        """Makes ready to draw the world that was made."""
        # Not every task has every camera.
        wire.choose("camera", self.cameras, list(self.world.sim.model.camera_names))
        if self.cameras:
            self.drawing.load(self.world.sim.model._model)
            # Not the shapes that collide, but those that are shown.
            self.drawing.shown.geomgroup[:2] = 0, 1

    def observation(self):
        seen = {key: self.seen[key] for key in self.vectors}
        base = self.base() if self.drawing.depth else None
        if base and TO_HAND not in seen:
            seen[TO_HAND] = base[1].T @ (np.asarray(self.seen["robot0_eef_pos"]) - base[0])
        if self.cameras:
            seen.update(self.drawing.seen(self.world.sim.data._data, self.cameras, base))
        return seen

    def base(self):
        """The robot's base in the world: (position, rotation)."""
        data, name = self.world.sim.data, self.world.robots[0].robot_model.root_body
        return data.get_body_xpos(name), data.get_body_xmat(name).reshape(3, 3)

    def geometry(self):
        """The depths, the calibrations and the hand's place among them, of the hello."""
        return {TO_HAND: wire.vector(3, "m", "robot base"), **self.drawing.vectors(self.cameras)} if self.drawing.depth else {}

    def delta(self, way, rotation, closes):
        """A step of the hand, m and rad, as an action."""
        return np.append(np.clip(np.concatenate([way, rotation]) / STEP, -1, 1), 1 if closes else -1)

    def state(self):
        # Robomimic's time, positions, velocities; then what the fingers were asked to do last, which builds up over steps.
        return np.concatenate([self.world.sim.get_state().flatten(), self.gripper.current_action])

    def restore(self, task, seed, pool, state):
        _, answer = self.reset(task, seed, pool)
        count = self.world.sim.get_state().flatten().size
        if state.size < count:
            raise wire.Problem("simulator", f"a state of {task} has {count} values here, not {state.size}")
        if state.size > count:
            self.gripper.current_action = state[count:]
        self.place(state[:count])
        return self.observation(), answer

    def observe(self, task, seed, pool, state, demonstration):
        answer = {}
        if demonstration is not None:
            with wire.working(300):
                answer = self.begin_demonstration(task, seed, pool, **demonstration)
        count = self.world.sim.get_state().flatten().size
        # Ours end with what the fingers were asked to do last, which nobody sees.
        if state.size not in (count, count + self.gripper.current_action.size):
            raise wire.Problem("simulator", f"a state has {state.size} values, the demonstration's model {count}: it is of another one")
        self.place(state[:count])
        return self.observation(), answer

    def begin_demonstration(self, task, seed, pool, model, metadata):
        """Makes the world of a demonstration: of its model if there is one, else of its seed. Returns its instruction."""
        _, answer = self.reset(task, seed, pool)
        if model:
            self.play(model)
        return {"instruction": answer["instruction"]}

    def play(self, model):
        """Puts a recorded model into the place of the world's, as robomimic and RoboCasa do when they play demonstrations back."""
        self.world.reset_from_xml_string(self.edited(model))
        self.world.sim.reset()
        # The fingers' last command has its lasting shape only after their first action.
        self.gripper.format_action(np.zeros(self.gripper.dof))
        self.show()

    def edited(self, model):
        """A model whose files are where they are on this machine."""
        return self.world.edit_model_xml(model)

    def place(self, state):
        """Puts the world into a state and looks at it."""
        self.world.sim.set_state_from_flattened(state)
        self.world.sim.forward()
        # What is shown and follows from the state: RoboCasa's running water, glowing stoves.
        self.world.update_state()
        self.seen = self.world._get_observations(force_update=True)
