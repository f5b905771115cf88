"""Writes msgpack.json: messages as Python's msgpack and openpi-client's msgpack_numpy write them, in hexadecimal.

    python Tests/Golden/make_msgpack.py        (needs openpi-client==0.1.2, typing_extensions)

Tests/Serving/MessagePackTests.swift has the same values; of long ones only the first bytes are kept, and how many there are.
"""
import json
import os

import numpy as np
from openpi_client import msgpack_numpy

ramp = np.arange(12).reshape(3, 4)
image = (np.arange(2 * 3 * 3) * 7 % 256).astype(np.uint8).reshape(2, 3, 3)

cases = {f"int {value}": value for value in [
    0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
    -1, -32, -33, -128, -129, -32768, -32769, -2**31, -2**31 - 1, -2**63]}
cases |= {
    "None": None, "True": True, "False": False, "0.5": 0.5, "-1e300": -1e300,
    "umlauts": "öäü", "bytes": b"\x00\xff", "nested": {"a": [1, {"b": None}], "c": {}},
}
cases |= {f"text {count}": "x" * count for count in [0, 31, 32, 255, 256, 65535, 65536]}
cases |= {f"bytes {count}": b"\x07" * count for count in [0, 255, 256, 65535, 65536]}
cases |= {f"list {count}": [1] * count for count in [0, 15, 16, 65535, 65536]}
cases |= {f"map {count}": {f"{key:05}": 1 for key in range(count)} for count in [0, 15, 16, 65536]}
cases |= {f"array {type}": ramp.astype(type) for type in ["<f2", "<f4", "<f8", ">f4", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8"]}
cases |= {
    "array of bools": np.array([True, False]), "array of no axes": np.array(1.5, np.float32),
    "empty array": np.zeros((0, 3), np.float32), "not contiguous": ramp.astype("<f4").T,
    "scalar float32": np.float32(0.25), "scalar int64": np.int64(-3), "scalar bool": np.bool_(True),
    "observation": {"observation/image": image, "observation/state": np.array([0.5, -1, 2], np.float64),
                    "prompt": "open the drawer", "reset": True, "seed": 7},
    "nested observation": {"state": np.array([0.5, -1, 2], np.float32), "images": {"top": image}, "prompt": "öffne"},
    "answer": {"actions": np.array([[0.25, -1], [0.5, 1]], np.float32), "policy_timing": {"infer_ms": 1.5},
               "server_timing": {"infer_ms": 2.5, "queue_ms": 0.25}},
}

found = {}
for name, value in cases.items():
    message = msgpack_numpy.packb(value)
    found[name] = {"bytes": len(message), "hex": message[:1024].hex() if len(message) <= 1024 else message[:16].hex()}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "msgpack.json"), "w") as file:
    json.dump(found, file, indent=0, sort_keys=True, ensure_ascii=False)
    file.write("\n")
