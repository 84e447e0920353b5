"""What a person asks of `senseweave watch`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from ...perception.errors import ConfigError
from .base import Section, Settings
from .evaluate import VIDEOS
from .several import Names, Pairs
from .train import TrainConfig
from .values import Device, FileName, OneOf, Text, Whole, Word


@dataclasses.dataclass(frozen=True)
class WatchConfig(Settings):
    """Some episodes as a video.

    Args:
        env: id of an environment; `senseweave envs` lists them.
        env_options: an option of the environment, such as size=medium.
        policy: run directory of the agent that plays; its gates are drawn as well.
        player: "expert" or "random", where no policy plays; None takes the expert where there is one, else chance.
        greedy: with --policy, take the most probable action instead of a sampled one.
        without: senses to take away; name ENV before them.
        unplug: senses to take away in the middle of each episode: camera@3 from step 3 on.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        out: where the video goes; a .webp is silent and without end.
        episodes: number of held-out episodes, from the first on, each with its own seed. Without it some are chosen
            of several dozen: a success of each kind, a failure, and one in which the sense that decides is unplugged.
        seed: set of held-out seeds, 0 to 1000.

    Raises:
        ConfigError: a value is out of its range, or both a policy and another player are given.
    """

    env: Annotated[
        str | None, Text(metavar="ENV", is_positional=True, unset=f"the policy's own, or {TrainConfig.env}")
    ] = None
    env_options: Annotated[dict[str, Any] | None, Pairs(word="env-option", unset="the policy's own")] = None
    policy: Annotated[
        str | None,
        Text(metavar="DIR"),
        Section("player", "Without any of these, an expert plays where there is one, and else chance."),
    ] = None
    player: Annotated[
        str | None,
        OneOf(
            options=(
                Word(text="expert", value="expert", help="an expert plays, who knows the whole state"),
                Word(text="random", value="random", help="actions are drawn at random"),
            )
        ),
    ] = None
    greedy: bool = False
    without: Annotated[tuple[str, ...], Names(metavar="SENSE")] = ()
    unplug: Annotated[tuple[str, ...], Names(metavar="SENSE@STEP")] = ()
    device: Annotated[str, Device()] = "auto"
    out: Annotated[
        str | None, FileName(suffixes=(*VIDEOS, ".webp"), unset="runs/watch/ENV-PLAYER-SEED.mp4"), Section("video")
    ] = None
    episodes: Annotated[int | None, Whole(low=1, high=1000, unset="a minute of chosen ones")] = None
    seed: Annotated[int, Whole(low=0, high=1000)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.player is not None and self.policy is not None:
            raise ConfigError(f"`policy` plays itself; got {self.policy!r} and the player {self.player}. Choose one.")
        if self.greedy and self.policy is None:
            raise ConfigError("`greedy` is how a policy acts; got none. Add --policy DIR, or leave out --greedy.")
        _ = self.unplugged_from  # raises for what is none

    @property
    def unplugged_from(self) -> dict[str, int]:
        """Sense -> the step from which on it is gone.

        Raises:
            ConfigError: one is not written as SENSE@STEP.
        """
        senses = {}
        for word in self.unplug:
            name, _, step = word.partition("@")
            if not (name and step.isdecimal() and int(step) > 0):
                raise ConfigError(f'`unplug` must be SENSE@STEP, a step from 1 up, as in "camera@3"; got {word!r}.')
            senses[name] = int(step)
        return senses
