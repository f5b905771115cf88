"""RoboCasa's kitchens, 0.2 and 1.0, with the scenes of its protocol.

RoboCasa and the robosuite that 1.0 needs come from their repositories, without what they need only for training:

    0.2  git clone -b v0.2 https://github.com/robocasa/robocasa
         pip install robosuite==1.5.1 mujoco==3.2.6 numpy==1.23.5 imageio termcolor tqdm lxml pyyaml h5py
         pip install --no-deps -e ./robocasa
    1.0  git clone https://github.com/ARISE-Initiative/robosuite; git clone https://github.com/robocasa/robocasa
         pip install mujoco==3.3.1 numpy==2.2.5 numba==0.61.2 scipy==1.15.3 gymnasium opencv-python imageio termcolor tqdm lxml
             pyyaml h5py pillow pandas
         pip install --no-deps -e ./robosuite -e ./robocasa
    both python -m robocasa.scripts.download_kitchen_assets      (5 GB, 10 GB)

Options: tasks (all that have demonstrations), robot PandaOmron (PandaMobile is the same by its older name), dimensions 12 (or 7:
the base stands still), cameras [robot0_agentview_left, robot0_agentview_right, robot0_eye_in_hand], image_size 128, offsamples,
shadowsize (the model's, as in the demonstrations), shadows true, reflections true, depth false, generative_textures false,
randomize_cameras false, layout_and_style_ids and obj_instance_split (instead of a pool's own).

The evaluation pool of 0.2 is the protocol's: five pairs of layout and style, objects of split B. Its training pool has the other
styles and split A. Those of 1.0 are its splits target and pretrain. Tasks of 0.2 that 1.0 only renamed are known by both names.
Scores of 0.2, 1.0.0 and 1.0.1 are not comparable: scenes, objects and horizons differ.
"""
import os
import random
import sys

import numpy as np

import drawing
import wire
import worlds

OPTIONS = ["tasks", "robot", "dimensions", "cameras", "generative_textures", "randomize_cameras", "layout_and_style_ids",
           "obj_instance_split", *drawing.OPTIONS]
SHARED = "imageio termcolor tqdm lxml pyyaml h5py"
INSTALL = {
    "0": "git clone -b v0.2 https://github.com/robocasa/robocasa && {python} -m pip install robosuite==1.5.1 mujoco==3.2.6 "
         "numpy==1.23.5 " + SHARED + " && {python} -m pip install --no-deps -e ./robocasa",
    "1": "git clone https://github.com/ARISE-Initiative/robosuite && git clone https://github.com/robocasa/robocasa && "
         "{python} -m pip install mujoco==3.3.1 numpy==2.2.5 numba==0.61.2 scipy==1.15.3 gymnasium opencv-python pillow pandas "
         + SHARED + " && {python} -m pip install --no-deps -e ./robosuite -e ./robocasa",
}
ASSETS = "{python} -m robocasa.scripts.download_kitchen_assets"
CAMERAS = ["robot0_agentview_left", "robot0_agentview_right", "robot0_eye_in_hand"]
# By version: what a pool's scenes are drawn from.
POOLS = {
    "0": {
        "training": {"layout_ids": -1, "style_ids": [0, 1, 2, 3, 4, 5, 6, 7, 8, 11], "obj_instance_split": "A"},
        "evaluation": {"layout_and_style_ids": [[1, 1], [2, 2], [4, 4], [6, 9], [7, 10]], "obj_instance_split": "B"},
    },
    "1": {
        "training": {"layout_ids": -2, "style_ids": -2, "obj_instance_split": "pretrain"},
        "evaluation": {"layout_and_style_ids": [[number, number] for number in range(1, 11)],
                       "obj_instance_split": "target"},
    },
}
# The same job under the name that 1.0 has for it.
RENAMED = {
    "PnPCounterToCab": "PickPlaceCounterToCabinet", "PnPCabToCounter": "PickPlaceCabinetToCounter",
    "PnPCounterToSink": "PickPlaceCounterToSink", "PnPSinkToCounter": "PickPlaceSinkToCounter",
    "PnPCounterToMicrowave": "PickPlaceCounterToMicrowave", "PnPMicrowaveToCounter": "PickPlaceMicrowaveToCounter",
    "PnPCounterToStove": "PickPlaceCounterToStove", "PnPStoveToCounter": "PickPlaceStoveToCounter",
    "CoffeePressButton": "StartCoffeeMachine",
}
# By the folders of 0.2's demonstrations.
GROUPS = {"kitchen_pnp": "pick-place", "kitchen_doors": "doors", "kitchen_drawer": "drawers", "kitchen_sink": "levers",
          "kitchen_stove": "knobs", "kitchen_coffee": "insertion", "kitchen_microwave": "buttons",
          "kitchen_navigate": "navigation"}
# By their names, whatever their places in the controller: (part, count).
PARTS = [("right", 6), ("right_gripper", 1), ("base", 3), ("torso", 1)]
ACTION = [("arm_x", "0.05 m"), ("arm_y", "0.05 m"), ("arm_z", "0.05 m"), ("arm_rx", "0.5 rad"), ("arm_ry", "0.5 rad"),
          ("arm_rz", "0.5 rad"), ("gripper", "-1 open, +1 close"), ("base_x", "velocity"), ("base_y", "velocity"),
          ("base_yaw", "velocity"), ("torso", "lift"), ("mode", "-1 arm, +1 base")]
VECTORS = {
    "robot0_base_to_eef_pos": (3, "m", "robot base", None),
    "robot0_base_to_eef_quat": (4, "1", "robot base", "xyzw"),
    "robot0_base_pos": (3, "m", "world", None),
    "robot0_base_quat": (4, "1", "world", "xyzw"),
    **worlds.VECTORS,
}


class RoboCasa(worlds.RobosuiteAdapter):
    vectors = VECTORS

    def hello(self, options):
        chosen = wire.option(options, "tasks", [])
        self.robot_name = wire.option(options, "robot", "PandaOmron")
        self.width = wire.option(options, "dimensions", len(ACTION))
        self.cameras = wire.option(options, "cameras", CAMERAS)
        textures = wire.option(options, "generative_textures", False)
        moved = wire.option(options, "randomize_cameras", False)
        own = {key: options.pop(key) for key in ("layout_and_style_ids", "obj_instance_split") if key in options}
        # Other images than the demonstrations' would be another benchmark.
        self.drawing = drawing.Drawing(options, self.cameras, offsamples=None, shadowsize=None)
        wire.no_more(options, OPTIONS)
        wire.choose("robot", [self.robot_name], ["PandaOmron", "PandaMobile"])
        wire.choose("number of dimensions", [self.width], [7, 12])
        with wire.working(300):
            version = self.load()
        registry = self.registry()
        tasks = self.offered(registry, version, chosen)
        self.common = {
            "robots": "PandaOmron", "control_freq": 20, "generative_textures": "100p" if textures else None,
            "randomize_cameras": moved, "translucent_robot": False,
        }
        self.pools = {pool: dict(scenes) for pool, scenes in POOLS[version].items()}
        for scenes in self.pools.values():
            if "layout_and_style_ids" in own:
                scenes.pop("layout_ids", None)
                scenes.pop("style_ids", None)
            scenes.update(own)
        self.made = None
        return {
            "name": "robocasa",
            "versions": {**wire.versions("robosuite", "mujoco", "numpy"), "robocasa": self.module.__version__},
            "tasks": tasks,
            "action": {"dimensions": [{"name": name, "unit": unit, "low": -1, "high": 1} for name, unit in ACTION[: self.width]],
                       "control_hertz": 20, "control": "operational space, step in the base frame"},
            "observations": {"images": self.drawing.images(self.cameras),
                             "vectors": {**{key: wire.vector(*about) for key, about in VECTORS.items()},
                                         **self.drawing.vectors(self.cameras)}},
            "arguments": {**self.common, "pools": self.pools, "camera_names": self.cameras, **self.drawing.arguments},
            "capabilities": ["state", "restore", "observe", "models"],
        }

    def load(self):
        """Imports RoboCasa. Returns the first number of its version."""
        python = sys.executable
        try:
            import robocasa
            import robosuite
            from robosuite.controllers import load_composite_controller_config
        except (ImportError, AssertionError) as error:
            # Each asserts the versions of mujoco and numpy that it was made with. 0.2's are not 1.0's.
            found = wire.versions("robocasa").get("robocasa", "1")[0]
            install = INSTALL.get(found, INSTALL["1"]).format(python=python)
            other = "" if "robocasa" in wire.versions("robocasa") else "; for 0.2 see the head of serve_robocasa.py"
            raise wire.Problem(
                "missing", f"RoboCasa is not usable ({type(error).__name__}: {wire.flat(error)[:200]}): type  {install} && "
                f"{ASSETS.format(python=python)}{other}") from error
        self.module, self.make, self.controllers = robocasa, robosuite.make, load_composite_controller_config
        # Without them the first scene fails in the middle of something else.
        assets = os.path.join(robocasa.__path__[0], "models", "assets")
        for folder in ("textures", os.path.join("objects", "objaverse")):
            path = os.path.join(assets, folder)
            if not os.path.isdir(path) or not os.listdir(path):
                raise wire.Problem("missing", f"RoboCasa's assets are not there ({path}): type  {ASSETS.format(python=python)}")
        version = robocasa.__version__.split(".")[0]
        wire.choose("version of RoboCasa", [version], list(POOLS))
        return version

    @staticmethod
    def registry():
        """RoboCasa's own lists of what there are demonstrations of: {task: what is known of it}."""
        from robocasa.utils import dataset_registry

        lists = [getattr(dataset_registry, name, {}) for name in (
            "SINGLE_STAGE_TASK_DATASETS", "ATOMIC_TASK_DATASETS", "MULTI_STAGE_TASK_DATASETS", "COMPOSITE_TASK_DATASETS")]
        return {task: {**about, "group": "atomic" if place < 2 else "composite"}
                for place, tasks in enumerate(lists) for task, about in tasks.items()}

    def offered(self, registry, version, chosen):
        """The tasks, each with its group and horizon; chosen ones may be called by the name that another version has."""
        self.names = {task: task for task in registry}
        for old, new in RENAMED.items():
            if version == "1" and new in registry:
                self.names[old] = new
            elif version == "0" and old in registry:
                self.names[new] = old
        wire.choose("task", chosen, self.names)
        tasks = []
        for task in chosen or self.names:
            about = registry[self.names[task]]
            folder = next((part for part in about.get("human_path", "").split("/") if part in GROUPS), None)
            group = "buttons" if task in ("CoffeePressButton", "StartCoffeeMachine") else GROUPS.get(folder, about["group"])
            tasks.append({"name": task, "group": group, "horizon": about["horizon"]})
        return tasks

    def begin_demonstration(self, task, seed, pool, model, metadata):
        """Things, textures and cameras are as a demonstration's `ep_meta` says; its model has all that is drawn."""
        self.begin(task, seed, pool, metadata)
        if model:
            self.play(model)
        return {"instruction": metadata.get("lang", "")}

    def begin(self, task, seed, pool, metadata=None):
        wire.choose("task", [task], self.names)
        number = wire.simulator_seed(self.names[task], seed, pool)
        if self.made != (task, pool):
            self.made = None
            with wire.working(300):
                self.world = self.make(
                    self.names[task], **self.common, **self.pools[pool], seed=number, ignore_done=True, hard_reset=True,
                    controller_configs=self.controllers(controller=None, robot="PandaOmron"), camera_names=self.cameras,
                    has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False, renderer="mujoco")
            self.made = (task, pool)
        # The scene, its objects and the robot's place follow from these; RoboCasa builds a new kitchen with every reset.
        self.world.rng = np.random.default_rng(number)
        np.random.seed(number)
        random.seed(number)
        # What a demonstration's kitchen is made by; nothing for one of its own.
        self.world.set_ep_meta(metadata or {})
        with wire.working(300):
            self.seen = self.world.reset()
        self.robot = self.world.robots[0]
        self.gripper = self.robot.gripper["right"]
        self.show()

    def reset(self, task, seed, pool):
        self.begin(task, seed, pool)
        about = self.world.get_ep_meta()
        scene = {"layout": int(about["layout_id"]), "style": int(about["style_id"])}
        for thing in about.get("object_cfgs", []):
            if thing.get("name") == "obj" and "cat" in thing.get("info", {}):
                scene["object"] = thing["info"]["cat"]
        return self.observation(), {"instruction": about.pop("lang", ""), "scene": scene, "metadata": about,
                                    "model": self.world.sim.model.get_xml()}

    def step(self, action):
        if action.shape != (self.width,):
            raise wire.Problem("action", f"RoboCasa takes {self.width} values here, got {action.shape}")
        if self.width == 7:
            action = np.concatenate([action, [0, 0, 0, 0, -1]])
        self.seen, _, _, _ = self.world.step(self.placed(action))
        success = bool(self.world._check_success())
        # RoboCasa's own reward is always 0.
        return self.observation(), {"reward": float(success), "success": success}

    def base(self):
        """As RoboCasa's own sensors have it."""
        x, y, z, w = self.seen["robot0_base_quat"]
        columns = [[1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
                   [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
                   [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)]]
        return self.seen["robot0_base_pos"], np.array(columns).T

    def placed(self, action):
        """The values at the places where the controller of this version has its parts; the mode is the last."""
        controller = self.robot.composite_controller
        placed = np.zeros(len(ACTION))
        first = 0
        for part, count in PARTS:
            start, end = controller._action_split_indexes[part]
            if end - start != count:
                raise wire.Problem("simulator", f"the controller's {part} takes {end - start} values, {count} are expected")
            placed[start:end] = action[first : first + count]
            first += count
        placed[-1] = action[-1]
        return placed


if __name__ == "__main__":
    wire.serve(RoboCasa())
