"""What a person asks of `senseweave push`. Nothing heavy is imported here."""

import dataclasses
import re
from typing import Annotated

from ...perception.errors import ConfigError
from ...perception.sharing.repository import HubAddress
from .base import Settings
from .values import Text

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@dataclasses.dataclass(frozen=True)
class PushConfig(Settings):
    """One upload to the Hugging Face Hub.

    Args:
        run: run directory, folder of PPO.save, or perception that was saved.
        repository: where it goes; the repository is made if it is not there.
        private: make a new repository one that its owner alone can see.
        licence: of the weights, as the Hub names licences, such as mit or apache-2.0.

    Raises:
        ConfigError: `repository` or `licence` is no such name.
    """

    run: Annotated[str, Text(metavar="DIR", is_positional=True)]
    repository: Annotated[str, Text(metavar="USER/NAME", is_positional=True)]
    private: bool = False
    licence: Annotated[str | None, Text(metavar="NAME", unset="left open")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (place := HubAddress.read(self.repository)).revision is not None:
            raise ConfigError(
                f"`repository` must be USER/NAME without a revision, which the upload makes; got {place}."
            )
        if self.licence is not None and not _LICENCE.fullmatch(self.licence):
            raise ConfigError(f'`licence` must be a name such as mit or apache-2.0; got "{self.licence}".')
