"""Compares an adapter's depths and calibrations with rays that MuJoCo sends through the scene.

    python check_depth.py SIMULATOR TASK

A ray starts at the calibrated camera and goes through a pixel; where it first meets a shown shape, the depth must say so, too.
Of the base's frame: when the arm's first joint turns, the hand turns by as much about the base's vertical axis.
"""
import importlib
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "Sources", "Environments", "adapters"))
import wire

SIZE, RAYS = 128, 500


def check_base(model, data, origin, rotation):
    import mujoco

    names = [model.joint(number).name for number in range(model.njnt)]
    joint = model.joint(next(name for name in names if name in ("robot0_joint1", "right_j0")))
    # The last link that only the arm's joints move.
    link = model.body(next(name for name in ("robot0_link7", "right_l6") if name in [model.body(i).name for i in range(model.nbody)])).id
    turned = mujoco.MjData(model)
    places = []
    for angle in (0, 0.3):
        turned.qpos[:] = data.qpos
        turned.qpos[joint.qposadr[0]] += angle
        mujoco.mj_kinematics(model, turned)
        places.append(rotation.T @ (turned.xpos[link] - origin))
    (x, y, z), after = places
    expected = [x * np.cos(0.3) - y * np.sin(0.3), x * np.sin(0.3) + y * np.cos(0.3), z]
    if np.abs(after - expected).max() > 1e-5:
        sys.exit(f"the base's frame does not turn with the arm: its link goes from {places[0]} to {after}, not to {np.array(expected)}")


def main(simulator, task):
    module = importlib.import_module("serve_" + simulator)
    adapter = next(kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__)()
    hello = adapter.hello({"depth": True, "image_size": SIZE})
    adapter.reset(task, 3, "training")
    action = np.zeros(len(hello["action"]["dimensions"]))
    for _ in range(3):
        seen, _ = adapter.step(action)
    import mujoco

    sim = getattr(adapter.world, "sim", None)
    model, data = (sim.model._model, sim.data._data) if sim else (adapter.world.model, adapter.world.data)
    groups = np.array(adapter.drawing.shown.geomgroup, np.uint8)
    origin, rotation = adapter.base()
    random = np.random.default_rng(0)
    # The hand's place seen from the base says whether both are of one frame.
    hand = origin + rotation @ seen["robot0_base_to_eef_pos"]
    if np.abs(hand - seen["robot0_eef_pos"]).max() > 1e-5:
        sys.exit(f"the hand is at {seen['robot0_eef_pos']}, seen from the base at {hand}")
    check_base(model, data, origin, rotation)
    for camera in adapter.cameras:
        numbers, depth = seen[camera + "_calibration"], np.reshape(seen[camera + "_depth"], (SIZE, SIZE))
        (focal, _, x, y), matrix = numbers[:4], numbers[4:].reshape(3, 4)
        place, apart = origin + rotation @ matrix[:, 3], []
        for row, column in random.integers(1, SIZE - 1, (RAYS, 2)):
            patch = depth[row - 1 : row + 2, column - 1 : column + 2]
            # Edges belong to either side.
            if patch.min() == 0 or np.ptp(patch) > 0.02 * patch.min():
                continue
            ray = rotation @ matrix[:, :3] @ [(column + 0.5 - x) / focal, (row + 0.5 - y) / focal, 1]
            length = np.linalg.norm(ray)
            met = mujoco.mj_ray(model, data, place, ray / length, groups, 1, -1, np.zeros(1, np.int32))
            if met >= 0:
                apart.append(abs(met / length - depth[row, column]))
        median, most = np.quantile(apart, [0.5, 0.95]) if len(apart) >= 50 else (np.inf, np.inf)
        print(f"{camera}: {len(apart)} rays, depths apart by {median * 1000:.4f} mm in the median, {most * 1000:.4f} mm for 95 %")
        if not (median < 1e-3 and most < 1e-2):
            sys.exit(f"{camera}: depth and calibration do not agree with the scene")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
        # OpenGL contexts print exceptions when the interpreter tears them down.
        sys.stdout.flush()
        os._exit(0)
    except wire.Problem as problem:
        sys.exit(str(problem))
