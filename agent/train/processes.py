"""Several processes that train one policy: `torchrun --nproc-per-node N -m senseweave.agent.cli train ...`.

torchrun starts the processes and says in the environment who they are; here they join. The first one owns the run
directory and everything that people see; gradients are averaged in policies/ppo/workers.py.
"""

import numpy as np
import torch

from ...perception.errors import ConfigError
from ...policies.processes import world_rank, world_size
from ..settings.train import TrainConfig


def environments_each(config: TrainConfig) -> int:
    """Environments that this process plays, of `num_envs` in all.

    Raises:
        ConfigError: they cannot be shared evenly.
    """
    size = world_size()
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
