"""`Command`: what the command line knows of one of its commands. Nothing heavy is imported here."""

import dataclasses
import os
import re
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..settings.base import Settings

Result = tuple[dict[str, Any], str]
"""What a command gives back: values for `--json`, and a text for people."""

S = TypeVar("S", bound=Settings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Generic[S]):
    """One command; `COMMANDS` knows it by its name.

    Args:
        settings: what it can be told; the options derive from its fields.
        run: does it. What it needs beyond the settings, it imports itself, so that `--help` stays quick.
        summary: what it does, in one sentence.
        example: a command line that works.
        teaching: what its help says at the end, before the example.
    """

    settings: type[S]
    run: Callable[[S], Result]
    summary: str
    example: str
    teaching: str = ""


def new_folder(name: str) -> str:
    """A folder for what a command makes where nobody names one: runs/NAME-TIME."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "run"
    return os.path.join("runs", f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}")
