"""Kills training and saving with SIGKILL, again and again, and looks at what is left.

`python tests/faults/kill_campaign.py --kills 50` runs it by hand and prints one JSON line; the tests run it with fewer.
After every kill the newest or the previous checkpoint must load, and the next process must go on from it.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kit.limits import HANG_S

SAVER = """
import sys, torch
from senseweave.policies.saving.checkpoint import Checkpoint
from senseweave.agent.rundir import RunDirectory
run = RunDirectory.open(sys.argv[1])
step = int(sys.argv[2])
while True:
    step += 1
    weights = {"weight": torch.full((256, 256), float(step))}
    run.save_checkpoint(Checkpoint(step, weights, {"0.exp_avg": weights["weight"]}, {"torch": torch.zeros(8)}, {}))
    print(step, flush=True)
"""


@contextlib.contextmanager
def spawn(words: list[str], **settings: Any) -> "Iterator[subprocess.Popen[str]]":
    """Runs a process of this Python, one thread wide, and ends it as a power cut would."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-P", *words], text=True, env=environment, **settings) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def run_command(*words: str) -> None:
    """Runs a command of senseweave to its end."""
    with spawn(["-m", "senseweave.agent.cli", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        _, told = process.communicate()
        assert process.returncode == 0, told


def newest_step(run: Path) -> int:
    """The number in the name of the newest published checkpoint."""
    from senseweave.policies.saving.checkpoint import folders

    return int(folders(run / "checkpoints")[0].name.removeprefix("step-"))


def wait_for(is_so: Callable[[], bool], process: "subprocess.Popen[str]", told: Path, limit_s: float = HANG_S) -> float:
    """Waits until something is so, and returns how long that took; `told` is what the process says meanwhile."""
    began = time.monotonic()
    while not is_so():
        assert process.poll() is None, f"the process ended by itself: {told.read_text()}"
        assert time.monotonic() - began < limit_s, f"nothing happened for too long: {told.read_text()}"
        time.sleep(0.005)
    return time.monotonic() - began


def kill_training(folder: Path, kills: int, seed: int = 0) -> dict[str, Any]:
    """Kills a training run `kills` times, at random moments of its work; each process resumes from the last one's end.

    Rollouts are of 16 steps with a checkpoint after each, so that kills fall into rollouts, updates and saving alike.

    Raises:
        AssertionError: a checkpoint was lost, or training did not go on.
    """
    from senseweave.agent.runs.directory import RunDirectory
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.agent.train.train import resume, train
    from senseweave.policies.saving.checkpoint import load_newest

    generator, run, told = random.Random(seed), folder / "run", folder / "told.txt"
    few: dict[str, Any] = {"steps": 16, "num_envs": 1, "checkpoint_every": 1, "evaluation_episodes": 0, "video": False}
    train(TrainConfig(device="cpu", **few), run)
    words = ["-m", "senseweave.agent.cli", "train", "--resume", str(run), "--steps", "1e9"]
    steps, fallbacks, cut_short = [newest_step(run)], 0, 0
    for _ in range(kills):
        with open(told, "w") as file, spawn(words, stdout=subprocess.DEVNULL, stderr=file) as process:
            wait_for(lambda: newest_step(run) > steps[-1], process, told)
            step = newest_step(run)
            period_s = wait_for(lambda step=step: newest_step(run) > step, process, told)
            time.sleep(generator.uniform(0.0, 3 * period_s))
            assert process.poll() is None, "training ended by itself"
        cut_short += any((run / "checkpoints").glob(".*.partial"))
        problems: list[str] = []
        opened = RunDirectory.open(run)
        steps.append(load_newest(run / "checkpoints", opened.config.run, problems.append).steps)
        opened.load_policy()
        fallbacks += bool(problems)
        assert steps[-1] > steps[-2], f"a checkpoint was lost: {steps[-2:]}"
    resume(run, steps=steps[-1] + 1)
    assert newest_step(run) > steps[-1]
    return {"kills": kills, "steps": steps[-1], "kills_inside_a_write": cut_short, "damaged_newest": fallbacks}


def kill_saving(run: Path, kills: int, seed: int = 0) -> dict[str, Any]:
    """Kills a process that does nothing but save, so that most kills fall into a write.

    Raises:
        AssertionError: a checkpoint that was reported as saved is not there, or is not what was saved.
    """
    from senseweave.agent.runs.directory import RunDirectory
    from senseweave.policies.saving.checkpoint import load_newest

    generator, last, cut_short, saved = random.Random(seed), 0, 0, 0
    for _ in range(kills):
        with spawn(["-c", SAVER, str(run), str(last)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            reported = int(process.stdout.readline())
            time.sleep(generator.uniform(0.0, 0.15))
            process.send_signal(signal.SIGKILL)
            reported = max([reported, *(int(line) for line in process.stdout.read().split("\n") if line)])
        cut_short += any((run / "checkpoints").glob(".*.partial"))
        problems: list[str] = []
        opened = RunDirectory.open(run)
        newest = load_newest(run / "checkpoints", opened.config.run, problems.append)
        assert not problems and reported <= newest.steps <= reported + 1
        assert bool((newest.policy["weight"] == newest.steps).all())
        policy, step = opened.load_policy()
        assert newest.steps - 1 <= step <= newest.steps and bool((policy["weight"] == step).all())
        saved, last = saved + newest.steps - last, newest.steps
    return {"kills": kills, "checkpoints": saved, "kills_inside_a_write": cut_short}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training = kill_training(folder, options.kills, options.seed)
        shutil.rmtree(folder / "run" / "checkpoints")
        saving = kill_saving(folder / "run", options.kills, options.seed)
    print(json.dumps({"training": training, "saving": saving}))


if __name__ == "__main__":
    main()
