"""Shapes, values and numbers of steps, and what the demos of one file have in common."""
import json

import h5py
import numpy as np

from making import STEPS, actions, case, each, every, maybe, pictures, positions, put, smooth, toy


# ---- shapes ------------------------------------------------------------------------------------------------------------


def resized(folder, steps):
    with toy(folder) as file:
        demo = file["data/demo_2"]
        demo.attrs["num_samples"] = steps
        for key, width in (("actions", (7,)), ("obs/pos", (3,)), ("obs/cam_image", (16, 16, 3))):
            kind = demo[key].dtype
            put(demo, key, np.ones((steps, *width), kind), maxshape=(None, *width), chunks=(4, *width))
        file["data"].attrs["total"] = 3 * STEPS + steps


@case(train=["demo_2", ("0 rows", "no rows", "0 steps", "no steps")], play="values", repack="values")
def zero_steps(folder):
    """Isaac Lab: an episode that was reset at once is exported without rows."""
    resized(folder, 0)


@case(demo="demo_2", train=["demo_2", ("0 rows", "no rows", "0 steps", "no steps")], play=["demo_2"], repack="values")
def zero_steps_played(folder):
    """The same, of which that very episode is played."""
    resized(folder, 0)


@case(inspect="any")
def one_step(folder):
    """An episode of one row."""
    resized(folder, 1)


@case(demo="demo_2", inspect="any")
def one_step_played(folder):
    """The same, played."""
    resized(folder, 1)


@case(inspect="any")
def one_step_each(folder):
    """All episodes have one row."""
    toy(folder, demos=9, steps=1).close()


@case(train=["pos", ("0 wide", "no numbers", "width", ", 0]")], play="values", repack="values")
def zero_width(folder):
    """An `object` observation without numbers."""
    every(folder, "obs/pos", lambda values, i: values[:, :0])


@case(inspect="any")
def zero_width_elsewhere(folder):
    """The same under a key that nobody asked for."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["obs/object"] = np.zeros((STEPS, 0))


@case(train=["actions"], repack="values")
def zero_width_actions(folder):
    """Actions without numbers."""
    every(folder, "actions", lambda values, i: values[:, :0])


@case(train=["cam_image"], play="either")
def zero_pixels(folder):
    """A camera that was switched off: frames without rows."""
    every(folder, "obs/cam_image", lambda values, i: values[:, :0])


@case(train=["demo_1", "actions"])
def action_widths(folder):
    """Two robots in one file: actions of different widths."""
    with toy(folder) as file:
        put(file["data/demo_1"], "actions", actions(1, width=8))


@case(train=["demo_1", "pos"])
def vector_widths(folder):
    """An observation that became wider."""
    with toy(folder) as file:
        put(file["data/demo_1"], "obs/pos", positions(1, width=4))


@case(train=["demo_1", "cam_image"], play="values", repack="values")
def camera_sizes(folder):
    """A camera whose resolution was changed between demos."""
    with toy(folder) as file:
        put(file["data/demo_1"], "obs/cam_image", pictures(1, size=24))


@case(train=["demo_1", "pos", ("11", "rows")], play="values", repack="values")
def rows_differ(folder):
    """An observation one row short, as off-by-one recorders leave."""
    with toy(folder) as file:
        put(file["data/demo_1"], "obs/pos", positions(1)[:-1])


@case(train=["demo_1", "cam_image", ("13", "rows")], repack="values")
def frames_longer(folder):
    """ManiSkill and gym recorders keep one more observation than actions."""
    with toy(folder) as file:
        put(file["data/demo_1"], "obs/cam_image", pictures(1, STEPS + 1))


@case(vectors=("pos", "height"))
def flat_vector(folder):
    """One number a step, stored without a second axis."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/height"] = positions(i, width=1)[:, 0]


@case(train=maybe("actions"), inspect="either", play="either", repack="values")
def flat_actions(folder):
    """One action a step, stored without a second axis."""
    every(folder, "actions", lambda values, i: values[:, 0])


@case(train=["actions"], repack="values")
def deep_actions(folder):
    """Action chunks: three axes."""
    every(folder, "actions", lambda values, i: values.reshape(STEPS, 1, 7))


@case(train=["actions"], play="either", repack="values")
def scalar_actions(folder):
    """`actions` is a single number."""
    every(folder, "actions", lambda values, i: 3.0)


@case(train=["pos"], play="values", repack="values")
def empty_space(folder):
    """A dataset without any value at all: h5py.Empty, for an observation."""
    with toy(folder) as file:
        for _, demo in each(file):
            put(demo, "obs/pos", h5py.Empty("f8"))


@case(inspect="any")
def odd_shapes_elsewhere(folder):
    """Things beside the observations asked for: scalars, empty spaces, five axes, strings, no rows."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/scalar"], demo["obs/none"] = 3.5, h5py.Empty("f4")
            demo["obs/clouds"] = np.zeros((STEPS, 2, 3, 4, 5), "f4")
            demo["obs/lang"] = np.array(["push", "the", "töy"] * 4, dtype=h5py.string_dtype())
            demo["obs/stamp"] = np.array([b"12:00"] * STEPS)
            demo["obs/poses"] = np.zeros((STEPS, 4, 4))
            demo["obs/record"] = np.zeros(STEPS, [("a", "i4"), ("b", "f8")])
            demo["obs/lists"] = np.array([np.arange(n) for n in range(STEPS)], dtype=h5py.vlen_dtype("f4"))
            demo["obs/none_yet"] = np.zeros((0, 3))
            demo["obs/grey"] = smooth(i)[..., :1]
            demo["obs/stamp64"] = 1.7e9 + np.arange(STEPS) / 30
            demo["obs/complex"] = np.zeros((STEPS, 2), complex)


@case(vectors=("pos", "grid"), train=maybe("grid"), inspect="any", play="values", repack="values")
def wide_observation(folder):
    """A height map of two axes, named as a vector."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/grid"] = positions(i, width=20).reshape(STEPS, 4, 5)


@case(vectors=("stamp",))
def large_numbers(folder):
    """Unix times as 64-bit floats: read as h5py reads them, then rounded once."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/stamp"] = (1.7e9 + 1e4 * i + np.arange(STEPS) * 40)[:, None]


@case(train=["pos"], play="values", repack="values")
def strings_chosen(folder):
    """An observation that holds words is named as a vector."""
    every(folder, "obs/pos", lambda values, i: np.array([["a", "b", "c"]] * STEPS, dtype="S"))


# ---- values -------------------------------------------------------------------------------------------------------------


@case(train=["demo_1", "pos", "row 3"], play="values", repack="values")
def nan_obs(folder):
    """A lost tracker: NaN in an observation."""
    with toy(folder) as file:
        file["data/demo_1/obs/pos"][3, 2] = np.nan


@case(train=["demo_2", "pos", "row 0"], play="values", repack="values")
def infinite_obs(folder):
    """A range finder that saw nothing: Infinity."""
    with toy(folder) as file:
        file["data/demo_2/obs/pos"][0, 0] = np.inf


@case(train=["demo_1", "pos", "row 4"], play="values", repack="values")
def too_large_for_floats(folder):
    """A 64-bit float beyond the range of 32 bits, which becomes infinite on the way."""
    with toy(folder) as file:
        file["data/demo_1/obs/pos"][4, 1] = 1e300


@case(train=["demo_3", "actions", "row 11"], play="values", repack="values")
def nan_actions(folder):
    """NaN in the last action, which was never sent."""
    with toy(folder) as file:
        file["data/demo_3/actions"][11] = np.nan


@case(train=["demo_0", "actions"], play="values", repack="values")
def all_nan_column(folder):
    """A column of actions that was never measured."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["actions"][:, 6] = np.nan


@case(inspect="any")
def nan_elsewhere(folder):
    """NaN under a key that nobody asked for."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["obs/wrench"] = np.full((STEPS, 6), np.nan)


@case(inspect=["demo_2", "demo_0"])
def same_actions(folder):
    """A demo that was saved twice under two names."""
    with toy(folder) as file:
        put(file["data/demo_2"], "actions", file["data/demo_0/actions"][()])


@case(inspect=["actions"])
def large_actions(folder):
    """Joint angles in degrees as actions."""
    every(folder, "actions", lambda values, i: values * 180)


@case(inspect="any")
def constant_actions(folder):
    """A robot that never moved: every action is the same."""
    every(folder, "actions", lambda values, i: np.zeros_like(values))


# ---- sizes in attributes -------------------------------------------------------------------------------------------------


def samples(folder, value):
    with toy(folder) as file:
        for _, demo in each(file):
            del demo.attrs["num_samples"]
            if value is not None:
                demo.attrs["num_samples"] = value


@case(inspect="any")
def samples_missing(folder):
    """No num_samples, as converters forget it."""
    samples(folder, None)


@case(inspect="any")
def samples_float(folder):
    """num_samples as a float, or as an array of one."""
    samples(folder, 12.0)
    with h5py.File(f"{folder}/toy.hdf5", "a") as file:
        file["data/demo_1"].attrs["num_samples"] = np.array([12])


@case(inspect=["demo_0", "num_samples"])
def samples_wrong(folder):
    """num_samples of the episode before it was cut."""
    samples(folder, 40)


@case(inspect=["demo_0", "num_samples"])
def samples_negative(folder):
    """num_samples below zero."""
    samples(folder, -1)


@case(inspect="any")
def samples_text(folder):
    """num_samples as text."""
    samples(folder, "12")


@case(inspect=["total"])
def total_wrong(folder):
    """`total` of the files before they were merged."""
    with toy(folder) as file:
        file["data"].attrs["total"] = 7


@case(play="values")
def many_steps(folder):
    """One long play session: pictures are written one by one, not kept."""
    with toy(folder, demos=2, steps=6000) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", np.repeat(smooth(i, 60, 48), 100, 0), chunks=(20, 48, 48, 3), compression="gzip")


@case(inspect="any")
def many_demos(folder):
    """A thousand short demos."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file.create_group("data").attrs["env_args"] = json.dumps({"env_name": "Toy", "type": 1, "env_kwargs": {}})
        for i in range(1000):
            demo = file.create_group(f"data/demo_{i}")
            demo["actions"], demo["obs/pos"] = actions(i, 2), positions(i, 2)
            demo["obs/cam_image"] = pictures(i, 2)
            demo.attrs["num_samples"], demo.attrs["ep_meta"] = 2, json.dumps({"lang": f"push toy {i % 30}"})
