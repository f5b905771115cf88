"""How frames are stored: encoded pictures, other orders and ranges, depth."""
import h5py
import numpy as np

from making import (STEPS, Reference, case, each, encoded, every, maybe, positions, put, robomimic, smooth, toy)

# ---- encoded pictures --------------------------------------------------------------------------------------------------


def lists(folder, encode, kind=np.uint8, demos=4, size=16):
    """Cameras as one encoded picture a step, in variable-length lists: `encode` gets a picture, its row and its demo."""
    with toy(folder, demos=demos) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(STEPS,), dtype=h5py.vlen_dtype(kind))
            for row, picture in enumerate(smooth(i, size=size)):
                dataset[row] = encode(picture, row, i)


def is_bad(row, demo):
    """Most rows of every demo, so that any three steps of training meet one."""
    return row > 0


@case()
def jpeg(folder):
    """JPEG pictures, as imitate's own and many real robots' files."""
    lists(folder, lambda picture, row, demo: encoded(picture, quality=95))


@case()
def jpeg_444(folder):
    """JPEG without color subsampling, progressive, with restart markers."""
    lists(folder, lambda picture, row, demo: encoded(picture, quality=90, subsampling=0, progressive=row % 2 == 0, optimize=True))


@case()
def jpeg_chunked(folder):
    """JPEG lists in compressed chunks."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(STEPS,), dtype=h5py.vlen_dtype(np.uint8), chunks=(5,), maxshape=(None,))
            for row, picture in enumerate(smooth(i)):
                dataset[row] = encoded(picture)


@case(train=["demo_0", "cam_image", ("0", "empty")], repack="either")
def jpeg_first_empty(folder):
    """The camera had not started: the first picture is empty."""
    lists(folder, lambda picture, row, demo: encoded(picture) if row else np.zeros(0, np.uint8))


@case(train=["cam_image", "demo_"])
def jpeg_never_written(folder):
    """Room for pictures that were never written."""
    with toy(folder) as file:
        for _, demo in each(file):
            put(demo, "obs/cam_image", shape=(STEPS,), dtype=h5py.vlen_dtype(np.uint8))


@case(train=["cam_image", "demo_"], play=["cam_image"])
def jpeg_truncated(folder):
    """Pictures cut off in the middle, which decoders fill with grey."""
    lists(folder, lambda picture, row, demo: encoded(picture)[: -200 if is_bad(row, demo) else None], size=48)


@case(train=["cam_image", "demo_"], play=["cam_image"])
def jpeg_noise(folder):
    """Bytes that are no picture."""
    lists(folder, lambda picture, row, demo: picture.ravel()[:300] if is_bad(row, demo) else encoded(picture))


@case(train=maybe("cam_image"), inspect="either", play=maybe("cam_image"), repack="either")
def jpeg_grey(folder):
    """Grayscale JPEG, as infrared cameras give."""
    lists(folder, lambda picture, row, demo: encoded(picture[..., 0]))


@case(train=["cam_image"], repack="either")
def jpeg_cmyk(folder):
    """JPEG of four colors."""
    from PIL import Image

    lists(folder, lambda picture, row, demo: encoded(Image.fromarray(picture).convert("CMYK")))


@case(train=["cam_image", "demo_"], play=["cam_image"])
def jpeg_sizes(folder):
    """Pictures of two sizes within one camera."""
    lists(folder, lambda picture, row, demo: encoded(picture if row < 1 else picture[:12]))


@case(train=maybe("cam_image"), inspect="either", play=maybe("cam_image"), repack="either")
def png(folder):
    """PNG instead of JPEG."""
    lists(folder, lambda picture, row, demo: encoded(picture, "PNG"))


@case(train=maybe("cam_image"), inspect="either", play=maybe("cam_image"), repack="either")
def jpeg_in_integers(folder):
    """Lists of 64-bit integers, as np.array(list(bytes)) makes."""
    lists(folder, lambda picture, row, demo: encoded(picture).astype("i8"), kind=np.int64)


@case(train=maybe("cam_image"), inspect="either", play="any", repack="either", reference=lambda case, path: void_reference(path))
def jpeg_opaque(folder):
    """Opaque bytes of a fixed length (np.void), as TensorFlow's exporters store."""
    with toy(folder) as file:
        for i, demo in each(file):
            rows = [encoded(picture).tobytes() for picture in smooth(i)]
            put(demo, "obs/cam_image", np.array([np.void(row.ljust(2000, b"\0")) for row in rows]))


@case(train=maybe("cam_image"), inspect="either", play="any", repack="either", reference=lambda case, path: void_reference(path))
def jpeg_strings(folder):
    """Fixed-length byte strings, which lose their zeros at the end."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", np.array([encoded(picture).tobytes() for picture in smooth(i)], dtype="S"))


def void_reference(path):
    from making import Case, decoded

    plain = Case("", "", None, images=())
    reference = robomimic(plain, path)
    with h5py.File(path, "r") as file:
        for name, arrays in reference.arrays.items():
            rows = [np.frombuffer(row.tobytes(), np.uint8) for row in file[f"data/{name}/obs/cam_image"][()]]
            arrays["obs/cam_image"] = np.stack([decoded(row) for row in rows])
    return reference


# ---- other orders and ranges -------------------------------------------------------------------------------------------


def changed(case, path, change):
    """The reference with frames turned into [steps, height, width, 3] bytes."""
    reference = robomimic(case, path)
    for arrays in reference.arrays.values():
        arrays["obs/cam_image"] = change(arrays["obs/cam_image"])
    return Reference(reference.arrays, reference.instructions)


def first_to_last(frames):
    return np.ascontiguousarray(frames.transpose(0, 2, 3, 1))


FIRST = ["cam_image", "image_order", "channels_first"]


@case(train=FIRST, inspect=["cam_image", "channels_first"], play=["cam_image", "channels-first"], repack="either")
def channels_first(folder):
    """PyTorch's order: [steps, 3, height, width]."""
    every(folder, "obs/cam_image", lambda values, i: values.transpose(0, 3, 1, 2))


@case(own_sets=("observations.image_order=channels_first",), flags=("--channels-first",), inspect="any",
      reference=lambda case, path: changed(case, path, first_to_last))
def channels_first_read(folder):
    """The same, when the recipe and the commands are told."""
    channels_first(folder)


UNIT = ["cam_image", "image_range", "unit"]


@case(train=UNIT, inspect=["cam_image", "unit"], play=["cam_image", "unit-range"], repack="either")
def unit_range(folder):
    """32-bit floats from 0 to 1, as Isaac Lab and converters write."""
    every(folder, "obs/cam_image", lambda values, i: (values / 255).astype("f4"))


@case(own_sets=("observations.image_range=unit",), flags=("--unit-range",), inspect="any",
      reference=lambda case, path: changed(case, path, lambda frames: np.round(frames * 255).astype("u1")))
def unit_range_read(folder):
    """The same, when the recipe and the commands are told."""
    unit_range(folder)


@case(own_sets=("observations.image_range=unit", "observations.image_order=channels_first"),
      flags=("--unit-range", "--channels-first"), inspect="any",
      reference=lambda case, path: changed(case, path, lambda frames: np.round(first_to_last(frames) * 255).astype("u1")))
def unit_range_channels_first(folder):
    """Both, in 64-bit floats, as torch.save of a batch of ToTensor()."""
    every(folder, "obs/cam_image", lambda values, i: values.transpose(0, 3, 1, 2) / 255, chunks=(5, 3, 16, 16), compression="gzip")


@case(train=["cam_image"], inspect=["cam_image"], play="either", repack="either", own_sets=("observations.image_range=unit",))
def unit_range_exceeded(folder):
    """The recipe says unit, the floats go to 255."""
    every(folder, "obs/cam_image", lambda values, i: values.astype("f4"))


@case(train=["cam_image"], play="any", repack="values")
def four_channels(folder):
    """RGBA, as simulators render it."""
    every(folder, "obs/cam_image", lambda values, i: np.concatenate([values, values[..., :1]], -1))


@case(train=["cam_image"], play="any", repack="values")
def grey_frames(folder):
    """One channel, without an axis for it."""
    every(folder, "obs/cam_image", lambda values, i: values[..., 0])


@case(train=["cam_image"], play="any", repack="values")
def one_picture(folder):
    """One picture for the whole demo, without an axis of steps."""
    every(folder, "obs/cam_image", lambda values, i: values[0])


@case()
def three_wide_three_high(folder):
    """Pictures of 3 by 3 pixels would be channels first and last; the last axis counts."""
    every(folder, "obs/cam_image", lambda values, i: np.ascontiguousarray(values[:, :8, :12]))


@case(inspect="any")
def one_colour(folder):
    """A lens cap: black frames, which can be trained on and are told."""
    every(folder, "obs/cam_image", lambda values, i: np.zeros_like(values))


@case(inspect=["demo_1", "cam_image"])
def black_demo(folder):
    """One demo recorded with the lens cap on."""
    with toy(folder) as file:
        file["data/demo_1/obs/cam_image"][...] = 0


# ---- depth -------------------------------------------------------------------------------------------------------------

CALIBRATION = np.tile(np.array([16, 16, 8, 8, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], float), (STEPS, 1))


def depth(folder, kind, scale):
    with toy(folder) as file:
        for i, demo in each(file):
            meters = 0.5 + positions(i, width=256).reshape(STEPS, 16, 16, 1) / 4
            demo["obs/cam_depth"], demo["obs/cam_calibration"] = (meters * scale).astype(kind), CALIBRATION


@case(vectors=("pos", "cam_depth"), inspect="any")
def depth_meters(folder):
    """Depths in meters, as floats."""
    depth(folder, "f4", 1)


@case(vectors=("pos", "cam_depth"), train=["cam_depth", ("meters", "metres")], play="values", repack="values")
def depth_millimeters(folder):
    """A real camera's depths: 16-bit millimeters, where meters are expected."""
    depth(folder, "u2", 1000)


@case(vectors=("pos", "cam_depth"), train=["cam_depth", ("meters", "metres")], play="values", repack="values")
def depth_millimeters_float(folder):
    """Millimeters as floats: out of any plausible range."""
    depth(folder, "f4", 1000)


@case(inspect="any")
def depth_elsewhere(folder):
    """Millimeters under a key that nobody asked for."""
    depth(folder, "u2", 1000)
