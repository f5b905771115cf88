"""Any registered environment of Gymnasium with actions that are a box of numbers: gym_pusht, gym_aloha, gymnasium_robotics, your own.

    pip install gymnasium==1.2.3 gym-pusht==0.1.8                       gym_pusht/PushT-v0
    pip install gymnasium==1.2.3 gym-aloha==0.1.5                       gym_aloha/AlohaTransferCube-v0
    pip install gymnasium-robotics==1.4.2 "mujoco<4"                    FetchReach-v4 with module gymnasium_robotics

Options: id (needed), module (what to import so that the id is registered; left out, the id's part before the slash), make {}
(arguments of gymnasium.make; obs_type is pixels_agent_pos where the environment knows it), image_size 0 (as they come, else
pixels a side), hertz 0 (what the environment says), horizon 0 (likewise), solved_reward 0.0 (above 0: a step with at least
this reward has solved the task), instruction "".

Keys are those that LeRobot's sets have after `imitate`'s converter: `pixels` is `image`, `pixels/top` is `top_image`, `agent_pos`
and what is no dictionary is `state`; everything else keeps its name. Without images among the observations, `image` is what
`render` shows. Solved is what `is_success` or `success` says, else what `solved_reward` makes of the reward.
"""
import os
import re

import numpy as np

import wire

OPTIONS = ["id", "module", "make", "image_size", "hertz", "horizon", "solved_reward", "instruction"]
INSTALL = "gymnasium==1.2.3"
PACKAGES = {
    "gym_pusht": "gymnasium==1.2.3 gym-pusht==0.1.8",
    "gym_aloha": "gymnasium==1.2.3 gym-aloha==0.1.5",
    "gymnasium_robotics": "gymnasium-robotics==1.4.2 'mujoco<4'",
}


class Gymnasium(wire.Adapter):
    def hello(self, options):
        self.id = wire.option(options, "id", "")
        module = wire.option(options, "module", "") or self.id.rpartition("/")[0]
        arguments = wire.option(options, "make", {})
        self.size = wire.option(options, "image_size", 0)
        hertz = wire.option(options, "hertz", 0.0)
        horizon = wire.option(options, "horizon", 0)
        self.solved_reward = wire.option(options, "solved_reward", 0.0)
        self.instruction = wire.option(options, "instruction", "")
        wire.no_more(options, OPTIONS)
        if not self.id:
            raise wire.Problem("task", "option id must name an environment, as in gym_pusht/PushT-v0")
        # Some draw with pygame, some with MuJoCo; the others need no OpenGL.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
        wire.offscreen(needed=False)
        with wire.working(180):
            self.gymnasium = wire.require("gymnasium", INSTALL)
            if module:
                # Registers its environments.
                wire.require(module, PACKAGES.get(module))
            self.world = self.made(arguments)
            # What the spaces say of shapes is not always what comes.
            observation, _ = self.world.reset(seed=0)
        has_image = any(array.ndim == 3 for array in self.parts(observation).values())
        self.renders = not has_image and self.world.render_mode == "rgb_array"
        seen = self.observation(observation)
        space = self.world.action_space
        if not isinstance(space, self.gymnasium.spaces.Box) or len(space.shape) != 1:
            raise wire.Problem("action", f"{self.id} takes {space}; only vectors of numbers (Box) can be imitated")
        self.width = space.shape[0]
        spec, inner = self.world.spec, self.world.unwrapped
        hertz = hertz or self.world.metadata.get("render_fps") or (1 / inner.dt if hasattr(inner, "dt") else None)
        finite = [None if not np.isfinite(limit) else limit for limit in np.stack([space.low, space.high]).T.ravel()]
        return {
            "name": "gymnasium",
            "versions": wire.versions("gymnasium", *({module.replace("_", "-")} if module else ()), "mujoco", "pymunk", "numpy"),
            "tasks": [{"name": self.id, "group": "gymnasium", "horizon": horizon or spec.max_episode_steps or 1000}],
            "action": {
                "dimensions": [{"name": f"action_{index}", **({"low": float(low)} if low is not None else {}),
                                **({"high": float(high)} if high is not None else {})}
                               for index, (low, high) in enumerate(zip(finite[::2], finite[1::2]))],
                **({"control_hertz": float(hertz)} if hertz else {}), "control": f"as {self.id} takes it",
            },
            "observations": {
                "images": {key: list(value.shape[:2]) for key, value in seen.items() if value.ndim == 3},
                "vectors": {key: wire.vector(value.size) for key, value in seen.items() if value.ndim < 3},
            },
            "arguments": {"id": self.id, "module": module, "make": wire.plain(dict(spec.kwargs)), "image_size": self.size},
            "capabilities": [],
        }

    def made(self, arguments):
        """Images and the robot's own state where there is a choice, and a renderer that gives arrays."""
        make, errors = self.gymnasium.make, self.gymnasium.error
        wanted = {"render_mode": "rgb_array", "obs_type": "pixels_agent_pos", **arguments}
        try:
            entry = self.gymnasium.spec(self.id)
        except errors.Error as error:
            raise wire.Problem("task", f"{error}; option module names what registers it") from error
        # Arguments of ours that an environment does not know are left out; what the user gives is not.
        while True:
            try:
                return make(entry, **wanted)
            except TypeError as error:
                surplus = re.search(r"unexpected keyword argument '(\w+)'", str(error))
                if not surplus or surplus[1] not in wanted or surplus[1] in arguments:
                    raise
                del wanted[surplus[1]]

    def reset(self, task, seed, pool):
        wire.choose("task", [task], [self.id])
        observation, info = self.world.reset(seed=wire.simulator_seed(task, seed, pool))
        return self.observation(observation), {"instruction": self.instruction}

    def step(self, action):
        if action.shape != (self.width,):
            raise wire.Problem("action", f"{self.id} takes {self.width} values, got {action.shape}")
        space = self.world.action_space
        action = np.clip(action, space.low, space.high).astype(space.dtype)
        observation, reward, terminated, truncated, info = self.world.step(action)
        success = info.get("is_success", info.get("success"))
        if self.solved_reward > 0:
            success = success or reward >= self.solved_reward
        # Rewards alone solve nothing, and nobody has judged the step then.
        return self.observation(observation), {"reward": float(reward), "success": bool(success), "judged": success is not None,
                                               "terminated": bool(terminated), "truncated": bool(truncated)}

    def observation(self, observation):
        seen = {self.key(name): value for name, value in self.parts(observation).items()}
        if self.renders:
            seen["image"] = np.asarray(self.world.render())
        return {key: self.image(value) if value.ndim == 3 else value.ravel() for key, value in seen.items()}

    def parts(self, observation, name=""):
        """The arrays of nested dictionaries by their paths."""
        if not isinstance(observation, dict):
            return {name: np.asarray(observation)}
        parts = {}
        for key, value in observation.items():
            parts.update(self.parts(value, f"{name}/{key}" if name else key))
        return parts

    @staticmethod
    def key(name):
        if name in ("", "agent_pos", "observation"):
            return "state"
        if name == "pixels":
            return "image"
        if name.startswith("pixels/"):
            return name.removeprefix("pixels/") + "_image"
        return name.replace("/", "_")

    def image(self, image):
        if image.dtype != np.uint8 or image.shape[2] not in (3, 4):
            raise wire.Problem("simulator", f"{self.id} shows images of {image.dtype} {image.shape}; uint8 RGB is expected")
        image = np.ascontiguousarray(image[:, :, :3])
        if self.size and image.shape[:2] != (self.size, self.size):
            Image = wire.require("PIL.Image", "pillow")
            image = np.asarray(Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BOX))
        return image


if __name__ == "__main__":
    wire.serve(Gymnasium())
