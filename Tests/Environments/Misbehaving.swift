import Environments
import Foundation
import Imitation

/// A program that serves a small world, by the bytes of docs/environments.md and Python's own library alone, and misbehaves
/// when it is asked to: at step 3 of an episode, or when it starts.
struct Misbehaving {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.path + "/misbehaving-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Self.program.write(toFile: folder + "/child.py", atomically: true, encoding: .utf8)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// - Parameters:
  ///   - how: what to do; "" for nothing.
  ///   - once: only the first process does it.
  func start(
    _ how: String, once: Bool = false, _ change: (inout ProcessOptions) -> Void = { _ in }
  ) throws -> ProcessEnvironment {
    var options = ProcessOptions()
    options.deadline = 20
    change(&options)
    return try ProcessEnvironment(
      kind: "process", command: ["python3", folder + "/child.py", how, once ? folder + "/marker" : ""],
      process: options, own: FreeOptions(["speed": 1.setting]))
  }

  /// The numbers of processes that it has noted.
  var started: [Substring] {
    ((try? String(contentsOfFile: folder + "/started", encoding: .utf8)) ?? "").split(separator: "\n")
  }

  private static let program = #"""
    import json, os, signal, struct, subprocess, sys, time

    how, marker = sys.argv[1], sys.argv[2]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "started"), "a") as file:
        file.write(f"{os.getpid()}\n")
    if marker and os.path.exists(marker):
        how = ""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")

    def bytes_of(header, arrays):
        header["arrays"] = [
            {"name": name, "dtype": dtype, "shape": shape, "bytes": len(data)} for name, dtype, shape, data in arrays
        ]
        text = json.dumps(header).encode()
        body = b"".join(data for _, _, _, data in arrays)
        return b"IKE1" + struct.pack("<IQ", len(text), len(body)) + text + body

    def send(header, arrays=()):
        answers.write(bytes_of(header, arrays))
        answers.flush()

    def observation():
        pixels = bytes((7 * t + 3 * i + seed) % 256 for i in range(48))
        if how == "blank" or how == "dark" and t > 2:
            pixels = bytes(48)
        if how == "stuck" and t > 2:
            pixels = bytes(range(48))
        if how == "still":
            pixels = bytes(range(48))
        arm = struct.pack("<2f", 0.5 if how == "still" else t / 10, place)
        return [("obs/front_image", "uint8", [4, 4, 3], pixels), ("obs/arm", "float32", [2], arm),
                ("obs/extra", "float64", [], struct.pack("<d", 1))]

    hello = {
        "protocol": 1, "name": "small", "versions": {"small": "1.0"},
        "tasks": [{"name": "six", "group": "counting", "horizon": 40}, {"name": "other", "horizon": 5}],
        "action": {"dimensions": [{"name": "push", "unit": "1", "low": -1, "high": 1}], "control_hertz": 10,
                   "control": "position"},
        "observations": {"images": {"front_image": [4, 4]},
                         "vectors": {"arm": {"width": 2, "unit": "m", "frame": "world", "quaternion": None}}},
        "arguments": {"size": 4}, "capabilities": ["expert", "state", "restore"]}

    def bad_step():
        answer = {"reward": 0.5, "success": False, "terminated": False, "truncated": False}
        arrays = observation()
        if how == "silent":
            time.sleep(1000)
        if how == "family":
            child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(1000)"])
            with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "started"), "a") as file:
                file.write(f"{child.pid}\n")
            time.sleep(1000)
        if how == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "dying":
            print("out of luck", file=sys.stderr)
            os._exit(3)
        if how == "deaf":
            os.close(0), requests.close(), answers.close(), os.close(1)
            time.sleep(1000)
        if how == "printing":
            os.write(1, b"Loading assets...\n")
        if how == "garbage":
            answers.write(bytes((37 * i) % 256 for i in range(5000)))
            answers.flush()
        if how == "header":
            answers.write(b"IKE1" + struct.pack("<IQ", 1 << 31, 0))
            answers.flush()
        if how == "body":
            answers.write(b"IKE1" + struct.pack("<IQ", 2, 1 << 50) + b"{}")
            answers.flush()
        if how == "half":
            data = bytes_of(answer, arrays)
            answers.write(data[: len(data) // 2])
            answers.flush()
            os._exit(0)
        if how == "twice":
            data = bytes_of(answer, arrays)
            answers.write(data + data)
            return answers.flush()
        if how == "later":
            send(dict(answer), arrays)
            time.sleep(0.3)
        if how == "memory":
            keep = bytearray(400_000_000)
            for i in range(0, len(keep), 4096):
                keep[i] = 1
            time.sleep(1000)
        if how == "working":
            for _ in range(6):
                time.sleep(0.5)
                send({"working": True})
        if how == "busy":
            while True:
                time.sleep(0.2)
                send({"working": True})
        if how == "shape":
            arrays[0] = ("obs/front_image", "uint8", [4, 3, 3], bytes(36))
        if how == "dtype":
            arrays[1] = ("obs/arm", "int64", [2], bytes(16))
        if how == "lacking":
            arrays = arrays[1:]
        if how == "nan reward":
            answer["reward"] = float("nan")
        if how == "no reward":
            del answer["reward"]
        if how == "no success":
            del answer["success"]
        if how == "null":
            answer["success"] = None
        if how == "text":
            answer["reward"] = "a lot"
        if how == "nan":
            arrays[1] = ("obs/arm", "float32", [2], struct.pack("<2f", float("nan"), 0))
        if how == "error":
            answer = {"error": "the gripper\nfell off", "kind": "simulator", "traceback": "Traceback: line 7"}
        if how == "restart":
            answer = {"restart": True}
        if how == "id":
            answer["id"] = 1
        send(answer, arrays)

    t, seed, place, task = 0, 0, 0.0, None
    if how == "import":
        import a_module_that_nobody_has
    while True:
        start = requests.read(16)
        if len(start) < 16:
            os._exit(0)
        header_bytes, body_bytes = struct.unpack("<IQ", start[4:])
        header, body = json.loads(requests.read(header_bytes)), requests.read(body_bytes)
        call = header["call"]
        if call == "hello":
            if how == "slow start":
                time.sleep(1000)
            if how == "missing":
                send({"error": "small is not installed: type  pip install small", "kind": "missing"})
                continue
            for name, value in {
                "protocol 2": ("protocol", 2), "no tasks": ("tasks", []), "horizon": ("tasks", [{"name": "a", "horizon": 0}]),
                "key": ("observations", {"images": {"../a": [4, 4]}}), "size": ("observations", {"images": {"a": [4]}}),
                "large": ("observations", {"images": {"a": [1 << 40, 4]}}), "nothing": ("observations", {}),
                "wide": ("observations", {"vectors": {"a": {"width": 0}}}), "still action": ("action", {"dimensions": []}),
                "limits": ("action", {"dimensions": [{"low": 1, "high": -1}]}), "action text": ("action", "left")}.items():
                if how == name:
                    hello[value[0]] = value[1]
            if how == "changing" and os.path.exists(marker + "2"):
                hello["tasks"] = [{"name": "seven", "horizon": 3}]
            if how == "changing":
                open(marker + "2", "w").close()
            if how == "restart hello":
                hello = {"restart": True}
            send(hello)
        elif call in ("reset", "restore"):
            if how == "one task" and task not in (None, header["task"]):
                send({"restart": True})
                continue
            if how == "always":
                send({"restart": True})
                continue
            if how == "task":
                send({"error": "no task " + header["task"], "kind": "task"})
                continue
            t, task, seed = 0, header["task"], header["seed"] % 1000 + (500 if header["pool"] == "evaluation" else 0)
            place = seed / 1000
            if call == "restore":
                t, place = struct.unpack("<2d", body)
                t = int(t)
            send({"instruction": "count to six", "scene": {"layout": 3, "object": "cup"}, "metadata": {"lamp": [1]},
                  "model": "<m/>"}, observation())
        elif call == "step":
            t += 1
            place += struct.unpack("<f", body)[0] / 10
            if t == 3 and how not in ("", "import"):
                if marker:
                    open(marker, "w").close()
                bad_step()
            else:
                send({"reward": t / 8, "success": t == 6, "terminated": t == 6, "truncated": False}, observation())
        elif call == "expert":
            send({}, [("action", "float32", [1], struct.pack("<f", seed / 1000 - place + header["noise"]))])
        elif call == "state":
            values = [t, place] + [0] * (how == "growing" and t > 0)
            send({}, [("state", "float64", [len(values)], struct.pack(f"<{len(values)}d", *values))])
        elif call == "close":
            send({})
            os._exit(0)
    """#
}

/// An episode played by the environment's own expert.
struct Played: Equatable {
  var observations: [Observation] = []
  var rewards: [Float] = []
  var solved = false

  init(_ environment: any Environment, seed: UInt64 = 7, steps: Int = 20) throws {
    observations = [
      try environment.reset(EpisodeSpec(task: environment.spec.tasks[0].name, seed: seed, pool: .evaluation))
    ]
    guard let expert = (environment as? any ExpertProviding)?.expert(seed: seed, noise: 0.5) else { return }
    expert.begin(seed: seed)
    for _ in 0..<steps where !solved {
      let transition = try environment.step(expert.action(for: observations.last!))
      observations.append(transition.observation)
      rewards.append(transition.reward)
      solved = transition.success
    }
  }
}
