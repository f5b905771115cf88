"""Arrays that are elsewhere than they seem: soft, hard and external links."""
import json
import os

import h5py
import numpy as np

from making import ENV, STEPS, actions, case, each, maybe, pictures, positions, put, toy


def merged(folder, name=lambda part: f"part{part}.hdf5", where="."):
    """A merged file: demos are links into two recorded ones, whose contiguous frames are all 200. The merged file has enough bytes
    of its own for an address of the other to lie inside it."""
    os.makedirs(f"{folder}/{where}", exist_ok=True)
    for part in range(2):
        with toy(folder, demos=2, name=f"{where}/part{part}.hdf5") as file:
            for i, demo in each(file):
                put(demo, "obs/cam_image", pictures(2 * part + i) // 4 + 190)
                put(demo, "actions", actions(2 * part + i))
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file.create_group("data").attrs["env_args"] = json.dumps(ENV)
        file["padding"] = np.random.default_rng(0).integers(0, 60, 300_000, dtype=np.uint8)
        for demo in range(4):
            file[f"data/demo_{demo}"] = h5py.ExternalLink(name(demo // 2), f"/data/demo_{demo % 2}")


@case()
def external_links(folder):
    """Merged training sets: every demo is an external link."""
    merged(folder)


@case()
def external_links_folder(folder):
    """The recorded files are in another folder, named relative to the merged file."""
    merged(folder, lambda part: f"recorded/day 1/part{part}.hdf5", "recorded/day 1")


@case()
def external_links_absolute(folder):
    """The recorded files are named by absolute paths."""
    merged(folder, lambda part: os.path.abspath(f"{folder}/part{part}.hdf5"))


@case(train=["demo_2", "part1.hdf5"])
def external_links_missing(folder):
    """One of the recorded files was not copied."""
    merged(folder)
    os.remove(f"{folder}/part1.hdf5")


@case(train=["demo_2", "part1.hdf5"])
def external_links_not_hdf5(folder):
    """One of the recorded files is a Git LFS pointer."""
    merged(folder)
    with open(f"{folder}/part1.hdf5", "w") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n")


@case(train=["demo_3", "demo_1"])
def external_links_gone(folder):
    """The recorded file is there, the demo inside it is not."""
    merged(folder)
    with h5py.File(f"{folder}/part1.hdf5", "a") as file:
        del file["data/demo_1"]


@case()
def external_links_chain(folder):
    """A merged file of merged files."""
    merged(folder)
    os.rename(f"{folder}/toy.hdf5", f"{folder}/middle.hdf5")
    with h5py.File(f"{folder}/toy.hdf5", "w") as file:
        file["data"] = h5py.ExternalLink("middle.hdf5", "/data")
        file["mask/2_demos"] = np.array(["demo_0", "demo_1"], dtype="S")


@case()
def external_frames(folder):
    """Only the frames are in a file of their own, uncompressed."""
    with toy(folder) as file, h5py.File(f"{folder}/frames.hdf5", "w") as frames:
        file["padding"] = np.zeros(200_000, np.uint8)
        for i, demo in each(file):
            frames[f"demo_{i}/cam"] = pictures(i)
            del demo["obs/cam_image"]
            demo["obs/cam_image"] = h5py.ExternalLink("frames.hdf5", f"demo_{i}/cam")


@case()
def external_frames_chunked(folder):
    """The same, compressed."""
    with toy(folder) as file, h5py.File(f"{folder}/frames.hdf5", "w", userblock_size=512) as frames:
        for i, demo in each(file):
            frames.create_dataset(f"demo_{i}/cam", data=pictures(i), chunks=(5, 16, 16, 3), compression="gzip")
            del demo["obs/cam_image"]
            demo["obs/cam_image"] = h5py.ExternalLink("frames.hdf5", f"demo_{i}/cam")


@case()
def soft_links(folder):
    """Shared arrays: a second split of the same demos by soft links."""
    with toy(folder) as file:
        for i, demo in each(file):
            file.move(demo.name, f"recorded/{i}")
            file[f"data/demo_{i}"] = h5py.SoftLink(f"/recorded/{i}")


@case()
def soft_links_inside(folder):
    """An observation that is a soft link to another demo's array, and a chain of them."""
    with toy(folder) as file:
        for i, demo in each(file):
            file.move(f"{demo.name}/obs/pos", f"{demo.name}/poses")
            demo["between"] = h5py.SoftLink("poses")
            demo["obs/pos"] = h5py.SoftLink(f"{demo.name}/between")


@case()
def hard_links(folder):
    """One array under two names: `next_obs` of robomimic's files, without storing it twice."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["next_obs/cam_image"] = demo["obs/cam_image"]
            demo["next_obs/pos"] = demo["obs/pos"]


@case(train=["demo_2", "cam_image", "demo_9"])
def dangling_soft(folder):
    """A soft link to a demo that was deleted."""
    with toy(folder) as file:
        del file["data/demo_2/obs/cam_image"]
        file["data/demo_2/obs/cam_image"] = h5py.SoftLink("/data/demo_9/obs/cam_image")


@case(train=["demo_1", "/recorded/1"])
def dangling_demo(folder):
    """A demo that is a dangling soft link: not to be passed over without a word."""
    with toy(folder) as file:
        del file["data/demo_1"]
        file["data/demo_1"] = h5py.SoftLink("/recorded/1")


@case(inspect="any", repack=maybe("other_image"))
def dangling_elsewhere(folder):
    """A dangling link that nobody asked for."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["obs/other_image"] = h5py.ExternalLink("elsewhere.hdf5", "/frames")


@case(inspect="any", repack=maybe("up"))
def link_cycle(folder):
    """A group that holds itself: walking must end."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["up"] = file["data"]
            demo["obs/self"] = demo["obs"]


@case(train=["demo_1", "pos"])
def soft_link_loop(folder):
    """Two soft links that name each other."""
    with toy(folder) as file:
        demo = file["data/demo_1"]
        del demo["obs/pos"]
        demo["obs/pos"] = h5py.SoftLink("/data/demo_1/obs/other")
        demo["obs/other"] = h5py.SoftLink("/data/demo_1/obs/pos")


@case()
def symbolic_link(folder):
    """The file itself is a symbolic link to where the data is mounted."""
    os.makedirs(f"{folder}/mounted")
    toy(f"{folder}/mounted", name="demo_v15.hdf5").close()
    os.symlink("mounted/demo_v15.hdf5", f"{folder}/toy.hdf5")


@case(inspect="any", repack=maybe("self"))
def external_link_to_itself(folder):
    """An external link that leads back into the same file."""
    with toy(folder) as file:
        for i, demo in each(file):
            demo["obs/self_pos"] = h5py.ExternalLink("toy.hdf5", f"/data/demo_{i}/obs/pos")


@case()
def shared_frames(folder):
    """All demos are views of one long recording, by region: starts and lengths beside, arrays copied, frames linked."""
    with toy(folder) as file:
        file["recording/pos"] = np.concatenate([positions(i) for i in range(4)])
        file["recording/starts"] = np.arange(4) * STEPS
        for _, demo in each(file):
            demo["recording"] = h5py.SoftLink("/recording")
