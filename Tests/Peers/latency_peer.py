"""How long one prediction takes at batch 1, ours and ONNX Runtime's with the same graphs, in turn.

    latency_peer.py IMITATE PACKAGE ...     (packages with graphs; needs onnx, onnxruntime, numpy)

ONNX Runtime's time is that of its sessions alone: the encoder once, the head as often as the sampler walks.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import onnxruntime

ROUNDS, SECONDS = 5, 1.5
TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def example(graph):
    """Any values: none of the operations takes longer with some than with others."""
    random = np.random.default_rng(0)
    return {source.name: random.integers(0, 50, [1, *source.shape[1:]]).astype(TYPES[source.type]) * (0.02 if "float" in source.type else 1)
            for source in graph.get_inputs()}


def main(imitate, packages):
    threads = len(os.sched_getaffinity(0))
    print(f"{threads} threads, best of {ROUNDS} rounds in turn\n\n| policy | ours | ONNX Runtime | ours / its |\n| --- | --- | --- | --- |")
    for package in map(pathlib.Path, packages):
        encoder, head = (session(package / f"{part}.onnx", threads) for part in ("encoder", "head"))
        sampling = json.loads(head.get_modelmeta().custom_metadata_map["sampling"])
        times, (seen, features) = len(sampling.get("steps", [0])), (example(encoder), example(head))
        features = {name: value.astype(next(TYPES[i.type] for i in head.get_inputs() if i.name == name)) for name, value in features.items()}
        seen = {name: value.astype(next(TYPES[i.type] for i in encoder.get_inputs() if i.name == name)) for name, value in seen.items()}
        ours, theirs = [], []
        for _ in range(ROUNDS):
            done = subprocess.run([imitate, "benchmark", "act", "--package", package, "--format", "json", "--seconds", str(SECONDS)],
                                  capture_output=True, text=True, check=True)
            ours.append(json.loads(done.stdout)["median_seconds"])
            taken, end = [], time.perf_counter() + SECONDS
            while time.perf_counter() < end or len(taken) < 5:
                start = time.perf_counter()
                encoder.run(None, seen)
                for _ in range(times):
                    head.run(None, features)
                taken.append(time.perf_counter() - start)
            theirs.append(sorted(taken)[len(taken) // 2])
        mine, its = min(ours) * 1e3, min(theirs) * 1e3
        print(f"| {package.parent.name} | {mine:.2f} ms | {its:.2f} ms | {mine / its:.2f} |", flush=True)


main(sys.argv[1], sys.argv[2:])
