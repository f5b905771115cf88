"""A scripted expert that grasps from above, for arms that are given where their hand shall go: it lifts, or puts down elsewhere."""
import numpy as np
from scipy.spatial.transform import Rotation

# Of the distance to go, how much is asked for in one step; the arm follows with a delay.
GAIN = 0.6
# At noise 1 a hand that holds nothing is pushed aside so often, a step, for so many steps: what imitates it has to see how to return.
PUSHES, PUSHED = 0.05, (2, 5)
DOWN = np.array([0, 0, -1.0])


class PickAndPlace:
    """Knows where it is in the job from what it knows of the scene, and begins again when the object slips away.

    - hover: how far above the object the hand waits until it is over it, m.
    - carry: how far it is lifted before it goes sideways, m.
    - longest: the longest way that one step may ask for, m.
    """

    def __init__(self, seed, noise, hover=0.08, carry=0.2, longest=0.05):
        self.random, self.noise = np.random.default_rng(seed), noise
        self.hover, self.carry, self.longest = hover, carry, longest
        # Where the hand waits is a little different in each episode.
        self.aside = 0.01 * noise * self.random.standard_normal(3)
        self.phase, self.waited, self.pushed = "approach", 0, 0

    def act(self, hand, turn, grasp, axes, held, opening, goal=None):
        """Returns (way of the hand in m, rotation as a rotation vector, whether to close the fingers).

        - hand, turn: where the point between the fingers is, and the hand's rotation matrix (z along the fingers, x across).
        - grasp: where that point shall be when the fingers close.
        - axes: directions along which the fingers may close, in the world's x and y; [] if any will do.
        - held: whether the fingers hold the object. opening: the distance between the fingers, m.
        - goal: where that point shall be when they open again, or nothing if the object is only to be lifted.
        """
        self.waited += 1
        if held and self.phase in ("approach", "descend", "close"):
            # The fingers press until the object sits firmly.
            if self.phase == "close" and self.waited > 3:
                self.enter("lift", hand)
        elif self.phase in ("lift", "carry", "lower") and not held and self.waited > 5:
            self.enter("approach", hand)
        over = np.linalg.norm((hand - grasp)[:2])
        rotation = self.rotation(turn, axes if self.phase in ("approach", "descend") else [])
        if self.phase == "approach":
            target = grasp + [0, 0, self.hover] + self.aside
            if over > 0.03 + abs(self.aside[:2]).max() and hand[2] < target[2] - 0.03:
                # First up, not through the object.
                target = np.array([*hand[:2], target[2]])
            elif np.linalg.norm(hand - target) < 0.02 and np.linalg.norm(rotation) < 0.1:
                self.enter("descend", hand)
        if self.phase == "descend":
            # Sideways first: the lower the hand, the better it has to be over the object.
            target = grasp + [0, 0, min(self.hover, max(0, 4 * (over - 0.005)))]
            if over < 0.01 and hand[2] < grasp[2] + 0.006 or self.waited > 40:
                self.enter("close", hand)
        if self.phase == "close":
            target = np.array([*self.start[:2], grasp[2]])
            if self.waited > 20:
                self.enter("approach", hand)
        if self.phase == "lift":
            target = self.start + [0, 0, self.carry]
            if goal is not None and hand[2] > self.start[2] + 0.8 * self.carry:
                self.enter("carry", self.start)
        if self.phase == "carry":
            target = np.array([*goal[:2], max(goal[2], self.start[2]) + self.carry])
            # At the end of its reach the arm stays short of it.
            if np.linalg.norm((hand - target)[:2]) < 0.015 or self.waited > 80:
                self.enter("lower", hand)
        if self.phase == "lower":
            target = goal
            if hand[2] < goal[2] + 0.01 or self.waited > 40:
                self.enter("open", hand)
        if self.phase == "open":
            target = self.start
            if self.waited > 8:
                self.enter("leave", hand)
        if self.phase == "leave":
            target = self.start + [0, 0, self.carry]
        way = GAIN * (target - hand)
        # Slowly where it touches.
        free = self.phase in ("approach", "lift", "carry", "leave")
        longest = self.longest if free else 0.6 * self.longest
        way *= min(1, longest / max(1e-9, np.linalg.norm(way)))
        if self.phase in ("approach", "descend") and self.pushed == 0 and self.random.random() < PUSHES * self.noise:
            # Never down: there are things.
            push = self.random.standard_normal(3) * [1, 1, 0.5]
            push[2] = abs(push[2])
            self.push, self.pushed = self.longest * push / np.linalg.norm(push), self.random.integers(*PUSHED)
        if self.phase not in ("approach", "descend"):
            self.pushed = 0
        if self.pushed > 0:
            way, self.pushed = self.push, self.pushed - 1
        elif free:
            way += 0.1 * longest * self.noise * self.random.standard_normal(3)
        return way, GAIN * rotation, self.phase in ("close", "lift", "carry", "lower")

    def enter(self, phase, hand):
        self.phase, self.waited, self.start = phase, 0, np.array(hand)

    @staticmethod
    def rotation(turn, axes):
        """The rotation, seen from the world, after which the hand points down and its fingers close along the nearest axis."""
        across = turn[:, 0] * [1, 1, 0]
        across /= max(1e-9, np.linalg.norm(across))
        choices = [sign * np.array([*axis[:2], 0]) / np.linalg.norm(axis[:2]) for axis in axes for sign in (1, -1)]
        if choices:
            across = max(choices, key=lambda axis: axis @ across)
        wanted = np.stack([across, np.cross(DOWN, across), DOWN], axis=1)
        return Rotation.from_matrix(wanted @ turn.T).as_rotvec()
