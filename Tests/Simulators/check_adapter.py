"""Asks an adapter everything a parent may ask, and says in one line each what is wrong.

    python check_adapter.py [--options JSON] [--tasks A,B] [--episodes N] [--pool evaluation] [--pictures FOLDER] -- COMMAND ...

The hello's schema is compared with every observation; the same seed must give the same bytes, in a second process too; another
seed must give another scene, and so must the other pool; images must not be constant; a restored state must look as it did.
With --episodes the scripted expert (or chance, where there is none) tries so many, and its rate of success and the steps a
second are printed.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "Sources", "Environments", "adapters"))
import wire


class Failed(Exception):
    pass


class Child:
    """An adapter's process. `ask` returns (header, arrays); errors of the adapter are raised, with its traceback."""

    def __init__(self, command, options, log=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.command, self.options = command, options
        try:
            self.hello, _ = self.ask("hello", protocol=1, options=options)
        except Failed:
            self.end()
            raise

    def ask(self, call, arrays=None, **header):
        wire.write_message(self.process.stdin, {"call": call, **header}, arrays)
        while True:
            answer, seen = wire.read_message(self.process.stdout)
            if "working" not in answer:
                break
        if "error" in answer:
            raise Failed(f"{call}: {answer['kind']}: {answer['error']}\n{answer.get('traceback', '')}")
        if answer.get("restart"):
            self.close()
            self.__init__(self.command, self.options)
            return self.ask(call, arrays, **header)
        return answer, {name.removeprefix("obs/"): array for name, array in seen.items()}

    def close(self):
        self.ask("close")
        if code := self.end():
            raise Failed(f"exit code {code} after close")

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


def check_observation(hello, observation):
    expected = hello["observations"]
    for key, (height, width) in expected["images"].items():
        image = observation[key]
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise Failed(f"{key} is {image.dtype} {image.shape}, described as {(height, width, 3)}")
        if image.std() < 3:
            raise Failed(f"{key} is constant")
    for key, about in expected["vectors"].items():
        vector = observation[key]
        if vector.shape != (about["width"],) or vector.dtype != np.float32 or not np.isfinite(vector).all():
            raise Failed(f"{key} is {vector.dtype} {vector}, described as {about['width']} values")
    extra = set(observation) - set(expected["images"]) - set(expected["vectors"])
    if extra:
        raise Failed(f"not described: {', '.join(sorted(extra))}")


def differ(one, other):
    return [key for key in one if not np.array_equal(one[key], other[key])]


def random_actions(hello, count, seed=0):
    dimensions = hello["action"]["dimensions"]
    low, high = (np.array([d.get(side, other) for d in dimensions], np.float64) for side, other in (("low", -1), ("high", 1)))
    return np.random.default_rng(seed).uniform(low, high, (count, len(low))).astype(np.float32)


def short_episode(child, task, seed, pool, actions):
    """All observations and rewards of an episode with given actions."""
    answer, observation = child.ask("reset", task=task, seed=seed, pool=pool)
    check_observation(child.hello, observation)
    told = [(0.0, False)]
    seen = [observation]
    for action in actions:
        answer, observation = child.ask("step", {"action": action})
        check_observation(child.hello, observation)
        seen.append(observation)
        told.append((answer["reward"], answer["success"]))
    return seen, told


def check_task(child, task, again):
    actions = random_actions(child.hello, 5)
    first, told = short_episode(child, task, 3, "training", actions)
    short_episode(child, task, 8, "training", actions)
    for name, other in (("a second reset", child), ("a fresh process", again)):
        second, told_again = short_episode(other, task, 3, "training", actions)
        for step, (one, two) in enumerate(zip(first, second)):
            if differ(one, two):
                raise Failed(f"{task}: {name} with the same seed differs at step {step} in {differ(one, two)}")
        if told != told_again:
            raise Failed(f"{task}: {name} with the same seed has other rewards")
    for name, seed, pool in (("another seed", 4, "training"), ("the other pool", 3, "evaluation")):
        _, other = child.ask("reset", task=task, seed=seed, pool=pool)
        if not differ(first[0], other):
            raise Failed(f"{task}: {name} gives the same scene")
    if "restore" in child.hello["capabilities"]:
        short_episode(child, task, 3, "training", actions)
        _, kept = child.ask("state")
        answer, then = child.ask("step", {"action": actions[0]})
        child.ask("reset", task=task, seed=9, pool="training")
        _, restored = child.ask("restore", {"state": kept["state"]}, task=task, seed=3, pool="training")
        check_observation(child.hello, restored)
        for key in restored:
            # robosuite's poses of objects seen from the hand are those of the step before.
            if key == "object":
                continue
            # Some simulators show the world as it was a part of a step before: gray levels, then hundredths.
            if restored[key].dtype == np.uint8:
                apart = np.abs(restored[key].astype(int) - first[-1][key]).mean() / 4
            else:
                apart = np.abs(restored[key] - first[-1][key]).max() * 100
            if apart > 1:
                raise Failed(f"{task}: {key} of a restored state is another: apart by {apart:.2f}")
        if "observe" in child.hello["capabilities"]:
            check_observing(child, task, kept["state"], answer_of(child, task), restored)
    print(f"{task}: same bytes for the same seed, twice and in another process; pools apart; images not constant")


def answer_of(child, task):
    """What a reset of the episode says."""
    answer, _ = child.ask("reset", task=task, seed=3, pool="training")
    return answer


def check_observing(child, task, state, begun, restored):
    """A state looks as it did when it was restored: in the scene of its seed, and of its model whatever the seed."""
    ways = [("its seed", 3, "")]
    if "models" in child.hello["capabilities"]:
        ways.append(("its model", 77, begun["model"]))
    for name, seed, model in ways:
        arrays = {"state": state, "model": np.frombuffer(model.encode(), np.uint8)}
        for _ in range(2):
            _, seen = child.ask("observe", arrays, task=task, seed=seed, pool="training", metadata=begun.get("metadata") or {})
            check_observation(child.hello, seen)
            # The second state is of the same demonstration.
            arrays = {"state": state}
        for key in seen:
            scale = 1 if seen[key].dtype == np.uint8 else 1e3
            apart = np.abs(seen[key].astype(float) - restored[key]).mean() * scale
            if apart > 0.5:
                raise Failed(f"{task}: {key} of a state observed by {name} is another: apart by {apart:.2f}")


def save_pictures(child, task, folder):
    from PIL import Image

    os.makedirs(folder, exist_ok=True)
    _, observation = child.ask("reset", task=task, seed=0, pool="training")
    for key in child.hello["observations"]["images"]:
        Image.fromarray(observation[key]).resize((384, 384), Image.NEAREST).save(
            os.path.join(folder, f"{child.hello['name']}-{task.replace('/', '-')}-{key}.png"))


def run_expert(child, task, episodes, noise, pool, first):
    horizon = next(one["horizon"] for one in child.hello["tasks"] if one["name"] == task)
    solved, steps, seconds, resets, lost = 0, 0, 0.0, 0.0, []
    lengths = []
    has_expert = "expert" in child.hello["capabilities"]
    random = random_actions(child.hello, horizon)
    for seed in range(first, first + episodes):
        begun = time.perf_counter()
        child.ask("reset", task=task, seed=seed, pool=pool)
        resets += time.perf_counter() - begun
        for step in range(horizon):
            answer = {"action": random[step]}
            if has_expert:
                _, answer = child.ask("expert", seed=seed, noise=noise)
            begun = time.perf_counter()
            answer, _ = child.ask("step", answer)
            seconds += time.perf_counter() - begun
            steps += 1
            if answer["success"] or answer["terminated"] or answer["truncated"]:
                break
        solved += answer["success"]
        if answer["success"]:
            lengths.append(step + 1)
        else:
            lost.append(seed)
    print(f"{task}: {'expert' if has_expert else 'chance'} solves {solved} of {episodes} ({100 * solved / episodes:.0f} %), in {np.mean(lengths or [0]):.0f} "
          f"steps (at most {max(lengths or [0])}); {steps / seconds:.1f} steps/s, {resets / episodes:.2f} s a reset; "
          f"lost {lost}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--options", default="{}")
    parser.add_argument("--tasks")
    parser.add_argument("--episodes", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="first seed of the episodes")
    parser.add_argument("--noise", type=float, default=0)
    parser.add_argument("--pool", default="training")
    parser.add_argument("--pictures")
    parser.add_argument("--only-episodes", action="store_true")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    options = json.loads(arguments.options)
    child = Child(arguments.command, options)
    hello = dict(child.hello)
    tasks = arguments.tasks.split(",") if arguments.tasks else [one["name"] for one in hello["tasks"]][:3]
    if not arguments.only_episodes:
        hello["tasks"] = f"{len(hello['tasks'])} tasks, {json.dumps(hello['tasks'][0])} first"
        print(json.dumps(hello, indent=1))
        again = Child(arguments.command, options)
        for task in tasks:
            check_task(child, task, again)
        again.close()
        try:
            child.ask("reset", task="no-such-task", seed=0, pool="training")
            raise SystemExit("a task that there is not was begun")
        except Failed as failed:
            print(str(failed).splitlines()[0])
    for task in tasks:
        if arguments.pictures:
            save_pictures(child, task, arguments.pictures)
        if arguments.episodes:
            run_expert(child, task, arguments.episodes, arguments.noise, arguments.pool, arguments.first)
    child.close()


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"{failed}")
