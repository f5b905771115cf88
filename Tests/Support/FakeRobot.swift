import Foundation

/// A program that serves a robot whose hand moves in a line, by the messages of docs/environments.md and Python's own library
/// alone. It writes what it is asked into a file, and misbehaves when it is asked to.
package struct FakeRobot {
  package let folder: String

  /// - Parameter folder: where the program is written, as `robot.py`.
  package init(folder: String) throws {
    self.folder = folder
    try FakeRobot.program.write(toFile: folder + "/robot.py", atomically: true, encoding: .utf8)
  }

  /// The calls so far, without what came with them.
  package var calls: [String] {
    ((try? String(contentsOfFile: folder + "/calls", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
  }

  private static let program = #"""
    import json, os, signal, struct, sys, time

    how = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")

    def note(text):
        with open(os.path.join(here, "calls"), "a") as file:
            file.write(text + "\n")

    def ended(number, frame):
        note("terminated")
        os._exit(1)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(header, arrays=()):
        header["arrays"] = [{"name": name, "dtype": dtype, "shape": shape, "bytes": len(data)}
                            for name, dtype, shape, data in arrays]
        text, body = json.dumps(header).encode(), b"".join(data for _, _, _, data in arrays)
        answers.write(b"IKE1" + struct.pack("<IQ", len(text), len(body)) + text + body)
        answers.flush()

    def observation():
        pixels = bytes((7 * step + 3 * i) % 256 for i in range(20 * 20 * 3))
        return [("obs/front_image", "uint8", [20, 20, 3], pixels),
                ("obs/robot0_eef_pos", "float32", [3], struct.pack("<3f", *hand))]

    hello = {
        "protocol": 1, "name": "arm", "versions": {"arm": "1"},
        "tasks": [{"name": "pick", "group": "pick", "horizon": 8}],
        "action": {"dimensions": [{"name": axis, "unit": "0.05 m", "low": -1, "high": 1} for axis in "xyz"]
                   + [{"name": "gripper", "unit": "-1 open, +1 close", "low": -1, "high": 1}],
                   "control_hertz": 50, "control": "step in the base frame"},
        "observations": {"images": {"front_image": [20, 20]},
                         "vectors": {"robot0_eef_pos": {"width": 3, "unit": "m", "frame": "robot base", "quaternion": None}}},
        "arguments": {}, "capabilities": [] if "loose" in how else ["hold", "teleoperation"]}
    step, hand = 0, [0.5, 0.0, 0.2]
    while True:
        start = requests.read(16)
        if len(start) < 16:
            note("end")
            os._exit(0)
        header_bytes, body_bytes = struct.unpack("<IQ", start[4:])
        header, body = json.loads(requests.read(header_bytes)), requests.read(body_bytes)
        call = header["call"]
        note(call)
        if call == "hello":
            send(hello)
        elif call == "reset":
            step, hand = 0, [0.5, 0.0, 0.2]
            send({"instruction": "pick it up", "metadata": {}, "model": ""}, observation())
        elif call == "step":
            step += 1
            if "silent" in how and step == 3:
                time.sleep(1000)
            if "dying" in how and step == 3:
                os._exit(3)
            if "slow" in how and step in (2, 4):
                time.sleep(0.05)
            hand = [place + 0.05 * move for place, move in zip(hand, struct.unpack("<4f", body))]
            send({"reward": 0, "success": False, "terminated": False, "truncated": False, "clipped": step == 2},
                 observation())
        elif call == "teleoperate":
            action = struct.pack("<4f", 0.2, -0.1 * (step % 3), 0.1, 1 if step > 3 else -1)
            send({"finished": step == 5}, [("action", "float32", [4], action)])
        elif call in ("hold", "close"):
            send({})
            if call == "close":
                os._exit(0)
    """#
}
