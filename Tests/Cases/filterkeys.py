"""Filter keys: which demos a split takes."""
import h5py
import numpy as np

from making import case, maybe, put, toy


def keyed(folder, values, key="2_demos", demos=6, **options):
    with toy(folder, demos=demos) as file:
        file.create_dataset(f"mask/{key}", data=values, **options)


def names(*numbers):
    return [f"demo_{n}" for n in numbers]


@case(split="all-4", masks={"4_demos": names(0, 2, 3, 5)})
def filter_key(folder):
    """RoboCasa's N_demos, in an order of its own."""
    keyed(folder, np.array(names(5, 0, 3, 2), dtype="S"), "4_demos")


@case(split="all-4", masks={"4_demos": names(0, 2, 3, 5)})
def filter_key_strings(folder):
    """Variable-length strings."""
    keyed(folder, np.array(names(0, 2, 3, 5), dtype=h5py.string_dtype()), "4_demos")


@case(split="all-4", masks={"4_demos": names(0, 2, 3, 5)})
def filter_key_spaces(folder):
    """Fixed-length strings padded with spaces, as Fortran and MATLAB write them."""
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(12)
    kind.set_strpad(h5py.h5t.STR_SPACEPAD)
    with toy(folder, demos=6) as file:
        values = np.array([name.ljust(12).encode() for name in names(0, 2, 3, 5)], "S12")
        space = h5py.h5s.create_simple((4,))
        dataset = h5py.h5d.create(file.create_group("mask").id, b"4_demos", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values, kind)


@case(split="all-4", masks={"4_demos": names(0, 2, 3, 5)})
def filter_key_wide(folder):
    """Fixed-length strings with zeros behind, compressed."""
    keyed(folder, np.array(names(0, 2, 3, 5), dtype="S40"), "4_demos", chunks=(3,), compression="gzip")


@case(split="all-4", masks={"4_demos": names(0, 1, 2, 3)}, inspect=["4_demos"], notes=["note", "4_demos"])
def filter_key_twice(folder):
    """Two lists appended: a demo is named twice, counts once, and is not trained on and held out."""
    keyed(folder, np.array(names(0, 1, 2, 3, 0, 1), dtype="S"), "4_demos")


@case(split="all-2", train=["2_demos"], play="values", repack="values")
def filter_key_numbers(folder):
    """Numbers instead of names."""
    keyed(folder, np.array([0, 1]))


@case(split="all-2", train=["2_demos", ("names no", "empty")], play="values", repack="values")
def filter_key_empty(folder):
    """A key without names."""
    keyed(folder, np.zeros(0, dtype="S8"))


@case(split="all-2", train=["2_demos", ("names no", "empty", "hold")], play="values", repack="values")
def filter_key_none(folder):
    """A key without any value."""
    keyed(folder, h5py.Empty("S8"))


@case(split="all-2", train=["2_demos", "demo_9"], play="values", repack="values")
def filter_key_dangling(folder):
    """A key that names a demo that was deleted."""
    keyed(folder, np.array(names(0, 9), dtype="S"))


@case(split="all-2", masks={"2_demos": ["demo_0"]}, train=maybe("2_demos"), inspect="any", play="values", repack="values")
def filter_key_scalar(folder):
    """A single string instead of a list."""
    keyed(folder, "demo_0")


@case(split="all-2", train=["2_demos"], play="values", repack="values")
def filter_key_group(folder):
    """A group where the list should be."""
    with toy(folder, demos=6) as file:
        file["mask/2_demos/train"] = np.array(names(0, 1), dtype="S")


@case(split="all-2", train=["2_demos"], play="values", repack="values")
def filter_key_flags(folder):
    """A flag for each demo, as NumPy masks are."""
    keyed(folder, np.array([True, True, False, False, False, False]))


@case(inspect="any")
def filter_key_wrong_elsewhere(folder):
    """The same faults in keys that the recipe does not use."""
    with toy(folder) as file:
        file["mask/numbers"], file["mask/none"] = np.arange(2), np.zeros(0, "S1")
        file["mask/gone"] = np.array([b"demo_77"])
        file["mask/inner/deep"] = np.array([b"demo_0"])


@case(inspect="any")
def mask_is_array(folder):
    """`mask` is an array."""
    with toy(folder) as file:
        file["mask"] = np.arange(4)


@case(split="all-2", train=["2_demos"], inspect="any", play="values", repack="values")
def no_masks(folder):
    """The recipe wants a key of a file that has none."""
    toy(folder).close()


@case(split="all-better", masks={"better": names(0, 1, 2, 4)})
def multi_human(folder):
    """robomimic's multi-human files: keys called by the operators' skill."""
    with toy(folder, demos=6) as file:
        for key, demos in {"better": (0, 1, 2, 4), "worse": (3, 5), "better_train": (0, 1)}.items():
            put(file, f"mask/{key}", np.array(names(*demos), dtype="S"))


def split_file(folder, valid):
    with toy(folder, demos=6) as file:
        file["mask/train"] = np.array(names(0, 1, 2, 3), dtype="S")
        file["mask/valid"] = np.array(names(*valid), dtype="S")


@case(split="all-train", masks={"train": names(0, 1, 2, 3), "valid": names(4, 5)}, sets=("data.validation=valid",))
def train_and_valid(folder):
    """robomimic's split_train_val: one key to train on, one to hold out."""
    split_file(folder, (4, 5))


@case(split="all-train", sets=("data.validation=valid",), train=["demo_3", "valid"], inspect="any", play="values", repack="values")
def train_in_valid(folder):
    """The two overlap."""
    split_file(folder, (3, 4, 5))


@case(split="all-train", sets=("data.validation=held_out",), train=["held_out"], inspect="any", play="values", repack="values")
def valid_missing(folder):
    """The recipe holds out a key that is not there."""
    split_file(folder, (4, 5))
