"""The token of a policy server: a secret in a file that both sides read, and nobody else should."""

import hmac
import os
import re
import stat
from collections.abc import Callable

from ....perception.checks.files import read_regular
from ....perception.errors import ConfigError

MIN_CHARACTERS, MAX_CHARACTERS = 16, 512
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe())" > FILE; chmod 600 FILE'
"""How a person makes one."""


def read_token(path: str, tell: Callable[[str], object] = lambda sentence: None) -> str:
    """The token in a file.

    Args:
        path: of the file; white space around the token is not part of it.
        tell: is told when others on this machine can read the file.

    Raises:
        ConfigError: there is none, or it is too short to be a secret.
    """
    try:
        content = read_regular(path, 4096).decode("ascii").strip()
        mode = os.stat(path).st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no plain text"
        raise ConfigError(f"The token cannot be read from {path} ({reason}); make one: {MAKE_ONE}") from error
    if not MIN_CHARACTERS <= len(content) <= MAX_CHARACTERS or not _TOKEN.fullmatch(content):
        raise ConfigError(
            f"The token in {path} must have {MIN_CHARACTERS} to {MAX_CHARACTERS} letters, digits or ._~+/=-; it has "
            f"{len(content)} characters. Make another one: {MAKE_ONE}"
        )
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        tell(f"Others on this machine may open {path} (mode {stat.S_IMODE(mode):o}), the token; run: chmod 600 {path}")
    return content


def authorization(token: str) -> str:
    """The header of a request that has the token."""
    return f"Bearer {token}"


def is_authorized(header: str | None, token: str) -> bool:
    """Whether a request's header has the token; it takes the same time, however much of it is right."""
    given = (header or "").encode("utf-8", "replace")
    return hmac.compare_digest(given, authorization(token).encode())
