"""openpi-client, unchanged, against `imitate serve`: N requests from 4 clients, each answer held to what a client alone got.

    python Tests/Peers/serving_peer.py PORT PID [REQUESTS]     (needs openpi-client==0.1.2, typing_extensions)

PORT is that of a server of Kitchenette's BC-Transformer or another policy without history, PID its process. Every client has 25
observations of its own and asks for them over and over; the answers were taken beforehand by one client. Prints the latency, and how
much memory the server holds after a thousand requests and at the end.
"""
import multiprocessing
import sys
import time

import numpy as np
from openpi_client import action_chunk_broker, websocket_client_policy

CLIENTS, OWN = 4, 25


def observations(metadata, client):
    random = np.random.default_rng(client)
    for _ in range(OWN):
        seen = {key: random.integers(0, 256, shape, dtype=np.uint8) for key, shape in metadata["images"].items()}
        seen |= {key: random.normal(size=shape) for key, shape in metadata["vectors"].items()}
        yield seen | {metadata["prompt"]: "open the left drawer", "reset": True, "seed": client}


def act(port, client, requests, start, results):
    policy = websocket_client_policy.WebsocketClientPolicy("localhost", port)
    seen = list(observations(policy.get_server_metadata(), client))
    expected = [policy.infer(one)["actions"].copy() for one in seen]
    start.wait()
    times, wrong = [], 0
    for number in range(requests):
        begin = time.perf_counter()
        answer = policy.infer(seen[number % OWN])
        times.append(time.perf_counter() - begin)
        wrong += not np.array_equal(answer["actions"], expected[number % OWN])
    results.put((client, times, wrong, expected))


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    port, pid = int(sys.argv[1]), int(sys.argv[2])
    requests = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    alone = websocket_client_policy.WebsocketClientPolicy("localhost", port)
    metadata = alone.get_server_metadata()
    print({key: metadata[key] for key in ("policy", "images", "vectors", "history")}, metadata["actions"]["shape"])
    truth = {client: [alone.infer(one)["actions"].copy() for one in observations(metadata, client)] for client in range(CLIENTS)}
    assert all(list(one.shape) == metadata["actions"]["shape"] for some in truth.values() for one in some)

    # One action at a time out of a chunk, by openpi's own broker.
    broker = action_chunk_broker.ActionChunkBroker(alone, action_horizon=metadata["actions"]["n_action_steps"])
    first = next(observations(metadata, 0))
    for step in range(metadata["actions"]["n_action_steps"]):
        assert np.array_equal(broker.infer(first)["actions"], truth[0][0][step])

    start, results = multiprocessing.Barrier(CLIENTS + 1), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=act, args=(port, client, requests // CLIENTS, start, results)) for client in range(CLIENTS)]
    for worker in workers:
        worker.start()
    start.wait()
    begin, early = time.perf_counter(), None
    found = []
    while len(found) < CLIENTS:
        try:
            found.append(results.get(timeout=0.05))
        except Exception:
            # A thousand requests have been answered about when a tenth of the time is over: measured by the server's own count.
            pass
        if early is None and answered(port) >= 1000:
            early = resident(pid)
    seconds, late = time.perf_counter() - begin, resident(pid)
    times = np.sort(np.concatenate([times for _, times, _, _ in found])) * 1000
    for client, _, wrong, expected in found:
        assert wrong == 0, f"client {client}: {wrong} answers were not its own"
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(expected, truth[client])), f"client {client}"
    p50, p99 = np.quantile(times, 0.5), np.quantile(times, 0.99)
    print(f"{len(times)} requests of {CLIENTS} clients in {seconds:.1f} s, none lost or mixed up")
    print(f"p50 {p50:.2f} ms, p90 {np.quantile(times, 0.9):.2f}, p99 {p99:.2f}, largest {times[-1]:.2f}; p99/p50 {p99 / p50:.2f}")
    print(f"resident {early:.1f} MB after 1000 requests, {late:.1f} MB at the end: {late - early:+.1f} MB")
    assert len(times) == requests // CLIENTS * CLIENTS and p99 <= 3 * p50 and late - early <= 5


def answered(port):
    import urllib.request
    page = urllib.request.urlopen(f"http://localhost:{port}/metrics").read().decode()
    return next(int(line.split()[1]) for line in page.splitlines() if line.startswith("imitate_answers_total"))


if __name__ == "__main__":
    main()
