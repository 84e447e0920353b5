"""`HubAddress`: the name of a repository of the Hugging Face Hub, as users write it. Nothing is fetched here."""

import dataclasses
import re
from typing import Self

from ..errors import ConfigError
from ..texts import shown

SCHEME = "hf://"
"""How an address of the Hugging Face Hub begins."""

REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w./-]{0,199}))?", re.ASCII)
"""What such a name looks like: the repository and, after "@", its revision."""


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
        match = REPOSITORY.fullmatch(text.removeprefix(SCHEME))
        if match is None or ".." in text:
            raise ConfigError(
                f'An address of the Hub is {SCHEME}USER/NAME or {SCHEME}USER/NAME@REVISION; got "{shown(text, 120)}".'
            )
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}{f'@{self.revision}' if self.revision else ''}"
