"""Several processes that train one policy: who they are, and how they wait for each other and add things up.

torchrun starts them and says in the environment who each of them is. Without it this process is on its own, and every
function here says so.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, distributed

from ..perception.errors import ConfigError


def world_size() -> int:
    """Processes that learn together, 1 without torch.distributed."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def world_rank() -> int:
    """The number of this process among them, from 0."""
    return distributed.get_rank() if world_size() > 1 else 0


def sum_over_world(value: Tensor) -> Tensor:
    """Adds a tensor up over all processes, in place."""
    if world_size() > 1:
        distributed.all_reduce(value)
    return value


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


def wait_for_folder(folder: Path) -> None:
    """Waits until the first process has made the run directory."""
    wait_for_all()
    if not folder.exists():
        raise ConfigError(f"All processes must see the same run directory; this one does not see {folder}.")
