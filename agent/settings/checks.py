"""Checks that the commands' settings share, and their way to JSON and back. Nothing heavy is imported here."""

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ...perception.errors import ConfigError, did_you_mean


def require_whole(field: str, value: Any, low: int, high: int | None = None) -> None:
    """Checks a whole number in low..high.

    Raises:
        ConfigError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        rule = f"of at least {low}" if high is None else f"in {low}..{high}"
        raise ConfigError(f"`{field}` must be a whole number {rule}; got {value!r}.")


def require_device(device: Any) -> None:
    """Checks that a device is auto, cpu, cuda or cuda:N; whether it is there is seen when it is used.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ConfigError(f'`device` must be "auto", "cpu", "cuda" or "cuda:N"; got {device!r}.')


def require_text(field: str, value: Any) -> None:
    """Checks for a text that is not empty.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(value, str) or not value:
        raise ConfigError(f"`{field}` must be a name; got {value!r}.")


def require_video_name(field: str, value: Any, *, loops: bool = False) -> None:
    """Checks that a file's name ends as a video's does.

    Args:
        field: its name.
        value: the file's.
        loops: whether it may also be a moving picture without sound.

    Raises:
        ConfigError: it does not.
    """
    endings = [".mp4", ".mkv", ".mov", *([".webp"] if loops else [])]
    if Path(value).suffix.lower() not in endings:
        raise ConfigError(f"`{field}` must end in {', '.join(endings[:-1])} or {endings[-1]}; got {value!r}.")


class JsonSettings:
    """Reading and writing settings as JSON, for the dataclasses in config.py."""

    def to_json(self) -> dict[str, Any]:
        """These settings as plain JSON values."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ConfigError: an unknown key, or a value out of its range.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{cls.__name__} must be a JSON object; got {data!r:.60}.")
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for key in data:
            if key not in known:
                raise ConfigError(f'"{key}" is not a setting of {cls.__name__}; {did_you_mean(key, known)}')
        return cls(**data)


def finite_or_none(value: float | None) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    return None if value is None or not math.isfinite(value) else value
