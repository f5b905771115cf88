"""Inflates every image chunk of a file, or decodes every JPEG frame, with the libraries alone: on two threads, the stored bytes in
memory, nothing put in its place. Prints megabytes of frames a second, best of three.

    inflate_peer.py FILE

zlib is Python's; libdeflate and libjpeg-turbo's own interface (libturbojpeg0) are called where Debian's packages are installed.
"""
import ctypes
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py

chunks, sizes, pictures = [], [], []
with h5py.File(sys.argv[1], "r") as file:
    for demo in file["data"].values():
        for key, array in demo["obs"].items():
            if not key.endswith("_image"):
                continue
            if array.ndim == 1:
                pictures += [bytes(frame) for frame in array[:]]
            elif array.chunks:
                for number in range(array.id.get_num_chunks()):
                    chunks.append(array.id.read_direct_chunk(array.id.get_chunk_info(number).chunk_offset)[1])
                    sizes.append(int(array.chunks[0] * array.chunks[1] * array.chunks[2] * array.chunks[3]))


def library(name):
    try:
        return ctypes.CDLL(name)  # calls through it let other threads run
    except OSError:
        print(f"{name}: not installed, not measured")


def measure(name, count, work):
    """`work` takes every 16th number from its argument on and returns the bytes it made."""
    best = 0
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            start = time.perf_counter()
            total = sum(pool.map(lambda i: work(range(i, count, 16)), range(16)))
            best = max(best, total / (time.perf_counter() - start) / 1e6)
    print(f"{name} alone, 2 threads: {best:.0f} MB/s")


def with_zlib(numbers):
    return sum(len(zlib.decompress(chunks[i])) for i in numbers)


def with_libdeflate(deflate):
    def work(numbers):
        stream = ctypes.c_void_p(deflate.libdeflate_alloc_decompressor())
        out = ctypes.create_string_buffer(max(sizes))
        for i in numbers:
            assert deflate.libdeflate_zlib_decompress(
                stream, chunks[i], ctypes.c_size_t(len(chunks[i])), out, ctypes.c_size_t(sizes[i]), None) == 0
        deflate.libdeflate_free_decompressor(stream)
        return sum(sizes[i] for i in numbers)

    deflate.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
    return work


def with_turbojpeg(turbo):
    turbo.tjInitDecompress.restype = ctypes.c_void_p

    def work(numbers):
        handle, total = ctypes.c_void_p(turbo.tjInitDecompress()), 0
        out = ctypes.create_string_buffer(1024 * 1024 * 3)
        width, height, rest = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        for i in numbers:
            data, length = pictures[i], ctypes.c_ulong(len(pictures[i]))
            assert turbo.tjDecompressHeader2(
                handle, data, length, ctypes.byref(width), ctypes.byref(height), ctypes.byref(rest)) == 0
            assert width.value * height.value * 3 <= len(out)
            # Pixel format 0 is RGB; no flags: the accurate transform, as ours.
            assert turbo.tjDecompress2(handle, data, length, out, width, 0, height, 0, 0) == 0
            total += width.value * height.value * 3
        turbo.tjDestroy(handle)
        return total

    return work


if chunks:
    measure(f"zlib {zlib.ZLIB_RUNTIME_VERSION}", len(chunks), with_zlib)
    if deflate := library("libdeflate.so.0"):
        measure("libdeflate", len(chunks), with_libdeflate(deflate))
if pictures and (turbo := library("libturbojpeg.so.0")):
    measure("libjpeg-turbo", len(pictures), with_turbojpeg(turbo))
