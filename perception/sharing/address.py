"""`find_folder`: from what a user names to a folder. No torch here.

A folder that is there goes before everything else, then come agents that ship with the package. Something is fetched
only for an address that says so: "hf://user/name", "hf://user/name@revision" or, with its revision,
"user/name@revision". A mistyped "runs/seek" is never looked for in the network.
"""

import dataclasses
import os
import re
from pathlib import Path
from typing import Self

from ..errors import ConfigError, did_you_mean
from ..texts import shown
from .shipped import shipped_agents, shipped_folder

SCHEME = "hf://"
"""How an address of the Hugging Face Hub begins."""

_REPOSITORY = re.compile(
    r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w./-]{0,199}))?", re.ASCII
)
_PLAIN = re.compile(r"[\w-]{1,64}")


@dataclasses.dataclass(frozen=True)
class HubAddress:
    """A repository of the Hugging Face Hub.

    Args:
        repository: "user/name".
        revision: a branch, a tag or a commit; None where none was named.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads "user/name", "user/name@revision", or the same after "hf://".

        Raises:
            ConfigError: it is something else.
        """
        match = _REPOSITORY.fullmatch(text.removeprefix(SCHEME))
        if match is None or ".." in text:
            raise ConfigError(
                f'An address of the Hub is {SCHEME}USER/NAME or {SCHEME}USER/NAME@REVISION; got "{shown(text, 120)}".'
            )
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}{f'@{self.revision}' if self.revision else ''}"


def hub_address(text: str) -> HubAddress | None:
    """The repository that an address asks to be fetched; None where it asks for none.

    Raises:
        ConfigError: it begins as such an address does, and goes on in another way.
    """
    if text.startswith(SCHEME):
        return HubAddress.read(text)
    has_revision = "@" in text and _REPOSITORY.fullmatch(text) is not None and ".." not in text
    return HubAddress.read(text) if has_revision else None


def find_folder(address: str | os.PathLike[str]) -> Path:
    """The folder that an address names, fetched where it says so; the address as a path where it names nothing else.

    Raises:
        CheckpointError: the repository cannot be had, or holds no agent and no perception.
        MissingExtraError: huggingface-hub is needed and not installed.
        ConfigError: it begins with "hf://" and is no address.
    """
    text = os.fspath(address)
    if os.path.exists(text):
        return Path(text)
    if (place := hub_address(text)) is not None:
        from .hub import download

        return download(place)
    return shipped_folder(text) or Path(text)


def advice_on(address: str | os.PathLike[str]) -> str:
    """What else can be given where no folder of that name is, as the end of a sentence; "." for a plain path."""
    text = os.fspath(address)
    if _PLAIN.fullmatch(text):
        if agents := shipped_agents():
            return f", or an agent that ships with senseweave: {did_you_mean(text, agents)}"
        return "; no agent ships with this copy of senseweave."
    if _REPOSITORY.fullmatch(text):
        return f", or {SCHEME}{text} for a repository of the Hugging Face Hub."
    return "."
