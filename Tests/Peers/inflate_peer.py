"""Inflates every image chunk of a file with zlib alone, on two threads, and prints megabytes of frames a second.

    inflate_peer.py FILE

The chunks are in memory and nothing is put in its place: what is measured is zlib.
"""
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py

chunks = []
with h5py.File(sys.argv[1], "r") as file:
    for demo in file["data"].values():
        for key, array in demo["obs"].items():
            if key.endswith("_image") and array.chunks:
                for number in range(array.id.get_num_chunks()):
                    chunks.append(array.id.read_direct_chunk(array.id.get_chunk_info(number).chunk_offset)[1])


def inflate(part):
    return sum(len(zlib.decompress(chunk)) for chunk in part)  # lets other threads run


best = 0
with ThreadPoolExecutor(2) as pool:
    for _ in range(3):
        start = time.perf_counter()
        total = sum(pool.map(inflate, [chunks[i::16] for i in range(16)]))
        best = max(best, total / (time.perf_counter() - start) / 1e6)
print(f"zlib {zlib.ZLIB_RUNTIME_VERSION} alone, 2 threads: {best:.0f} MB/s")
