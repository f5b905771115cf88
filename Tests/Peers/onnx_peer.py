"""ONNX Runtime against our numbers: every graph in FOLDER with the inputs and outputs that lie beside it.

    onnx_peer.py FOLDER [--keep-going]
"""
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
    print(f"onnx: {cases} cases, largest difference {largest:.1e}")
    if failed or cases == 0:
        sys.exit(f"onnx: more than {TOLERANCE} in {', '.join(failed) or 'nothing compared'}")


main(sys.argv[1], "--keep-going" in sys.argv)
