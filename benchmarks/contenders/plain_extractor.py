"""`PlainExtractor`: what one would write without a toolkit, for stable-baselines3. A contender of two benchmarks.

b batch, n tokens, d features
"""

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from senseweave.perception.spec import Grid, Instruction, Spec


class PlainExtractor(BaseFeaturesExtractor):
    """What one would write without a toolkit: convolutions over the cells, a GRU over the mission, side by side.

    Three small convolutions give 64 numbers, a GRU of 128 reads embeddings of 32, one layer makes 128 features of both.
    The GRU reads no padding: it stops at the longest mission of the batch and its state is taken at each one's end.
    """

    def __init__(self, observation_space: spaces.Dict, spec: Spec) -> None:
        super().__init__(observation_space, features_dim=128)
        self.grid, grid = next((name, kind) for name, kind in spec.items() if isinstance(kind, Grid))
        self.mission, mission = next((name, kind) for name, kind in spec.items() if isinstance(kind, Instruction))
        self.look = nn.Sequential(
            nn.Conv2d(len(grid.sizes), 16, 2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 2), nn.ReLU(),
            nn.Conv2d(32, 64, 2), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        with torch.no_grad():
            seen = self.look(torch.zeros(1, len(grid.sizes), grid.height, grid.width)).shape[1]
        self.embed = nn.Embedding(mission.vocab_size, 32)
        self.read = nn.GRU(32, 128, batch_first=True)
        self.join = nn.Sequential(nn.Linear(seen + 128, 128), nn.ReLU())

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features (b, 128) of cells (b, height, width, c) and token ids (b, n)."""
        cells = (observations[self.grid] / 10.0).permute(0, 3, 1, 2)
        ids = observations[self.mission].long()
        lengths = (ids != 0).sum(dim=1).clamp(min=1)
        states, _ = self.read(self.embed(ids[:, : int(lengths.max())]))
        last = states[torch.arange(len(ids), device=ids.device), lengths - 1]
        return self.join(torch.cat([self.look(cells), last], dim=1))
