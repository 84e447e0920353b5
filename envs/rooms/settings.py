"""`RoomsSettings`: what a maker of Rooms environments may choose, checked and completed. Data only."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from ...perception.errors import ConfigError, did_you_mean

SENSES = ("audio", "camera", "compass", "grid", "instruction")
"""What an environment of ours can sense; the tensors of each stand in `senses.py`."""
DEFAULT_SENSES: tuple[str, ...] = ("audio", "camera", "instruction")
MAX_INT64 = 2**63 - 1
"""The greatest seed: random numbers are hashed in int64."""
MAX_SEED = 2**31 - 1
"""Where nobody gives a seed, lives are of a random one below this."""


@dataclasses.dataclass(frozen=True)
class RoomsSettings:
    """The options of `RoomsVectorEnv` and `RoomsEnv` beside the level's own.

    Attributes:
        senses: names out of SENSES, in any order; camera, audio and instruction where nothing is said. One text
            "grid,instruction" is taken too, as it comes from a command line.
        compass: whether the heading is sensed as well, one-hot (right, down, left, up); the missions never need it.
        spoken: whether the instruction is spoken in the audio at the start of an episode, and never written: the sense
            `instruction` is not there then. None is as the level wants it.
        outages: fraction of time that a sense is gone, one number for all, or sense -> number.
        outage_steps: mean length of an outage in steps, or "episode", for whole episodes.
        all_at_once: fraction of time that all senses are gone together, on top.
        camera_size: pixels, (height, width), or one number for both.

    Raises:
        ConfigError: a value that cannot be; what concerns outages is found when the environment is made.
    """

    senses: tuple[str, ...] = ()
    compass: bool = False
    spoken: bool | None = None
    outages: float | Mapping[str, float] = 0.0
    outage_steps: float | Literal["episode"] = 20.0
    all_at_once: float = 0.0
    camera_size: int | tuple[int, int] = 64

    def __post_init__(self) -> None:
        for name in ("compass", "spoken"):
            value = getattr(self, name)
            if not isinstance(value, bool) and not (name == "spoken" and value is None):
                raise ConfigError(f"`{name}` must be true or false; got {value!r}.")
        sizes = self.camera_size if isinstance(self.camera_size, (tuple, list)) else (self.camera_size,) * 2
        if len(sizes) != 2 or not all(type(size) is int and 16 <= size <= 512 for size in sizes):
            raise ConfigError(
                f"`camera_size` must be a number of pixels in 16..512, or (height, width); got {self.camera_size!r}."
            )
        object.__setattr__(self, "camera_size", tuple(sizes))

    @classmethod
    def read(cls, level_name: str, level_is_spoken: bool, options: Mapping[str, Any]) -> Self:
        """Settings for a level, with the senses decided and in alphabetical order.

        Args:
            level_name: for the errors' sentences.
            level_is_spoken: what `spoken=None` means.
            options: some of the attributes by name, and no others.

        Raises:
            ConfigError: see the class; or senses that contradict `spoken`.
        """
        chosen = cls(**options)
        spoken = level_is_spoken if chosen.spoken is None else chosen.spoken
        asked = options.get("senses")
        senses = set(DEFAULT_SENSES if asked is None else _names(asked))
        if spoken and asked is None:
            senses.remove("instruction")
        if chosen.compass:
            senses.add("compass")
        if spoken and "instruction" in senses:
            raise ConfigError(
                f'The instruction of "{level_name}" is spoken, so it is not written: leave "instruction" out of '
                "`senses`, or pass spoken=False."
            )
        if spoken and "audio" not in senses:
            raise ConfigError(
                f'The instruction of "{level_name}" is spoken, which nobody hears without "audio" in `senses`: '
                "add it, or pass spoken=False."
            )
        return dataclasses.replace(chosen, senses=tuple(sorted(senses)), compass="compass" in senses, spoken=spoken)

    @property
    def height_and_width(self) -> tuple[int, int]:
        """Of the camera's frames, in pixels."""
        return self.camera_size  # pyright: ignore[reportReturnType]  (made a pair when it was checked)


OPTION_NAMES = tuple(field.name for field in dataclasses.fields(RoomsSettings))


def _names(asked: object) -> list[str]:
    names = [name.strip() for name in asked.split(",")] if isinstance(asked, str) else asked
    if not isinstance(names, Iterable) or isinstance(names, Mapping):
        raise ConfigError(f"`senses` must be names such as camera, audio, instruction; got {asked!r}.")
    names = list(names)
    if not names:
        raise ConfigError(f"`senses` must name at least one sense of: {', '.join(SENSES)}; got none.")
    for name in names:
        if name not in SENSES:
            raise ConfigError(f'Rooms have no sense "{name}"; {did_you_mean(str(name), SENSES)}')
    return names
