"""What a person asks of `senseweave record`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from ...perception.errors import ConfigError
from ..play.registry import PLAYERS, name_of
from .base import Section, Settings
from .several import Pairs
from .train import TrainConfig
from .values import Device, Text, Whole

MAX_EPISODES = 1_000_000


@dataclasses.dataclass(frozen=True)
class RecordConfig(Settings):
    """Episodes of an environment as a dataset.

    Args:
        env: id of an environment; `senseweave envs` lists them.
        env_options: an option of the environment, such as size=medium.
        player: who plays: expert (the environment's own), random, or policy:RUN.
        greedy: with policy:RUN, take the most probable action instead of a sampled one.
        episodes: number of episodes.
        seed: set of seeds, 0 to 900; episodes of another set are others, and none is ever used to evaluate.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        out: folder to make.
        format: what is written: sessions, minari or lerobot; with sessions, each episode is safe as soon as it has
            ended.

    Raises:
        ConfigError: a value is out of its range.
        UnknownNameError: there is no such player.
    """

    env: Annotated[str | None, Text(metavar="ID", unset=f"the policy's own, or {TrainConfig.env}")] = None
    env_options: Annotated[dict[str, Any] | None, Pairs(word="env-option", unset="the policy's own")] = None
    player: Annotated[str, Text(metavar="|".join([*PLAYERS.names[:-1], "policy:RUN"]))] = "expert"
    greedy: bool = False
    episodes: Annotated[int, Whole(low=1, high=MAX_EPISODES)] = 100
    seed: Annotated[int, Whole(low=0, high=900)] = 0
    device: Annotated[str, Device()] = "auto"
    out: Annotated[str | None, Text(metavar="DIR", unset="runs/demos-ENV-TIME"), Section("output")] = None
    format: Annotated[str, Text(metavar="FORMAT")] = "sessions"

    def __post_init__(self) -> None:
        super().__post_init__()
        if name_of(self.player) != "policy" and self.greedy:
            raise ConfigError(f"`greedy` is how a policy acts; got the player {self.player}. Leave out --greedy.")

        if self.run == "":
            raise ConfigError('The player "policy" needs a run directory behind a colon, as in policy:runs/seek.')

    @property
    def run(self) -> str | None:
        """The run directory of a policy that plays; None where another player does."""
        return self.player.partition(":")[2] if name_of(self.player) == "policy" else None
