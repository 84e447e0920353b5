"""Checks that the commands' settings share, and their way to JSON and back. Nothing heavy is imported here."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ...perception.errors import ConfigError, did_you_mean


def require_text(field: str, value: Any) -> None:
    """Checks for a text that is not empty.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(value, str) or not value:
        raise ConfigError(f"`{field}` must be a name; got {value!r}.")


def require_video_name(field: str, value: Any) -> None:
    """Checks that a file's name ends as a video's does.

    Raises:
        ConfigError: it does not.
    """
    if Path(value).suffix.lower() not in (".mp4", ".mkv", ".mov"):
        raise ConfigError(f"`{field}` must end in .mp4, .mkv or .mov; got {value!r}.")


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
