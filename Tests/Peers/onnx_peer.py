"""ONNX Runtime against our numbers: every graph in FOLDER with the inputs and outputs that lie beside it.

    onnx_peer.py FOLDER [--keep-going]
"""
import importlib.util
import json
import pathlib
import struct
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5


def safetensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data, "<f4", offset=8 + length + entry["data_offsets"][0],
                            count=int(np.prod(entry["shape"]))).reshape(entry["shape"])
        for name, entry in header.items()}


class Drawn:
    """Random numbers as somebody else has drawn them."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def normal(self, size=()):
        return np.reshape([next(self.numbers) for _ in range(int(np.prod(size)))], size)

    uniform = normal


def acting(program, failed):
    """The package's own program against our agent, step by step; it has checked the golden actions when it is made."""
    name = program.parent.parent.name
    specification = importlib.util.spec_from_file_location("run_policy", program)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    try:
        policy = module.Policy()
    except ValueError as problem:
        print(f"{name}/run_policy.py: {problem}", flush=True)
        failed.append(f"{name}/run_policy.py")
        return
    example = program.parent.parent / "acting.safetensors"
    if not example.exists():
        print(f"{name}/run_policy.py: gives the golden actions", flush=True)
        return
    tensors, facts = module.safetensors(example)
    policy.random = Drawn(tensors["draws"])
    differences = []
    for step, (instruction, expected) in enumerate(zip(json.loads(facts["instructions"]), tensors["actions"])):
        observation = {key.split("/", 1)[1]: rows[step] for key, rows in tensors.items() if "/" in key}
        differences.append(np.abs(policy.act(observation, instruction) - expected).max())
    # As in `main`: of an encoder that chooses points, some observations.
    chooses = any(node.op_type == "Loop" for node in onnx.load(program.parent / "encoder.onnx").graph.node)
    others = sum(not difference <= TOLERANCE for difference in differences) if chooses else 0
    largest = sorted(differences)[-1 - others]
    print(f"{name}/run_policy.py: largest difference {largest:.1e} in {len(differences)} steps"
          + (f", {others} of them with other points, up to {max(differences):.1e}" if others else ""), flush=True)
    if not largest <= TOLERANCE or others > len(differences) / 3:
        failed.append(f"{name}/run_policy.py")


def main(folder, keep_going):
    failed, cases, largest = [], 0, 0.0
    types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}
    for graph in sorted(pathlib.Path(folder).glob("*/*.onnx")):
        model = onnx.load(graph)
        onnx.checker.check_model(model, full_check=True)
        assert model.opset_import[0].version == 17, graph
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        # Rounding may choose another of two points that are equally far: then all that follows differs, in some items.
        chooses = any(node.op_type == "Loop" for node in model.graph.node)
        difference, items, others = 0.0, 0, 0
        for example in sorted(graph.parent.glob(graph.stem + "-*.safetensors")):
            tensors = safetensors(example)
            inputs = {value.name: tensors["in/" + value.name].astype(types[value.type]) for value in session.get_inputs()}
            names = [value.name for value in session.get_outputs()]
            assert {"out/" + name for name in names} == {name for name in tensors if name.startswith("out/")}, example
            results = session.run(names, inputs)
            same = True
            if chooses:
                # Where the places are the same, everything has to be; where they are not told, by the features.
                place = "positions" if "positions" in names else "features"
                moved = np.abs(results[names.index(place)] - tensors["out/" + place])
                same = moved.reshape(len(moved), -1).max(axis=1) <= TOLERANCE * max(1, np.abs(tensors["out/" + place]).max())
                items, others = items + len(same), others + int((~same).sum())
            for name, found in zip(names, results):
                expected = tensors["out/" + name]
                assert found.shape == expected.shape, (example, name, found.shape, expected.shape)
                assert np.isfinite(found).all(), (example, name)
                # Of what is larger than 1, of its size.
                errors = np.abs(found - expected).reshape(len(found), -1).max(axis=1) / max(1, np.abs(expected).max())
                errors = errors if same is True else errors[same]
                difference = max([difference, *map(float, errors)])
            cases += 1
        largest = max(largest, difference)
        print(f"{graph.parent.name}/{graph.stem}: largest difference {difference:.1e}, "
              f"{len(model.graph.node)} nodes, {graph.stat().st_size / 1e6:.1f} MB"
              + (f", {others} of {items} items with other points" if chooses else ""), flush=True)
        # 4 of 12 were seen.
        if not difference <= TOLERANCE or others > items / 3:
            failed.append(f"{graph.parent.name}/{graph.stem}")
            if not keep_going:
                break
    programs = sorted(pathlib.Path(folder).glob("*/package/run_policy.py"))
    for program in programs:
        acting(program, failed)
    print(f"onnx: {cases} cases, largest difference {largest:.1e}; {len(programs)} packages")
    if failed or not cases and not programs:
        sys.exit(f"onnx: more than {TOLERANCE} in {', '.join(failed) or 'nothing compared'}")


main(sys.argv[1], "--keep-going" in sys.argv)
