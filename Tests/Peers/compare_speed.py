"""Runs each case of `imitate benchmark` and its PyTorch twin in turn, several times, each in a process of its own, and
prints the peer's best time divided by ours, and our peak of memory divided by the peer's.

    compare_speed.py IMITATE [--rounds N] [--seconds S] [CASE ...]
"""
import argparse
import json
import os
import subprocess
import sys

# How many times faster than the peer each case is meant to be.
GOALS = {
    "gemm-1024": 0.95, "resnet18-forward": 1.3, "resnet18-train": 1.3, "transformer-train": 1.2, "dit-train": 1.1,
    "dit-forward": 1.2, "unet1d-train": 1.2, "ddim-10": 3.0, "adamw-19m": 0.95, "bc-transformer-step": 1.4,
}
# What holds PyTorch and its libraries to the instructions that IMITATE_KERNELS holds us to.
LIMITS = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                   "OPENBLAS_CORETYPE": "Haswell"}}
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_benchmark.py")


def last_json(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("imitate")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", default="2")
    arguments = parser.parse_args()
    threads = str(len(os.sched_getaffinity(0)))
    kernels = os.environ.get("IMITATE_KERNELS", "")
    os.environ.update(LIMITS.get(kernels, {}))
    print(f"{kernels or 'all'} instructions; {threads} threads; best of {arguments.rounds} runs of each, in turn; OPENBLAS_CORETYPE="
          f"{os.environ.get('OPENBLAS_CORETYPE', '(unset)')}\n")
    print("| case | ours | PyTorch | times faster | goal | memory | PyTorch | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for case in arguments.cases or GOALS:
        ours, peers = [], []
        for _ in range(arguments.rounds):
            ours.append(last_json([arguments.imitate, "benchmark", case, "--format", "json", "--seconds", arguments.seconds]))
            peers.append(last_json([sys.executable, PEER, case, "--threads", threads, "--seconds", arguments.seconds]))
        mine, theirs = (min(run["minimum_seconds"] for run in runs) * 1e3 for runs in (ours, peers))
        memory, other = (max(run["peak_memory_bytes"] for run in runs) / 1e6 for runs in (ours, peers))
        goal = GOALS[case]
        print(f"| `{case}` | {mine:.2f} ms | {theirs:.2f} ms | {theirs / mine:.2f} | {goal} | {memory:.0f} MB | "
              f"{other:.0f} MB | {memory / other:.2f} |", flush=True)
        if "ratio" in ours[0]:
            best = max(run["ratio"] for run in ours)
            print(f"| `{case}` against {ours[0]['reference']} called directly | | | {best:.2f} | {goal} | | | |", flush=True)


main()
