"""Files that are either whole or not there: atomic, durable writes; and JSON objects, read strictly. No torch here.

perception/files.py does the same for tensors.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..texts import shown
from .files import DESCRIPTION_BYTES, read_regular
from .plain_json import parse


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that, after a crash at any moment, the old or the new content is there, never a part.

    Raises:
        CheckpointError: the file cannot be written; nothing has changed then.
    """
    _write(path, content, lambda temporary, final: os.replace(temporary, final))


def create_atomically(path: Path, content: bytes) -> bool:
    """Writes a file that must not be there yet: of several processes that try, one succeeds.

    Returns:
        Whether it was created; False where there is one already.

    Raises:
        CheckpointError: the file cannot be written.
    """
    try:
        _write(path, content, _link)
    except _TakenError:
        return False
    return True


class _TakenError(Exception):
    """There is a file of that name."""


def _link(temporary: Path, path: Path) -> None:
    """Gives a whole file its name, unless that is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _TakenError from None
    except OSError:  # a file system without hard links: an empty file takes the name, the whole one its place
        try:
            path.open("xb").close()
        except FileExistsError:
            raise _TakenError from None
        os.replace(temporary, path)
        return
    temporary.unlink()


def _write(path: Path, content: bytes, publish: Callable[[Path, Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # mkstemp's would be readable by us alone
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            publish(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be written ({error.strerror or error}); free space or choose another folder."
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path, at_most: int = DESCRIPTION_BYTES) -> dict[str, Any]:
    """Reads a JSON object, strictly; see `checks.plain_json`.

    Args:
        path: the file.
        at_most: bytes that it may have.

    Raises:
        CheckpointError: the file is missing, no regular file, too large, or is not a JSON object.
    """
    try:
        data = parse(read_regular(path, at_most))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); is this the right folder?") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not valid JSON ({shown(error, 80)}) and may be damaged; restore it or train again."
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} must hold a JSON object; got a {type(data).__name__}.")
    return data
