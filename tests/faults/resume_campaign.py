"""Kills a training run with SIGKILL at random moments and resumes it, until it is done: the end must be the same bits.

`cd tests; python -m faults.resume_campaign --kills 20` prints one JSON line; the nightly tests run it.
The run imitates, then learns by PPO, with a memory and senses that fail, in Seek with camera, sound and instruction;
with `--symbols` in GoToLocal with a symbolic view, whose distinct cells are encoded once.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from faults.kill_campaign import newest_step, run_command, spawn, wait_for

IMITATION, STEPS, EVERY = 6144, 26624, 1024
WORLDS = {
    "senses": ("--env", "senseweave/Seek-v0", "--env-option", "size=small"),
    "symbols": ("--env", "senseweave/GoToLocal-v0", "--env-option", "senses=grid,instruction"),
}
RECIPE = (
    *("--num-envs", "16", "--memory", "gru"),
    *("--imitation-steps", str(IMITATION), "--steps", str(STEPS), "--modality-dropout", "0.1", "--device", "cpu"),
    *("--checkpoint-every", str(EVERY), "--evaluation-episodes", "0", "--no-video"),
)


def reached(run: Path) -> int:
    """Steps of the newest checkpoint; 0 where there is none yet."""
    return newest_step(run) if any(run.glob("checkpoints/step-*")) else 0


def difference(one: Path, other: Path) -> list[str]:
    """What differs between the last checkpoints of two runs, but the time that they took."""
    from senseweave.agent.runs.directory import RunDirectory

    ends = [RunDirectory.open(run).load_checkpoint(print) for run in (one, other)]
    found = []
    for part in ("policy", "optimizer", "random", "world"):
        once, twice = (getattr(end, part) for end in ends)
        if once.keys() != twice.keys() or not once:
            found.append(part)
        found += [f"{part} {name}" for name in once if name in twice and not torch.equal(once[name], twice[name])]
    plain = [{key: value for key, value in end.state.items() if key != "seconds"} for end in ends]
    found += [f"state {key}" for key in plain[0] if plain[0][key] != plain[1].get(key)]
    return found + (["steps"] if ends[0].steps != ends[1].steps else [])


def kill_and_compare(folder: Path, kills: int, seed: int = 0, world: str = "senses") -> dict[str, Any]:
    """Trains once without a pause and once with `kills` kills, in one of `WORLDS`; see the module.

    Raises:
        AssertionError: the ends differ, or the run was done before it was killed so often.
    """
    generator, told = random.Random(seed), folder / "told.txt"
    began = time.monotonic()
    recipe = (*WORLDS[world], *RECIPE)
    run_command("train", *recipe, "--out", str(folder / "whole"))
    seconds = time.monotonic() - began
    run = folder / "killed"
    words = ["train", *recipe, "--out", str(run)]
    checkpoints = (IMITATION + STEPS) // EVERY
    for kill in range(kills):
        with open(told, "w") as file:
            command = ["-m", "senseweave.agent.cli", *words]
            with spawn(command, stdout=subprocess.DEVNULL, stderr=file) as process:
                goal = (1 + kill * (checkpoints - 4) // kills) * EVERY
                wait_for(lambda goal=goal: reached(run) >= goal, process, told)
                time.sleep(generator.uniform(0.0, seconds / checkpoints))
                assert process.poll() is None, f"it was done after {kill} kills: {told.read_text()}"
        words = ["train", "--resume", str(run)]
    run_command(*words)
    found = difference(folder / "whole", run)
    assert not found, f"these differ after {kills} kills: {', '.join(found[:10])}"
    return {
        "world": world,
        "kills": kills,
        "steps": IMITATION + STEPS,
        "bitwise_equal": True,
        "seconds_unkilled": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--symbols", action="store_true")
    options = parser.parse_args()
    world = "symbols" if options.symbols else "senses"
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(kill_and_compare(Path(name), options.kills, options.seed, world)))


if __name__ == "__main__":
    main()
