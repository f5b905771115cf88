"""What lies where a file of demonstrations should: other files, half a file, a file that another program has."""
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile

import h5py
import numpy as np

from making import case, each, maybe, pictures, put, smooth, toy


def bytes_at(folder, content, name="toy.hdf5"):
    with open(f"{folder}/{name}", "wb") as file:
        file.write(content)


def good_bytes(folder):
    toy(folder).close()
    with open(f"{folder}/toy.hdf5", "rb") as file:
        return file.read()


# ---- not HDF5 ----------------------------------------------------------------------------------------------------------


@case(unreadable=["git lfs pull"])
def lfs_pointer(folder):
    """A clone without Git LFS: a few lines in place of the file."""
    bytes_at(folder, b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 590254080\n")


@case(unreadable=["web page"])
def web_page(folder):
    """The page that asks to sign in, saved under the file's name."""
    bytes_at(folder, b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n")


@case(unreadable=["not an HDF5 file"])
def words_in_a_file(folder):
    """A text file."""
    bytes_at(folder, b"Entry not found")


@case(unreadable=["not an HDF5 file"])
def json_file(folder):
    """ManiSkill's description, which lies beside its trajectories."""
    bytes_at(folder, json.dumps({"env_info": {"env_id": "PushCube-v1"}, "episodes": []}).encode())


@case(unreadable=[("unpack", "gunzip", "gzip")])
def gzip_file(folder):
    """toy.hdf5.gz under the name of what is inside."""
    import gzip

    bytes_at(folder, gzip.compress(good_bytes(folder)))


@case(unreadable=[("unpack", "tar")])
def tar_file(folder):
    """An archive under the name of what is inside."""
    content, archive = good_bytes(folder), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        # A file that comes first begins at byte 512, where HDF5 looks for one behind a user block, and is read as if unpacked.
        for name, inside in (("README.md", b"x" * 5000), ("demo.hdf5", content)):
            entry = tarfile.TarInfo(name)
            entry.size = len(inside)
            tar.addfile(entry, io.BytesIO(inside))
    bytes_at(folder, archive.getvalue())


@case(unreadable=[("unpack", "zip")])
def zip_file(folder):
    """A zip archive, such as UMI's and zarr's."""
    content, archive = good_bytes(folder), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("demo.hdf5", content)
    bytes_at(folder, archive.getvalue())


@case(unreadable=[("NumPy", "zip", "npz")])
def npz_file(folder):
    """NumPy's archive, as Meta-World's scripts write."""
    with open(f"{folder}/toy.hdf5", "wb") as file:
        np.savez(file, actions=np.zeros((3, 4)))


@case(unreadable=["not an HDF5 file"])
def npy_file(folder):
    """One NumPy array."""
    with open(f"{folder}/toy.hdf5", "wb") as file:
        np.save(file, np.zeros((3, 4)))


@case(unreadable=["not an HDF5 file"])
def pickle_file(folder):
    """RLBench's and GAIL's pickles."""
    import pickle

    bytes_at(folder, pickle.dumps({"actions": list(range(100))}))


@case(unreadable=["not an HDF5 file"])
def video_file(folder):
    """A film of the episode."""
    bytes_at(folder, b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(400))


@case(unreadable=["empty"])
def empty_file(folder):
    """A download that never began."""
    bytes_at(folder, b"")


@case(unreadable=[("not an HDF5 file", "zeros", "download")])
def zeros(folder):
    """A download that reserved its room: the size is right, the bytes are zeros."""
    bytes_at(folder, bytes(60_000))


@case(unreadable=["no such file"])
def missing_file(folder):
    """Nothing there."""


@case(unreadable=["folder"])
def folder_for_file(folder):
    """A folder of that name."""
    os.makedirs(f"{folder}/toy.hdf5")


@case(unreadable=["folder"])
def folder_of_others(folder):
    """A folder of that name, with an episode in no layout that is known: RLBench's."""
    os.makedirs(f"{folder}/toy.hdf5/episode0/front_rgb")
    bytes_at(f"{folder}/toy.hdf5/episode0", b"\x80\x04.", "low_dim_obs.pkl")


@case(unreadable=[("no such file", "not there")])
def dangling_symbolic_link(folder):
    """A symbolic link to a disk that is not mounted."""
    os.symlink("/nowhere/mounted/toy.hdf5", f"{folder}/toy.hdf5")


@case(unreadable=[("symbolic link", "no such file")])
def symbolic_link_to_itself(folder):
    """A symbolic link that leads to itself."""
    os.symlink("toy.hdf5", f"{folder}/toy.hdf5")


@case(unreadable=["permission"], ordinary_user=True)
def no_permission(folder):
    """A file that belongs to another user and may not be read."""
    toy(folder).close()
    os.chmod(f"{folder}/toy.hdf5", 0)


@case(ordinary_user=True)
def read_only(folder):
    """A file, in a folder, that may be read only: a shared data disk."""
    toy(folder).close()
    os.chmod(f"{folder}/toy.hdf5", 0o444)
    os.chmod(folder, 0o555)


@case(unreadable=[("not a file", "not an ordinary file", "pipe", "not an HDF5 file")])
def named_pipe(folder):
    """A named pipe: opening it must not wait for ever."""
    os.mkfifo(f"{folder}/toy.hdf5")


# ---- half a file -------------------------------------------------------------------------------------------------------


@case(unreadable=["truncated"])
def truncated(folder):
    """A copy that was stopped half way."""
    content = good_bytes(folder)
    bytes_at(folder, content[: len(content) // 2])


@case(unreadable=["truncated"])
def truncated_by_one(folder):
    """A copy that lacks the last byte."""
    bytes_at(folder, good_bytes(folder)[:-1])


@case(unreadable=[("truncated", "damaged", "not an HDF5 file")])
def truncated_early(folder):
    """Only the signature arrived."""
    bytes_at(folder, good_bytes(folder)[:20])


@case(train=[("damaged", "truncated")], inspect="either", play="any", repack="any")
def tail_of_zeros(folder):
    """A download in pieces of which the last never came: right size, zeros at the end."""
    content = good_bytes(folder)
    bytes_at(folder, content[: len(content) * 2 // 3] + bytes(len(content) - len(content) * 2 // 3))


@case(train="any", inspect="either", play="any", repack="any")
def scattered_damage(folder):
    """Bytes that flipped everywhere: whatever is said, nothing may crash."""
    content = bytearray(good_bytes(folder))
    random = np.random.default_rng(5)
    for place in random.integers(100, len(content), 60):
        content[place] ^= 1 << int(random.integers(8))
    bytes_at(folder, bytes(content))


@case(train="any", inspect="either", play="any", repack="any")
def damaged_chunks(folder):
    """Compressed chunks with flipped bits: damaged, or by chance still a stream."""
    with toy(folder) as file:
        for i, demo in each(file):
            put(demo, "obs/cam_image", smooth(i), chunks=(5, 16, 16, 3), compression="gzip")
    with h5py.File(f"{folder}/toy.hdf5", "r") as file:
        chunks = [demo["obs/cam_image"].id.get_chunk_info(n) for _, demo in each(file) for n in range(3)]
    with open(f"{folder}/toy.hdf5", "r+b") as file:
        for chunk in chunks:
            file.seek(chunk.byte_offset + chunk.size // 2)
            file.write(b"\xff\0\xff\0")


# ---- a file that another program has ----------------------------------------------------------------------------------


def python(code, *arguments):
    """Runs Python beside; it prints a line when it is ready."""
    start = f"import os, sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import h5py, making\n"
    locking = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    process = subprocess.Popen(
        [sys.executable, "-c", start + code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=locking)
    process.stdout.readline()
    return process


def holding(code, folder):
    """A function that ends the other program."""
    process = python(code + "\nprint('ready', flush=True); sys.stdin.read()", folder)

    def finish():
        process.kill()
        process.communicate()

    return finish


@case(train=[("writing", "written", "open elsewhere", "locked")], inspect="either", play="either", repack="either")
def open_for_writing(folder):
    """A recorder has the file open."""
    return holding("file = making.toy(sys.argv[1]); file.flush()", folder)


@case()
def open_for_reading(folder):
    """Another program reads it: so can we."""
    toy(folder).close()
    return holding("file = h5py.File(sys.argv[1] + '/toy.hdf5', 'r')", folder)


WRITING = maybe(("writing", "written"))


@case(train=WRITING, inspect="either", play="either", repack="either")
def swmr_writer(folder):
    """A recorder in SWMR mode, which lets others read: the values as of now, or a line that says so."""
    return holding("file = making.toy(sys.argv[1], libver=('v110', 'v110')); file.swmr_mode = True; file.flush()", folder)


def killed(folder, options):
    process = python(f"file = making.toy(sys.argv[1], {options}); file.flush(); print('ready', flush=True); os._exit(0)", folder)
    process.wait()
    process.stdout.close()
    process.stdin.close()


@case(unreadable=["h5clear -s"])
def killed_writer(folder):
    """A recorder that was killed after a flush: the file says for ever that it is being written."""
    killed(folder, "libver=('v110', 'v110')")


@case(unreadable=["h5clear -s"])
def killed_writer_latest(folder):
    """The same with libver='latest'."""
    killed(folder, "libver='latest'")


SURVIVES = maybe("h5clear -s")


@case(train=SURVIVES, inspect="either", play=SURVIVES, repack=SURVIVES)
def killed_swmr_writer(folder):
    """A recorder in SWMR mode that was killed."""
    code = "file = making.toy(sys.argv[1], libver='latest'); file.swmr_mode = True; file.flush(); print(1, flush=True); os._exit(0)"
    process = python(code, folder)
    process.wait()
    process.stdout.close()
    process.stdin.close()


@case(inspect="any")
def killed_old_writer(folder):
    """A recorder of the old format that was killed after a flush, which leaves no mark."""
    killed(folder, "")


# ---- HDF5, but nothing that is known -----------------------------------------------------------------------------------


@case(unreadable=["data"])
def matlab(folder):
    """MATLAB's v7.3 files are HDF5 behind a header of 512 bytes."""
    with h5py.File(f"{folder}/toy.hdf5", "w", userblock_size=512) as file:
        file["images"] = np.zeros((3, 16, 16, 12), np.uint8)
        file["qpos"] = np.zeros((7, 12))
    with open(f"{folder}/toy.hdf5", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124, b" ") + b"\0\2IM")


@case(unreadable=[("nothing", "no demos", "empty", "data")])
def nothing_inside(folder):
    """An HDF5 file with nothing in it."""
    h5py.File(f"{folder}/toy.hdf5", "w").close()


@case(unreadable=[("nothing", "no demos", "demo_0")])
def no_demos(folder):
    """`data` without demos: a recording that was set up and never begun."""
    toy(folder, demos=0).close()


@case(unreadable=["data"])
def data_is_array(folder):
    """`data` is an array."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file["data"] = pictures()


@case(unreadable=["data", "elsewhere.hdf5"])
def data_is_elsewhere(folder):
    """`data` is an external link to a file that was not copied."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file["data"] = h5py.ExternalLink("elsewhere.hdf5", "/data")


@case(unreadable=["weights"])
def keras_weights(folder):
    """Keras keeps weights in HDF5."""
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file["model_weights/dense/kernel:0"] = np.zeros((3, 4))
