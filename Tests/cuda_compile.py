#!/usr/bin/env python3
"""Compiles the CUDA kernels with NVRTC, without a GPU, and prints what each takes: registers, shared memory, spills.

    python3 Tests/cuda_compile.py [--arch 80,90,120] [--library libnvrtc.so.12] [file ...]

NVRTC is looked for in the Python packages nvidia-cuda-nvrtc and nvidia-cuda-nvrtc-cu12 of this interpreter, then by its name.
Ends with 1 after errors or spills, with 2 when there is no NVRTC.
"""
import argparse, ctypes, glob, os, re, site, sys, time

KERNELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Sources", "CUDA", "Kernels")
OPTIONS = ["--std=c++17", "--minimal", "--restrict", "--fmad=true", "--device-as-default-execution-space",
           "--ptxas-options=-v"]


def library(given):
    names = [given] if given else []
    for folder in site.getsitepackages() + [site.getusersitepackages()]:
        for pattern in ("nvidia/cu13/lib/libnvrtc.so.*", "nvidia/cuda_nvrtc/lib/libnvrtc.so.*"):
            names += sorted(n for n in glob.glob(os.path.join(folder, pattern)) if ".alt." not in n)
    for name in names + ([] if given else ["libnvrtc.so.13", "libnvrtc.so.12"]):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            if given:
                print(error, file=sys.stderr)
    return None


def missing_options():
    """What this program passes to NVRTC and the toolkit does not."""
    path = os.path.join(KERNELS, "..", "CUDACompiler.swift")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        text = file.read()
    return [option for option in OPTIONS if option not in text and "ptxas" not in option]


def compiled(nvrtc, path, arch, headers):
    """The log, or raises ValueError with it."""
    program = ctypes.c_void_p()
    names = [name.encode() for name in headers]
    texts = [text.encode() for text in headers.values()]
    with open(path) as file:
        source = file.read().encode()
    nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source, os.path.basename(path).encode(), len(names),
        (ctypes.c_char_p * len(names))(*texts), (ctypes.c_char_p * len(names))(*names))
    options = [o.encode() for o in [f"--gpu-architecture=sm_{arch}"] + OPTIONS]
    result = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if result != 0:
        raise ValueError(text)
    return text


def figures(log):
    """By kernel: registers, static shared bytes, stack, spilled bytes."""
    found, name = {}, None
    for line in log.splitlines():
        match = re.search(r"Compiling entry function '(\w+)'", line)
        if match:
            name = match.group(1)
            found[name] = dict(registers=0, shared=0, stack=0, spills=0)
        # Functions that are called have lines of their own; a spill there counts for the file's last kernel.
        match = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if match and name:
            found[name]["stack"] = max(found[name]["stack"], int(match.group(1)))
            found[name]["spills"] += int(match.group(2)) + int(match.group(3))
        match = re.search(r"Used (\d+) registers", line)
        if match and name:
            found[name]["registers"] = int(match.group(1))
            shared = re.search(r"(\d+) bytes smem", line)
            found[name]["shared"] = int(shared.group(1)) if shared else 0
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="80,90,120")
    parser.add_argument("--library")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    nvrtc = library(arguments.library)
    if nvrtc is None:
        print("cuda_compile: no NVRTC found (pip install nvidia-cuda-nvrtc-cu12)", file=sys.stderr)
        return 2
    unnamed = missing_options()
    if unnamed:
        print("cuda_compile: Sources/CUDA/CUDACompiler.swift does not pass", *unnamed, file=sys.stderr)
    headers = {}
    for path in sorted(glob.glob(os.path.join(KERNELS, "*.h"))):
        with open(path) as file:
            headers[os.path.basename(path)] = file.read()
    archs, failed, rows, seconds = arguments.arch.split(","), bool(unnamed), {}, 0.0
    for path in arguments.files or sorted(glob.glob(os.path.join(KERNELS, "*.cu"))):
        for arch in archs:
            start = time.time()
            try:
                log = compiled(nvrtc, path, arch, headers)
            except ValueError as error:
                print(f"{os.path.basename(path)}, sm_{arch}:\n{error}")
                failed = True
                continue
            seconds += time.time() - start
            warnings = [line for line in log.splitlines() if "warning" in line]
            if warnings:
                print(f"{os.path.basename(path)}, sm_{arch}:", *warnings, sep="\n  ")
            for name, kernel in figures(log).items():
                rows.setdefault((os.path.basename(path), name), {})[arch] = kernel
    print(f"{'kernel':44}" + "".join(f"{'sm_' + a:>24}" for a in archs))
    print(f"{'':44}" + f"{'reg shared spill stack':>24}" * len(archs))
    for (path, name), by_arch in rows.items():
        cells = ""
        for arch in archs:
            k = by_arch.get(arch)
            cells += f"{k['registers']:5} {k['shared']:6} {k['spills']:5} {k['stack']:5}".rjust(24) if k else f"{'-':>24}"
            failed |= bool(k and k["spills"])
        print(f"{name:44}{cells}")
    print(f"{len(rows)} kernels, {seconds:.1f} s" + (", failed" if failed else ""))
    return 1 if failed else 0


sys.exit(main())
