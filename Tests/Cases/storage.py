"""How HDF5 keeps an array: layouts, filters, number types. The values are h5py's in every case."""
import os

import h5py
import numpy as np

from making import STEPS, Skipped, actions, case, each, every, maybe, pictures, positions, put, smooth, toy


@case()
def plain(folder):
    """The plainest file: contiguous 64-bit floats and bytes."""
    toy(folder).close()


def filtered(folder, **options):
    """All arrays in chunks that pass filters, with values that compress, and a last chunk that is not full."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(5, 16, 16, 3), **options)
            put(demo, "actions", np.round(demo["actions"][()], 1), chunks=(5, 7), **options)
            put(demo, "obs/pos", np.round(demo["obs/pos"][()], 1), chunks=(5, 3), **options)


@case()
def gzip(folder):
    """Most of robomimic's and RoboCasa's files."""
    filtered(folder, compression="gzip", compression_opts=4)


@case()
def lzf(folder):
    """h5py's own fast filter, as Isaac Lab's users and many recorders choose it."""
    filtered(folder, compression="lzf")


@case()
def lzf_shuffle(folder):
    """h5py's manual recommends the two together."""
    filtered(folder, compression="lzf", shuffle=True)


@case()
def lzf_noise(folder):
    """lzf on camera noise: chunks that gain nothing are stored plain, with the filter's bit set in their mask."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", pictures(i), chunks=(5, 16, 16, 3), compression="lzf")


@case()
def gzip_noise(folder):
    """gzip on camera noise; deflate is then kept although it gains nothing."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", pictures(i), chunks=(1, 16, 16, 3), compression="gzip", compression_opts=9)


@case()
def shuffle_gzip(folder):
    """PyTables and MATLAB put shuffle before gzip."""
    filtered(folder, compression="gzip", shuffle=True)


@case()
def fletcher32(folder):
    """Checksums, as cautious labs store them."""
    filtered(folder, fletcher32=True)


@case()
def all_filters(folder):
    """Shuffle, gzip and a checksum."""
    filtered(folder, compression="gzip", shuffle=True, fletcher32=True)


@case(train=["cam_image", "demo_"], inspect="either", play="either")
def fletcher32_wrong(folder):
    """A bit that flipped on the disk, which the checksum notices."""
    filtered(folder, fletcher32=True)
    with h5py.File(f"{folder}/toy.hdf5", "r") as file:
        places = [demo["obs/cam_image"].id.get_chunk_info(n).byte_offset for _, demo in each(file) for n in range(3)]
    with open(f"{folder}/toy.hdf5", "r+b") as file:
        for place in places:
            file.seek(place + 100)
            byte = file.read(1)[0]
            file.seek(place + 100)
            file.write(bytes([byte ^ 4]))


@case()
def scale_offset(folder):
    """Integers squeezed to the bits they need, lossless; floats to two decimals."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(5, 16, 16, 3), scaleoffset=0)
            put(demo, "obs/pos", demo["obs/pos"][()], chunks=(5, 3), scaleoffset=2)


@case()
def nbit(folder):
    """12-bit camera values in 16-bit numbers, the rest squeezed out."""
    kind = h5py.h5t.STD_I16LE.copy()
    kind.set_precision(12)
    with toy(folder) as file:
        for i, demo in each(file):
            values = np.round(demo["obs/pos"][()] * 1000).astype("i2")
            del demo["obs/pos"]
            options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            options.set_chunk((5, 3))
            options.set_filter(5)  # n-bit
            dataset = h5py.h5d.create(demo["obs"].id, b"pos", kind, h5py.h5s.create_simple(values.shape), options)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


@case(train=maybe("szip"), play=maybe("szip"), repack=maybe("szip"))
def szip(folder):
    """Satellite people's filter; not every HDF5 library has it."""
    if not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP) or not h5py.h5z.get_filter_info(h5py.h5z.FILTER_SZIP) & 1:
        raise Skipped("this h5py cannot write szip")
    filtered(folder, compression="szip", compression_opts=("nn", 8))


def plugin(name):
    import hdf5plugin

    return getattr(hdf5plugin, name)()


def plugin_path():
    import hdf5plugin

    return {"HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}


BLOSC = [("blosc", "32001"), ("h5repack", "HDF5_PLUGIN_PATH")]


@case(train=BLOSC + ["32001"], play=BLOSC, repack=BLOSC)
def blosc(folder):
    """hdf5plugin's blosc, as in DROID-like and tactile recordings; the plug-in is not installed."""
    filtered(folder, **plugin("Blosc"))


@case(train=["32015", ("h5repack", "HDF5_PLUGIN_PATH")])
def zstd(folder):
    """Zstandard through hdf5plugin."""
    filtered(folder, **plugin("Zstd"))


@case(train=["32004", ("h5repack", "HDF5_PLUGIN_PATH")])
def lz4(folder):
    """LZ4 through hdf5plugin."""
    filtered(folder, **plugin("LZ4"))


@case(train=["32008", ("h5repack", "HDF5_PLUGIN_PATH")])
def bitshuffle(folder):
    """Bitshuffle with LZ4, as detectors write."""
    filtered(folder, **plugin("Bitshuffle"))


@case(inspect="any", repack=maybe("32001"))
def blosc_pictures_elsewhere(folder):
    """Only a camera that nobody asked for has a filter that is not installed."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo.create_dataset("obs/other_depth_raw", data=np.arange(STEPS * 100).reshape(STEPS, 100), chunks=(5, 100), **plugin("Blosc"))




@case(environment=plugin_path)
def blosc_with_plugin(folder):
    """The same file where the plug-in is installed and HDF5_PLUGIN_PATH names it."""
    filtered(folder, **plugin("Blosc"))


@case(train=["32001"])
def blosc_actions(folder):
    """The filter that is not installed is on the actions."""
    every(folder, "actions", lambda values, i: np.round(values, 1), chunks=(5, 7), **plugin("Blosc"))


# ---- layouts -----------------------------------------------------------------------------------------------------------


@case(inspect="any")
def chunks_missing(folder):
    """A recorder that makes room for the longest episode and fills what there was: chunks never written are zeros."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1", chunks=(1, 16, 16, 3))
            dataset[:5] = pictures(i, 5)


@case(inspect="any")
def chunks_missing_fill(folder):
    """The same with a fill value of its own, gzip, and vectors too."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1", chunks=(2, 8, 16, 3), fillvalue=77,
                          compression="gzip")
            dataset[3:7, :8] = pictures(i, 4)[:, :8]
            dataset = put(demo, "obs/pos", shape=(STEPS, 3), dtype="f4", chunks=(4, 3), fillvalue=-0.25)
            dataset[:4] = positions(i, 4)


@case(inspect="any")
def chunks_missing_lzf(folder):
    """Never written chunks behind a filter that only the library reads."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1", chunks=(2, 16, 16, 3), fillvalue=9,
                          compression="lzf")
            dataset[2:6] = smooth(i, 4)


@case(inspect="any")
def contiguous_missing(folder):
    """A contiguous camera whose space was never allocated: nothing was written, all is the fill value."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1", fillvalue=12 + i)


@case(inspect="any")
def contiguous_partly(folder):
    """A contiguous camera of which some rows were written: the others hold the fill value on the disk."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1", fillvalue=200)[2:9] = pictures(i, 7)


@case()
def chunk_larger_than_array(folder):
    """Recorders that leave chunks of a fixed, large shape: one chunk holds more rows than there are."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", pictures(i), chunks=(64, 16, 16, 3), maxshape=(None, 16, 16, 3), compression="gzip")
            put(demo, "actions", actions(i), chunks=(512, 7), maxshape=(None, 7))


@case()
def shrunk(folder):
    """An episode cut shorter with resize: chunks hold rows beyond the end."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", pictures(i, 20), chunks=(8, 16, 16, 3), maxshape=(None, 16, 16, 3))
            dataset.resize(STEPS, 0)


@case()
def grown(folder):
    """Appended step by step, as Isaac Lab's and most recorders do; h5py guesses the chunks."""
    with toy(folder) as file:
        for i, demo in each(file):
            dataset = put(demo, "obs/cam_image", shape=(0, 16, 16, 3), dtype="u1", chunks=True, maxshape=(None, 16, 16, 3))
            for step, picture in enumerate(pictures(i)):
                dataset.resize(step + 1, 0)
                dataset[step] = picture


@case()
def tiles(folder):
    """h5py's guess for compressed pictures: tiles of one color over many frames, none of which divides the picture."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i, size=18)[:, :, :16], chunks=(7, 5, 9, 1), compression="gzip")


@case()
def compact(folder):
    """Small arrays inside the header, as some writers in C++ choose."""
    with toy(folder) as file:
        for i, demo in each(file):
            for key, values in (("actions", actions(i)), ("obs/pos", positions(i)), ("obs/cam_image", pictures(i))):
                del demo[key]
                options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                options.set_layout(h5py.h5d.COMPACT)
                group, name = demo[os.path.dirname(key) or "."], os.path.basename(key).encode()
                kind = h5py.h5t.py_create(values.dtype)
                dataset = h5py.h5d.create(group.id, name, kind, h5py.h5s.create_simple(values.shape), options)
                dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(values))


@case()
def userblock(folder):
    """A header of another program before HDF5's own: every address is shifted."""
    toy(folder, userblock_size=1024).close()
    with open(f"{folder}/toy.hdf5", "r+b") as file:
        file.write(b"#!/usr/bin/env recorder\n")


@case()
def userblock_filtered(folder):
    """The same with chunks."""
    with toy(folder, userblock_size=512) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(5, 16, 16, 3), compression="gzip")


RAW = ["cam_image", ("raw", "external")]


@case()
def raw_storage(folder):
    """HDF5's external storage: the camera's bytes are in raw files beside, as frame grabbers write."""
    with toy(folder) as file:
        for i, demo in each(file):
            values, raw = pictures(i), os.path.abspath(f"{folder}/frames{i}.raw")
            values.tofile(raw)
            put(demo, "obs/cam_image", shape=values.shape, dtype="u1", external=[(raw, 0, values.nbytes)])


@case(train=maybe(*RAW), play=maybe(*RAW), repack=maybe(*RAW))
def raw_storage_relative(folder):
    """The same by relative names, in two pieces of which the second starts in the middle of its file. HDF5 looks for them in the
    working folder unless it is told to look beside the file."""
    with toy(folder) as file:
        for i, demo in each(file):
            values = pictures(i).tobytes()
            half = len(values) // 2
            with open(f"{folder}/a{i}.raw", "wb") as raw:
                raw.write(values[:half])
            with open(f"{folder}/b{i}.raw", "wb") as raw:
                raw.write(b"head" + values[half:])
            put(demo, "obs/cam_image", shape=(STEPS, 16, 16, 3), dtype="u1",
                external=[(f"a{i}.raw", 0, half), (f"b{i}.raw", 4, len(values) - half)])


@case(train=["frames2.raw"])
def raw_storage_missing(folder):
    """The raw file of one demo was not copied."""
    raw_storage(folder)
    os.remove(f"{folder}/frames2.raw")


def virtual(folder):
    with toy(folder) as file:
        for i, demo in each(file):
            with h5py.File(f"{folder}/source{i}.hdf5", "w") as source:
                source["a"], source["i"] = demo["actions"][()], demo["obs/cam_image"][()]
            for key, inner in (("actions", "a"), ("obs/cam_image", "i")):
                values = demo[key][()]
                layout = h5py.VirtualLayout(values.shape, values.dtype)
                layout[:] = h5py.VirtualSource(f"source{i}.hdf5", inner, values.shape)
                del demo[key]
                demo.create_virtual_dataset(key, layout)


@case()
def virtual_datasets(folder):
    """A merged file of virtual datasets over the recorded ones."""
    virtual(folder)


@case(train=["source2.hdf5"])
def virtual_source_missing(folder):
    """One recorded file was not copied: h5py fills in zeros without a word, which are not what was recorded."""
    virtual(folder)
    os.remove(f"{folder}/source2.hdf5")


@case()
def virtual_inside(folder):
    """Virtual datasets over another dataset of the same file: one long recording cut into demos."""
    with toy(folder) as file:
        file["recording/images"] = np.concatenate([pictures(i) for i in range(4)])
        for i, demo in each(file):
            del demo["obs/cam_image"]
            layout = h5py.VirtualLayout((STEPS, 16, 16, 3), "u1")
            layout[:] = h5py.VirtualSource(".", "recording/images", (4 * STEPS, 16, 16, 3))[i * STEPS : (i + 1) * STEPS]
            demo.create_virtual_dataset("obs/cam_image", layout)


@case()
def virtual_strided(folder):
    """A virtual dataset that takes every second frame of a recording at twice the rate."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["fast"] = pictures(i, 2 * STEPS)
            del demo["obs/cam_image"]
            layout = h5py.VirtualLayout((STEPS, 16, 16, 3), "u1")
            layout[:] = h5py.VirtualSource(".", f"data/demo_{i}/fast", (2 * STEPS, 16, 16, 3))[::2]
            demo.create_virtual_dataset("obs/cam_image", layout)
