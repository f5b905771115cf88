"""An environment for ImitationKit in one file, with numpy alone: a dot that is pushed onto a square.

Copy it, replace the class by your simulator, and run:  imitate evaluate RUN --environment ./FILE.py --python PATH
The bytes are described in docs/environments.md. Robots begin with robot_template.py.
"""
import json, os, struct, sys
import numpy as np

# Standard output is for messages alone: whatever else prints goes to the log.
requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


class PushTheDot:
    def hello(self):
        dimensions = [{"name": name, "unit": "0.05 of the width", "low": -1, "high": 1} for name in ("x", "y")]
        return {
            "protocol": 1, "name": "template", "versions": {"numpy": np.__version__},
            "tasks": [{"name": "push-the-dot", "group": "toy", "horizon": 60}],
            "action": {"dimensions": dimensions, "control_hertz": 10, "control": "position, step"},
            "observations": {"images": {"top_image": [64, 64]},
                             "vectors": {"dot_pos": {"width": 2, "unit": "1", "frame": "world", "quaternion": None}}},
            "arguments": {}, "capabilities": ["expert", "state", "restore"]}

    def reset(self, task, seed, pool):
        if task != "push-the-dot":
            raise LookupError(f"no task {task!r}; there is push-the-dot")
        # The seed fixes the scene, and the two pools never give the same one.
        self.random = np.random.default_rng([seed, pool == "evaluation"])
        self.dot, self.goal = self.random.uniform(0.1, 0.9, (2, 2))
        return {"instruction": "push the dot onto the square", "scene": {}, "metadata": {}, "model": "", "reward": 0}

    def step(self, action):
        self.dot = np.clip(self.dot + 0.05 * np.clip(action, -1, 1), 0, 1)
        distance = float(np.linalg.norm(self.dot - self.goal))
        return {"reward": max(0, 1 - distance), "success": distance < 0.05, "terminated": False, "truncated": False}

    def expert(self, seed, noise):
        return np.clip((self.goal - self.dot) / 0.05 + 0.1 * noise * self.random.standard_normal(2), -1, 1)

    def observation(self):
        image = np.full((64, 64, 3), 255, np.uint8)  # RGB, row 0 at the top
        for place, half, color in ((self.goal, 5, (40, 160, 60)), (self.dot, 2, (200, 40, 40))):
            column, row = (np.clip([place[0], 1 - place[1]], 0, 1) * 63).astype(int)
            image[max(0, row - half):row + half + 1, max(0, column - half):column + half + 1] = color
        return {"obs/top_image": image, "obs/dot_pos": self.dot.astype(np.float32)}


def answer(world, header, array):
    call = header["call"]
    if call == "hello":
        return world.hello(), {}
    if call in ("reset", "restore"):
        reply = world.reset(header["task"], header["seed"], header.get("pool", "training"))
        if call == "restore":
            world.dot, world.goal = np.frombuffer(array, "<f8").reshape(2, 2).copy()
        return reply, world.observation()
    if call == "step":
        return world.step(np.frombuffer(array, "<f4")), world.observation()
    if call == "expert":
        return {}, {"action": world.expert(header["seed"], header["noise"]).astype(np.float32)}
    if call == "state":
        return {}, {"state": np.concatenate([world.dot, world.goal])}
    return {}, {}  # close


world, header = PushTheDot(), {}
while header.get("call") != "close" and len(start := requests.read(16)) == 16:
    header_bytes, body_bytes = struct.unpack("<IQ", start[4:])
    header, array = json.loads(requests.read(header_bytes)), requests.read(body_bytes)
    try:
        reply, arrays = answer(world, header, array)
    except Exception as error:
        reply, arrays = {"error": str(error), "kind": "task" if type(error) is LookupError else "simulator"}, {}
    reply["arrays"] = [{"name": name, "dtype": value.dtype.name, "shape": value.shape, "bytes": value.nbytes}
                       for name, value in arrays.items()]
    text = json.dumps(reply).encode()
    body = b"".join(np.ascontiguousarray(value).tobytes() for value in arrays.values())
    answers.write(b"IKE1" + struct.pack("<IQ", len(text), len(body)) + text + body)
    answers.flush()
