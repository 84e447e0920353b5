"""Several processes that train one policy: `torchrun --nproc-per-node N -m senseweave.agent.train ...`.

torchrun starts the processes and says in the environment who they are; here they join. The first one owns the run
directory and everything that people see; gradients are averaged in policies/ppo/workers.py.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from ...perception.errors import ConfigError
from ...policies.ppo.workers import sum_over_world, world_rank, world_size
from ..settings.train import TrainConfig


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """In the block the processes that torchrun started know each other; does nothing for a process on its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1 or distributed.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank())
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def local_rank() -> int:
    """The number of this process on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Whether this process owns the run directory and talks to people."""
    return world_rank() == 0


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if world_size() > 1:
        distributed.barrier()


def anyone(wants: bool, device: torch.device) -> bool:
    """Whether any of the processes wants something; all of them must ask."""
    if world_size() == 1:
        return wants
    return bool(sum_over_world(torch.tensor(float(wants), device=device)) > 0)


def environments_each(config: TrainConfig) -> int:
    """Environments that this process plays, of `num_envs` in all.

    Raises:
        ConfigError: they cannot be shared evenly, or the trainer works alone.
    """
    size = world_size()
    if size > 1 and config.trainer == "sb3":
        raise ConfigError(f'The trainer "sb3" works alone; got {size} processes. Take --trainer senseweave.')
    if config.num_envs % size:
        raise ConfigError(
            f"`num_envs` must be shared evenly by {size} processes; got {config.num_envs}. Take a multiple of {size}."
        )
    return config.num_envs // size


def draw_anew(seed: int, steps: int) -> None:
    """Gives each process random numbers of its own that depend on the run's seed and step alone."""
    words = np.random.SeedSequence([seed, steps, world_rank(), 1]).generate_state(2)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))


def wait_for_folder(folder: Path) -> None:
    """Waits until the first process has made the run directory."""
    wait_for_all()
    if not folder.exists():
        raise ConfigError(f"All processes must see the same run directory; this one does not see {folder}.")
