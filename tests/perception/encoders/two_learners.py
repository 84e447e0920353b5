"""A script, not a test: one of two processes that train encoders alone behind a network of their own, with DDP.

    python tests/perception/encoders/two_learners.py FOLDER RANK alone|whole

It prints the sum of the gradients; "whole" wraps the perception, of which `encode` leaves the fusion unused.
"""

import pathlib
import sys

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from senseweave.perception import Camera, Instruction, Perception, PerceptionConfig, Spec, Vector

SPEC = Spec(camera=Camera(16, 16), instruction=Instruction(6, 1024), touch=Vector(3))


class Encodes(nn.Module):
    """The whole perception, of which the encoders alone are used."""

    def __init__(self, perception: Perception) -> None:
        super().__init__()
        self.perception = perception

    def forward(self, obs):
        return self.perception.encode(obs)


def main(folder: pathlib.Path, rank: int, which: str) -> None:
    """Takes two steps on data of its own; in the second a sense is absent in all of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    torch.manual_seed(0)
    perception = Perception(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=8))
    module = perception.encoders_alone() if which == "alone" else Encodes(perception)
    learner = DistributedDataParallel(module, find_unused_parameters=False)
    numbers = np.random.default_rng(rank)
    for camera in (numbers.integers(0, 256, (4, 16, 16, 3), np.uint8), None):
        obs = perception.prepare(
            {"camera": camera, "instruction": ["go", "to", "the", "ball"], "touch": numbers.normal(size=(4, 3))}
        )
        groups = learner(obs)
        loss = sum(torch.where(group.mask[..., None], group.tokens, 0.0).square().sum() for group in groups.values())
        learner.zero_grad()
        loss.backward()
    print(sum(float(parameter.grad.abs().sum()) for parameter in learner.parameters()))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
