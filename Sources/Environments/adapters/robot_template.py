"""A real robot for ImitationKit. Copy this file and wire.py, and write the five methods of `Robot` for yours.

As it is, it moves a fake arm of three joints in a plane, so that everything can be tried without one:

    imitate record --environment robot:pick-and-place --set evaluation.simulator.max_turn=1 --episodes 2 --output demos.hdf5

The clock is ImitationKit's: it asks for a step at the control rate. A step writes the target, waits a part of the period for the
robot to move, and answers with what is seen then. What a policy asks for is clipped to the joints' limits, to a speed and to a
workspace. The robot holds when a step does not come in time, when anything fails, and when ImitationKit goes away.
"""
import contextlib
import threading
import time

import numpy as np

import wire

HERTZ = 10
# The part of a period that the robot has for moving before it is looked at. The rest is the policy's.
MOVING = 0.6
# Without a step for so long, the robot holds: seconds.
HOLD_AFTER = 0.3
JOINTS = ["shoulder", "elbow", "wrist"]
LOW, HIGH = np.array([-1.5, -2.5, -2.5]), np.array([1.5, 2.5, 2.5])
HOME = np.array([0.4, 0.8, 0.4])
# Radians a second. The fastest that a policy may move a joint, and that it goes home with.
SPEED, HOME_SPEED = 1.0, 0.5
# Where the hand may be, seen from the base: m.
WORKSPACE_LOW, WORKSPACE_HIGH = np.array([0.05, -0.6]), np.array([0.75, 0.6])
LINKS = np.array([0.35, 0.25, 0.15])


class Robot:
    """The fake arm. Its methods are what a real one needs; each must return quickly and raise when the robot does not answer."""

    def __init__(self):
        self.joints, self.target, self.last = HOME.copy(), HOME.copy(), time.monotonic()
        self.cup = np.array([0.5, 0.2])

    def read(self):
        """Returns the joints' angles, rad."""
        now = time.monotonic()
        most = 2 * SPEED * (now - self.last)
        self.joints, self.last = self.joints + np.clip(self.target - self.joints, -most, most), now
        return self.joints.copy()

    def write(self, target):
        """Sends the joints' next angles, rad. The robot's own controller goes there."""
        self.read()
        self.target = target.copy()

    def hand(self, joints):
        """Returns where the hand would be, seen from the base, m: the forward kinematics."""
        angles = np.cumsum(joints)
        return np.array([np.cos(angles) @ LINKS, np.sin(angles) @ LINKS])

    def grab(self):
        """Returns the camera's newest image: uint8 [height, width, 3], RGB, row 0 at the top."""
        image = np.full((96, 96, 3), 220, np.uint8)
        angles = np.cumsum(self.read())
        ends = np.concatenate([[[0, 0]], np.cumsum(LINKS[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), 0)])
        points = np.concatenate([np.linspace(one, two, 40) for one, two in zip(ends, ends[1:])])
        for place, half, color in [(self.cup, 4, (30, 90, 200))] + [(point, 1, (90, 90, 90)) for point in points]:
            row, column = (np.array([0.9 - place[0], 0.75 - place[1]]) / 1.5 * 96).astype(int)
            image[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1] = color
        return image

    def operator(self):
        """Returns the angles that a person asks for (a leader arm, a space mouse): what is recorded as the action."""
        joints, now = self.target, self.hand(self.target)
        moved = np.array([self.hand(joints + 1e-4 * one) - now for one in np.eye(len(joints))]).T / 1e-4
        return joints + np.linalg.pinv(moved) @ np.clip(self.cup - now, -0.03, 0.03)


class RobotAdapter(wire.Adapter):
    def hello(self, options):
        self.tasks = wire.option(options, "tasks", ["pick-and-place"])
        self.instruction = wire.option(options, "instruction", "move the hand to the cup")
        wire.no_more(options, ["tasks", "instruction"])
        # All that touches the robot holds the lock: requests and the watchdog are two threads.
        self.lock, self.robot, self.left = threading.Lock(), Robot(), threading.Event()
        self.asked, self.holds = time.monotonic(), True
        threading.Thread(target=self.watch, daemon=True).start()
        angles = [{"name": name, "unit": "rad", "low": float(low), "high": float(high)}
                  for name, low, high in zip(JOINTS, LOW, HIGH)]
        return {
            "name": "robot",
            "versions": wire.versions("numpy"),
            "tasks": [{"name": task, "group": "robot", "horizon": 30 * HERTZ} for task in self.tasks],
            "action": {"dimensions": angles, "control_hertz": HERTZ, "control": "joint position"},
            "observations": {
                "images": {"front_image": list(self.robot.grab().shape[:2])},
                "vectors": {
                    "robot0_joint_pos": wire.vector(len(JOINTS), "rad"),
                    "robot0_eef_pos": wire.vector(2, "m", "robot base"),
                },
            },
            "arguments": {"control_freq": HERTZ, "speed": SPEED, "workspace": [list(WORKSPACE_LOW), list(WORKSPACE_HIGH)]},
            # Every robot must have "hold"; "teleoperation" is for recording.
            "capabilities": ["hold", "teleoperation"],
        }

    def reset(self, task, seed, pool):
        """Goes home slowly. Whoever stands by sets up the scene: seed and pool say nothing to a robot."""
        wire.choose("task", [task], self.tasks)
        with wire.working(60), self.careful():
            while np.abs(HOME - self.target).max() > 1e-3:
                self.go(self.target + np.clip(HOME - self.target, -HOME_SPEED / HERTZ, HOME_SPEED / HERTZ))
                time.sleep(1 / HERTZ)
            time.sleep(0.2)
            return self.observation(), {"instruction": self.instruction}

    def step(self, action):
        begun = time.monotonic()
        if action.shape != (len(JOINTS),) or not np.isfinite(action).all():
            self.hold()
            raise wire.Problem("action", f"the robot takes {len(JOINTS)} numbers, got {action}; it holds")
        with self.careful():
            clipped = self.go(self.allowed(action), action)
            time.sleep(max(0, begun + MOVING / HERTZ - time.monotonic()))
            # A person says whether it was solved; nobody here knows.
            return self.observation(), {"reward": 0.0, "success": False, "clipped": clipped}

    def allowed(self, action):
        """The nearest that is safe: within the joints' limits, no faster than SPEED; no step at all out of the workspace."""
        wanted = self.target + np.clip(np.clip(action, LOW, HIGH) - self.target, -SPEED / HERTZ, SPEED / HERTZ)
        hand = self.robot.hand(wanted)
        if (hand < WORKSPACE_LOW).any() or (hand > WORKSPACE_HIGH).any():
            return self.target
        return wanted

    def go(self, target, asked=None):
        """Sends a target. Returns whether it is another than was asked for."""
        with self.lock:
            self.robot.write(target)
            self.target, self.asked, self.holds = target, time.monotonic(), False
        return asked is not None and bool(np.abs(target - asked).max() > 1e-6)

    def teleoperate(self):
        """What the person asks for now; return (action, True) when a button of theirs ends the episode."""
        with self.careful(), self.lock:
            return self.robot.operator()

    def observation(self):
        with self.lock:
            joints = self.robot.read()
            return {"robot0_joint_pos": joints, "robot0_eef_pos": self.robot.hand(joints), "front_image": self.robot.grab()}

    # holding

    @contextlib.contextmanager
    def careful(self):
        """Whatever fails within, the robot holds."""
        if self.holds:
            with self.lock:
                self.target = self.robot.read()
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                self.hold()
            raise

    def hold(self):
        """Stays where it is."""
        with self.lock:
            self.robot.write(self.robot.read())
            self.holds = True

    def watch(self):
        """Holds when no step has come for a while: the policy, or the way to it, is dead."""
        while not self.left.wait(HOLD_AFTER / 4):
            if not self.holds and time.monotonic() - self.asked > HOLD_AFTER:
                with contextlib.suppress(Exception):
                    self.hold()

    def close(self):
        self.left.set()
        self.hold()


if __name__ == "__main__":
    wire.serve(RobotAdapter())
