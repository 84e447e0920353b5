"""JSON files that notice damage, and folders that appear whole or not at all.

perception/files.py does the same for single files and tensors. Nothing here knows what a run is.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...perception.checks.files import DESCRIPTION_BYTES, TENSOR_BYTES, open_regular
from ...perception.checks.plain_json import seal_of
from ...perception.checks.whole_files import create_atomically, read_json, sync_folder, write_atomically
from ...perception.errors import CheckpointError
from ...perception.texts import shown

_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise your quota",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` of the block into one sentence about `path`.

    Raises:
        CheckpointError: the block could not write.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the disk, or choose another folder")
        raise CheckpointError(f"{path} could not be written ({error.strerror or error}); {advice}.") from error


@contextlib.contextmanager
def held_folder(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Locks a folder for this process; the system unlocks it when the process dies.

    Args:
        folder: it must exist.
        waits: whether to wait for another process that holds it.

    Yields:
        Whether it is held; always True where it waits, and on systems without such locks.

    Raises:
        CheckpointError: it cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    with writing(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            is_held = True
        except BlockingIOError:
            is_held = False
        except OSError:  # a file system without locks
            is_held = True
        yield is_held
    finally:
        os.close(descriptor)


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON object with the SHA-256 of its own content, atomically and durably.

    Raises:
        CheckpointError: the file cannot be written; what was there is still whole.
    """
    write_atomically(path, sealed(content))


def create_sealed(path: Path, content: dict[str, Any]) -> bool:
    """The same for a file that must not be there yet, and which one process alone can create.

    Returns:
        Whether it was created; False where there is one already.

    Raises:
        CheckpointError: the file cannot be written.
    """
    return create_atomically(path, sealed(content))


def sealed(content: dict[str, Any]) -> bytes:
    """What `write_sealed` writes."""
    return json.dumps({"sha256": seal_of(content)} | content, indent=2, allow_nan=False).encode() + b"\n"


def read_sealed(path: Path, format_name: str, version: int, at_most: int = DESCRIPTION_BYTES) -> dict[str, Any]:
    """Reads what `write_sealed` wrote, without the seal.

    Args:
        path: the file.
        format_name: that it must have.
        version: the same.
        at_most: bytes that it may have.

    Raises:
        CheckpointError: the file is missing, damaged, edited, too large, or of another format or version.
    """
    content = read_json(path, at_most)
    found = content.get("format"), content.get("version")
    if found != (format_name, version):
        raise CheckpointError(
            f"{path} must say format {format_name}, version {version}; got {shown(repr(found[0]), 60)}, "
            f"{shown(repr(found[1]), 60)}. Use the senseweave release that wrote it."
        )
    if content.pop("sha256", None) != seal_of(content):
        raise CheckpointError(
            f"{path} does not match its own checksum, so it was damaged or edited; restore it or train again."
        )
    return content


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes; raises OSError where it cannot be read."""
    with open_regular(path, TENSOR_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); was saving finished?") from error


def publish_folder(temporary: Path, final: Path) -> None:
    """Gives a finished temporary folder its name, so that `final` is there whole or not at all, also after a crash.

    Raises:
        CheckpointError: the folder cannot be renamed.
    """
    with writing(final):
        sync_folder(temporary)
        os.replace(temporary, final)
        sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Removes a folder that no one needs any more; failing to is no reason to stop. What is none stays where it is."""
    if folder.is_dir():  # rmtree would open a FIFO, and wait there for ever
        shutil.rmtree(folder, ignore_errors=True)
