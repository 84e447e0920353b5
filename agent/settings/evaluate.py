"""What a person asks of `senseweave evaluate` and `explain`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from .base import Section, Settings
from .several import Names, Pairs
from .values import Device, FileName, Hidden, OneOf, Text, Whole, Word

VIDEOS = (".mp4", ".mkv", ".mov")
"""How a video's name may end."""


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Settings):
    """One evaluation of a trained run, also what `explain` starts from.

    Args:
        run: run directory that `senseweave train` made.
        env: another environment with the same senses and actions.
        env_options: an option of the environment, such as size=medium.
        episodes: number of held-out episodes, each with its own seed.
        seed: set of held-out seeds, 0 to 1000. Episode i of set s has the seed 1,000,000,000 + 1,000,000 s + i.
        greedy: whether `success_rate` and `mean_return` are those of the greedy policy instead of the sampled one.
        without: senses to take away; name them after DIR.
        num_envs: number of episodes side by side; it changes the speed alone.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        video: also write chosen episodes as a video of a minute at most.

    Raises:
        ConfigError: a value is out of its range.
    """

    run: Annotated[str, Text(metavar="DIR", is_positional=True)]
    env: Annotated[str | None, Text(metavar="ID", unset="the run's own"), Section("episode")] = None
    env_options: Annotated[dict[str, Any] | None, Pairs(word="env-option", unset="the run's own")] = None
    episodes: Annotated[int, Whole(low=1, high=1_000_000)] = 512
    seed: Annotated[int, Whole(low=0, high=1000)] = 0
    greedy: Annotated[
        bool,
        OneOf(
            options=(
                Word(text="sample", value=False, help="judge sampled actions"),
                Word(text="greedy", value=True, help="judge the most probable actions"),
            )
        ),
    ] = False
    without: Annotated[tuple[str, ...], Names(metavar="SENSE")] = ()
    num_envs: Annotated[
        int | None, Whole(low=1, high=4096, unset="many, where they are batched"), Section("running")
    ] = None
    device: Annotated[str, Device()] = "auto"
    video: Annotated[str | None, FileName(suffixes=VIDEOS), Section("output")] = None


@dataclasses.dataclass(frozen=True)
class ExplainConfig(EvaluateConfig):
    """One explanation of a trained run.

    Args:
        episodes: number of held-out episodes for each subset of the senses.
        bot: compare the lengths of episodes with an expert's, such as BabyAI's bot.
        report: where the page goes.
    """

    episodes: Annotated[int, Whole(low=1, high=1_000_000)] = 200
    video: Annotated[str | None, Hidden()] = None
    bot: Annotated[bool, Section("output")] = False
    report: Annotated[str | None, Text(metavar="FILE", unset="explain.html in DIR")] = None
