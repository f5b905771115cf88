"""Types of numbers and versions of the file format. The values are h5py's in every case."""
import h5py
import numpy as np

from making import STEPS, actions, case, each, every, maybe, positions, put, smooth, toy


# ---- versions of the file format ----------------------------------------------------------------------------------------

NEWER = maybe(("newer", "1.10"), ("libver", "v110"))


def version(folder, libver):
    with toy(folder, libver=libver) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(1, 16, 16, 3), compression="gzip")
            put(demo, "actions", actions(i), chunks=(6, 7), maxshape=(None, 7))
            demo.attrs["model_file"] = "<mujoco>" + "x" * 70_000 + "</mujoco>"


@case()
def version_108(folder):
    """libver='v108': new groups, attributes above 64 KB."""
    version(folder, ("v108", "v108"))


@case()
def version_110(folder):
    """libver='v110': new chunk indices (arrays, single chunk)."""
    version(folder, ("v110", "v110"))


@case(train=NEWER, play=NEWER, repack=NEWER)
def version_114(folder):
    """libver='v114'."""
    version(folder, ("v114", "v114"))


@case(train=NEWER, play=NEWER, repack=NEWER)
def version_latest(folder):
    """libver='latest', whatever this h5py takes for it, as recorders with SWMR ask for."""
    version(folder, "latest")


@case(train=NEWER, play=NEWER, repack=NEWER)
def version_latest_links(folder):
    """The same with nothing chunked."""
    toy(folder, libver="latest").close()


@case()
def paged(folder):
    """Paged file space, as cloud-ready files have."""
    with toy(folder, fs_strategy="page", fs_page_size=4096) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(5, 16, 16, 3), compression="gzip")


# ---- types of numbers ----------------------------------------------------------------------------------------------------


@case()
def big_endian(folder):
    """Recorded on another processor: big-endian floats and integers."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "actions", actions(i).astype(">f8"))
            put(demo, "obs/pos", np.round(positions(i) * 1000).astype(">i4"))


@case()
def half_floats(folder):
    """16-bit floats, as policies' own logs have."""
    every(folder, "actions", lambda values, i: values.astype("f2"))


@case()
def integer_actions(folder):
    """Discrete or quantized commands as 16-bit integers."""
    every(folder, "actions", lambda values, i: np.round(values).astype("i2"))


@case()
def unsigned_positions(folder):
    """Encoder ticks as unsigned 64-bit integers."""
    every(folder, "obs/pos", lambda values, i: (values * 1000 + 2000).astype("u8"))


@case()
def byte_positions(folder):
    """Three contact flags as bytes: a vector that must not be taken for a picture."""
    every(folder, "obs/pos", lambda values, i: (values > 0).astype("u1"))


@case()
def bool_positions(folder):
    """Contact flags as h5py stores NumPy's bools: an enumeration of FALSE and TRUE."""
    every(folder, "obs/pos", lambda values, i: values > 0)


@case()
def bool_chunks(folder):
    """The same, compressed."""
    every(folder, "obs/pos", lambda values, i: values > 0, chunks=(5, 3), compression="gzip")


@case(train=maybe("pos"), play="values", repack="values")
def enumeration(folder):
    """A gripper's state as an enumeration of its own names."""
    kind = h5py.enum_dtype({"OPEN": 0, "CLOSING": 5, "CLOSED": 9}, basetype="i2")
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/pos", np.random.default_rng(i).choice([0, 5, 9], (STEPS, 3)).astype("i2"), dtype=kind)


@case(train=["pos"], play="values", repack="values")
def compound(folder):
    """Poses as records of named fields."""
    kind = np.dtype([("position", "f4", 3), ("stamp", "f8")])
    every(folder, "obs/pos", lambda values, i: np.zeros(STEPS, kind))


@case(train=["pos"], play="values", repack="values")
def complex_numbers(folder):
    """A spectrum in place of a vector."""
    every(folder, "obs/pos", lambda values, i: values + 1j)


@case(train=["cam_image"], play="any", repack="values")
def sixteen_bit_pictures(folder):
    """A 12-bit camera's frames in 16-bit numbers."""
    every(folder, "obs/cam_image", lambda values, i: values.astype("u2") * 16)


@case(train=["cam_image"], play="any", repack="values")
def signed_pictures(folder):
    """Frames saved as 64-bit integers by a careless np.array(list)."""
    every(folder, "obs/cam_image", lambda values, i: values.astype("i8"))


@case(train=maybe("pos"), play="values", repack="values")
def array_type(folder):
    """Vectors as one array-typed element a step (MATLAB and C writers): h5py gives [steps, 3]."""
    with toy(folder) as file:
        for i, demo in each(file):
            values = positions(i)
            put(demo, "obs/pos", shape=(STEPS,), dtype=np.dtype(("f8", (3,))))[...] = values


@case()
def named_types(folder):
    """Datatypes that are committed to the file and shared."""
    with toy(folder) as file:
        file["types/number"] = np.dtype("f4")
        for i, demo in each(file):
            put(demo, "obs/pos", positions(i), dtype=file["types/number"])
