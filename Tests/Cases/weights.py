"""Weights of other toolkits, for `imitate import`: what is not such a file is refused with one line and makes no run."""
import json
import struct

import numpy as np

from making import case

RECIPE = """name: imported
data: {registry: none, split: all, tasks: [Lift]}
observations:
  images: [agentview_image]
  vectors: [robot0_eef_pos]
encoder: {kind: resnet18, crop: 76, instruction: {kind: none}}
policy: {kind: bc-transformer, causal: true, minimum_deviation: 1.0e-4, mode: best, acting_deviation: 0}
training: {steps: 1}
evaluation: {simulator: {kind: none}}
"""
CONVERT = "checkpoint_to_safetensors.py"
OBSERVED = json.dumps([{"key": "agentview_image", "shape": [3, 84, 84]}, {"key": "robot0_eef_pos", "shape": [3]}])


def refused(*words):
    def check(walk):
        walk.write(f"{walk.folder}/recipe.yaml", RECIPE)
        path = f"{walk.data}/weights.safetensors"
        result = walk.run("import", "import", path, "--recipe", f"{walk.folder}/recipe.yaml", "--run", f"{walk.out}/run")
        walk.left("import", result, "run")
        if result.status == 0:
            walk.fail("import", "a line expected, came: status 0")
        else:
            walk.has("import", result.line, ["weights.safetensors", *words])

    return check


def content(folder, data):
    with open(f"{folder}/weights.safetensors", "wb") as file:
        file.write(data)


def tensors(folder, **arrays):
    from safetensors.numpy import save_file

    save_file({name.replace("__", "."): values for name, values in arrays.items()}, f"{folder}/weights.safetensors",
              metadata={"observations": OBSERVED})


@case(check=refused(CONVERT))
def weights_pth(folder):
    """PyTorch's .pth itself: a zip archive of pickles."""
    import io
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02}q\0.")
        file.writestr("archive/version", b"3\n")
    content(folder, archive.getvalue())


@case(check=refused(CONVERT))
def weights_pickle(folder):
    """PyTorch's older .pth: a bare pickle."""
    import pickle

    content(folder, pickle.dumps({"model": list(range(1000))}, protocol=2))


@case(check=refused("git lfs pull"))
def weights_lfs_pointer(folder):
    """A clone without Git LFS."""
    content(folder, b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 590254080\n")


@case(check=refused())
def weights_empty(folder):
    """An empty file."""
    content(folder, b"")


@case(check=refused())
def weights_web_page(folder):
    """A page that asks to sign in."""
    content(folder, b"<!DOCTYPE html><html>Sign in</html>")


@case(check=refused())
def weights_huge_header(folder):
    """A header that claims to be longer than any memory."""
    content(folder, struct.pack("<Q", 2**62) + b"{}")


@case(check=refused())
def weights_truncated(folder):
    """A copy that was stopped."""
    tensors(folder, policy__weight=np.zeros((64, 64), np.float32))
    with open(f"{folder}/weights.safetensors", "rb") as file:
        data = file.read()
    content(folder, data[:-500])


@case(check=refused())
def weights_overlapping(folder):
    """Two tensors whose offsets overlap, and one that reaches beyond the end."""
    header = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "F32", "shape": [8], "data_offsets": [8, 40]}}
    text = json.dumps(header).encode()
    content(folder, struct.pack("<Q", len(text)) + text + bytes(20))


@case(check=refused())
def weights_wrong_size(folder):
    """A shape whose product overflows."""
    header = {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]}}
    text = json.dumps(header).encode()
    content(folder, struct.pack("<Q", len(text)) + text + bytes(16))


@case(check=refused())
def weights_of_something_else(folder):
    """Weights of another network: names that have no place."""
    tensors(folder, model__embed_tokens__weight=np.zeros((8, 4), np.float32))


@case(check=refused())
def weights_not_described(folder):
    """safetensors that our script did not write: no list of observations."""
    from safetensors.numpy import save_file

    save_file({"policy.nets.decoder.nets.mean.weight": np.zeros((7, 4), np.float32)}, f"{folder}/weights.safetensors")
