"""Lives of Rooms as bytes: actions that depend on the environment and the step alone, and digests of what came of them.

Run as a program it prints the digests of every level as a JSON object: python tests/kit/rooms/lives.py STEPS NUM_ENVS
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch

from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.random import draw_integer, mix
from senseweave.envs.rooms.vector_env import RoomsVectorEnv

_OFTEN = torch.tensor([0, 1, 2, 2, 2, 2, 2, 3, 4, 5, 5, 6])
"""Actions, the useful ones more often, so that lives go somewhere."""


def actions(rows: torch.Tensor, step: int) -> torch.Tensor:
    """What environments with these numbers do at a step."""
    return _OFTEN[draw_integer(mix(rows + 1), step, len(_OFTEN))]


def live(env: RoomsVectorEnv, steps: int, seed: int = 0, rows: torch.Tensor | None = None) -> Iterator[dict[str, Any]]:
    """All that an environment gives at its reset and at each step, as one flat dict of tensors."""
    rows = torch.arange(env.num_envs) if rows is None else rows
    observation, infos = env.reset(seed=seed)
    yield observation | {"mission": infos["mission"]}
    for step in range(steps):
        observation, reward, terminated, truncated, infos = env.step(actions(rows, step).to(env.device))
        final = {f"final_{name}": tensor for name, tensor in infos.get("final_obs", {}).items()}
        told = {"reward": reward, "terminated": terminated, "truncated": truncated, "mission": infos["mission"]}
        yield observation | final | told | {"is_success": infos["is_success"], "l": infos["episode"]["l"]}


def digest(moments: Iterator[dict[str, torch.Tensor]]) -> str:
    """SHA-256 of everything, in order."""
    found = hashlib.sha256()
    for moment in moments:
        for name in sorted(moment):
            found.update(name.encode())
            found.update(moment[name].cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def level_senses(level: str) -> tuple[str, ...]:
    """Everything that can be sensed in a level."""
    return ("audio", "camera", "compass", "grid") + (() if LEVELS[level].spoken else ("instruction",))


if __name__ == "__main__":
    torch.set_num_threads(1)
    steps, num_envs = map(int, sys.argv[1:])
    digests = {}
    for level in LEVELS:
        env = RoomsVectorEnv(level, num_envs, "cpu", senses=level_senses(level), outages=0.1, all_at_once=0.02)
        digests[level] = digest(live(env, steps))
    print(json.dumps(digests))
