"""`require_file`: why a file that stands for a camera or a microphone cannot be read, before a library tries to."""

import os
from pathlib import Path

from ....perception.checks import require_utf8
from ....perception.errors import ConfigError
from ..scheme import unknown_scheme
from .registry import SOURCES


def require_file(device: str, path: str) -> None:
    """Looks whether a file is there and may be read.

    Args:
        device: what the file stands for, "camera", say.
        path: the file.

    Raises:
        ConfigError: it is not, or may not.
    """
    require_utf8(f"The {device}'s file", path)
    try:
        if Path(path).is_dir():
            problem = "is a folder"
        elif not Path(path).is_file():
            scheme = unknown_scheme(path, SOURCES)
            problem = "does not exist" if scheme is None else f'does not exist, and there is no source "{scheme}"'
            if Path(path).exists():
                problem = "is a pipe or a device, no regular file"
        elif not os.access(path, os.R_OK):
            problem = "may not be read by this user"
        else:
            return
    except OSError as error:  # a folder on the way that may not be entered
        problem = f"cannot be reached ({error.strerror})"
    raise ConfigError(f'The {device}\'s file "{path}" {problem}; name another one.')
