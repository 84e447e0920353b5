"""`find_folder`: from what a user names to a folder. No torch here.

A folder that is there goes before everything else, then come agents that ship with the package. Something is fetched
only for an address that says so: "hf://user/name", "hf://user/name@revision" or, with its revision,
"user/name@revision". A mistyped "runs/seek" is never looked for in the network.
"""

import os
import re
from pathlib import Path

from ..errors import did_you_mean
from .repository import REPOSITORY, SCHEME, HubAddress
from .shipped import shipped_agents, shipped_folder

_PLAIN = re.compile(r"[\w-]{1,64}")


def hub_address(text: str) -> HubAddress | None:
    """The repository that an address asks to be fetched; None where it asks for none.

    Raises:
        ConfigError: it begins as such an address does, and goes on in another way.
    """
    if text.startswith(SCHEME):
        return HubAddress.read(text)
    has_revision = "@" in text and REPOSITORY.fullmatch(text) is not None and ".." not in text
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
    if REPOSITORY.fullmatch(text):
        return f", or {SCHEME}{text} for a repository of the Hugging Face Hub."
    return "."
