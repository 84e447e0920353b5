"""What a run takes of this machine: its device, its threads, its C++ compiler."""

import os
import shutil
import sys

import torch

from ...perception import checks
from ...perception.config import PerceptionConfig
from ...perception.errors import ConfigError
from ...policies.processes import local_rank, world_size


def choose_device(name: str) -> torch.device:
    """The device of a name; for "auto", each process of torchrun takes a CUDA device of its own.

    Raises:
        ConfigError: a CUDA device is asked for that is not there.
    """
    if name == "auto" and world_size() > 1 and torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    return checks.choose_device(name)


def limit_threads(perception: PerceptionConfig) -> None:
    """Takes one thread of the CPU for a network of laptop size, unless OMP_NUM_THREADS says otherwise.

    More threads gain such a network nothing that was measurable, and where other programs want the cores its threads
    wait for each other: 37 instead of 600 frames/s on 2 busy cores.
    """
    if perception.width <= PerceptionConfig().width and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def require_compiler() -> None:
    """Makes sure that torch finds a C++ compiler, which it needs to compile for a CPU.

    Raises:
        ConfigError: there is none.
    """
    compiler = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"`compile` needs a C++ compiler; {compiler} is not here. Install it, or leave out --compile."
        )
