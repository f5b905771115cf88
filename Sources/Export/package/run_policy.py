"""Acts by the policy in this folder, with onnxruntime and numpy alone. Run as a program, it checks the folder.

    policy = Policy(FOLDER)  # refuses changed files, and graphs that do not give the golden actions
    policy.reset(seed=0)     # begins an episode
    action = policy.act({"CAMERA": image, "VECTOR": numbers}, "open the drawer")

Images are uint8 [height, width, 3], RGB, row 0 at the top. policy.json has the keys, sizes, units and the rate to act at."""
import collections, hashlib, json, pathlib, re, sys, types, unicodedata
import numpy as np, onnxruntime

def safetensors(path):
    data = np.memmap(path, "u1", "r")
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    facts = (header := json.loads(data[8:start].tobytes())).pop("__metadata__", {})
    return {k: np.asarray(data[start:])[slice(*v["data_offsets"])].view("<f4").reshape(v["shape"]) for k, v in header.items()}, facts

def axis_angle(six):  # of the rotation whose matrix begins with two rows, made orthogonal (Gram, Schmidt); it leaves its axis where it is
    a, b = (lambda q, r: (q * np.sign(np.diag(r))).T)(*np.linalg.qr(np.reshape(six, (2, 3)).T))
    m = np.vstack([a, b, np.cross(a, b)])
    axis = np.linalg.svd(m - np.eye(3))[2][2]
    return axis * np.arctan2(axis @ [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]], np.trace(m) - 1)

class Policy:
    def __init__(self, folder=pathlib.Path(__file__).parent):
        self.folder = folder = pathlib.Path(folder)
        sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
        for name in {"README.md", "policy.json", "weights.safetensors", "golden.safetensors", "encoder.onnx", "head.onnx", "run_policy.py", *sums}:
            if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums.get(name):
                raise ValueError(f"{folder / name}: missing or damaged: its SHA-256 is not the one in SHA256SUMS")
        (exact := onnxruntime.SessionOptions()).add_session_config_entry("session.disable_quant_qdq", "1")  # features stay 32 bits
        self.encoder, self.head = (onnxruntime.InferenceSession(folder / f"{part}.onnx", exact) for part in ("encoder", "head"))
        self.about, facts = json.loads((folder / "policy.json").read_bytes()), self.head.get_modelmeta().custom_metadata_map
        (weights, _), (golden, example) = (safetensors(folder / f"{part}.safetensors") for part in ("weights", "golden"))
        self.scale, self.offset, self.how, self.layout = (json.loads(facts[k]) for k in ("action_scale", "action_offset", "sampling", "layout"))
        self.table = {k[22:]: row.ravel() for k, row in weights.items() if k.startswith("attached/instructions/")}
        self.reset()
        for step in range(self.frames.maxlen):
            self.see({k.split("/", 1)[1]: v[step] for k, v in golden.items() if "/" in k}, example["instruction"])
        def again(size, left=[*golden["draws"]]): return np.reshape([left.pop(0) for _ in range(np.prod(size, dtype=int))], size)
        self.random = types.SimpleNamespace(normal=again, uniform=again)
        differences = np.abs(self.predict() - golden["graph_actions"]) / np.abs(self.scale)
        if not differences.max() <= 1e-4:
            raise ValueError(f"{folder}: actions differ by {differences.max()} of their scale from the golden ones: other weights or statistics")
        self.reset()

    def reset(self, seed=0):
        self.random, self.plans, self.step, self.frames = np.random.default_rng(seed), [], 0, collections.deque(maxlen=self.about["observation"]["steps"])

    def see(self, observation, instruction):
        frame = {}
        for name, kind, shape in ((i.name, i.type, i.shape) for i in self.encoder.get_inputs()):
            value = self.words(instruction) if name == "instruction" else np.asarray(observation.get(name, np.nan), "f8")
            frame[name] = np.nan_to_num(value).astype("u1" if "uint8" in kind else "f4")
            if list(value.shape) != shape[-value.ndim:] or not np.allclose(frame[name], value) or not np.isfinite(frame[name]).all():
                raise ValueError(f"the policy needs '{name}': {kind} {shape[2:]}, finite, 0 to 255 as uint8; it is {value.shape}, of {[*observation]}")
        self.frames.extend([frame] * (1 if self.frames else self.frames.maxlen))

    def words(self, text):  # a table's row, or the share of each word of the vocabulary, behind that of all others
        if self.table and text not in self.table: raise ValueError(f"no embedding of the instruction '{text}'; there are: {[*self.table]}")
        if self.table: return self.table[text]
        text, *known = [unicodedata.normalize("NFC", word) for word in ("".join(c.lower() for c in text), "", *self.about["vocabulary"])]
        # Letters and numbers, and the marks and joiners behind them: an emoji is no word, nor is the mark that makes it colored.
        found = re.finditer("[LN][LNMc]*", "".join("c" if kind == "Cf" else kind[0] for kind in map(unicodedata.category, text)))
        return np.mean([np.arange(len(known)) == (known.index(word) if word in known else 0) for word in [text[slice(*word.span())] for word in found] or [""]], 0)

    def predict(self):  # [steps, numbers], recorded units, the present action first
        seen = {k: v[None] if k == "instruction" else np.stack([f[k] for f in self.frames])[None] for k, v in self.frames[-1].items()}
        known = {output.name: v for output, v in zip(self.encoder.get_outputs(), self.encoder.run(None, seen))}
        def head(**more): return [v[0] for v in self.head.run(None, {i.name: {**known, **more}[i.name] for i in self.head.get_inputs()})]
        if self.how["kind"] in ("none", "mixture"):  # of a mixture the heaviest component of each step, or one by its share
            actions, means, _, weights = (*head(), (), (), ())[:4]
            for step, shares in enumerate(weights):
                one = shares.argmax() if self.how["mode"] == "best" else (np.cumsum(shares[:-1]) <= self.random.uniform(size=())).sum()
                actions[step] = means[step, one] + self.how["std"] * np.multiply(self.scale, self.random.normal(size=means[step, one].shape))
            return actions
        x = self.random.normal(size=next(i.shape[1:] for i in self.head.get_inputs() if i.name == "noisy_actions"))
        for step, a, b, c, d, e, spread in self.how["walk"]:  # DDPM or DDIM, as seven numbers a step
            output = head(noisy_actions=np.float32(x)[None], step=np.int64([step]))[0]
            clean = np.clip(a * x + b * output, *((-1, 1) if self.how["clip"] else (-np.inf, np.inf)))
            x = c * clean + d * x + e * output + (spread * self.random.normal(size=x.shape) if spread else 0)
        return np.float32(x[self.how["first_action"]:] * self.scale + self.offset)

    def act(self, observation, instruction=""):  # the whole action of this step
        self.see(observation, instruction)
        lag = self.about["action"].get("ensemble")
        if not self.plans or self.step - self.plans[-1][0] >= self.about["action"]["executed"]:
            self.plans = self.plans * (lag is not None) + [(self.step, self.predict())]
        self.plans, self.step = [plan for plan in self.plans if self.step < plan[0] + len(plan[1])], self.step + 1
        said, action = [rows[self.step - 1 - start] for start, rows in self.plans], np.float32(self.layout["template"])
        numbers = [*np.average(said, 0, np.exp(-(lag or 0) * np.arange(len(said))))]
        if not np.isfinite(numbers).all(): raise ValueError("the policy's action holds a value that is not a number")
        for i in self.layout["learned"]:
            if i in self.layout["rotations"]: action[i:i + 3], numbers = axis_angle(numbers[:6]), numbers[6:]
            elif not {i - 1, i - 2} & {*self.layout["rotations"]}: action[i] = numbers.pop(0)
        return action

if __name__ == "__main__": print(f"{Policy(*sys.argv[1:]).folder}: whole, and gives the golden actions")
