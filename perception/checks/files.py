"""The one door to files that somebody else may have written: regular files alone, never more bytes than their kind may
have, never waiting.

A FIFO would wait for ever, a device has no end, and opening one may do something; all of them are refused before they
are opened, and looked at again afterwards. A symbolic link to a regular file is fine. What is refused is an `OSError`,
as what cannot be read is, so that each reader says it in its own sentence. tests/contracts/test_file_door.py finds
whoever opens a file in another way.
"""  # noqa: D205

import errno
import io
import os
import stat

MIB = 2**20
DESCRIPTION_BYTES = 4 * MIB
"""The most that a config.json, a manifest or the header of tensors may have."""

JSON_BYTES = 64 * MIB
"""The most that any other JSON may have: the state in a checkpoint, a tokenizer."""

TABLE_BYTES = 1024 * MIB
"""The most that metrics.csv may have; it is read row by row."""

TENSOR_BYTES = 8 * 1024 * MIB
"""The most that a file of tensors may have."""

RECORDING_BYTES = 2**44
"""The most that a recording may have, 16 TB; it is read record by record."""

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
_SORTS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: str | os.PathLike[str], at_most: int) -> io.BufferedReader:
    """Opens a regular file for reading.

    Args:
        path: the file, or a symbolic link to one.
        at_most: bytes that it may have.

    Raises:
        OSError: there is none, it is no regular file, it is larger, or it cannot be read.
    """
    try:
        _require_regular(os.stat(path), at_most, path)
        number = os.open(path, _FLAGS)
    except ValueError as error:  # a null byte in its name
        raise OSError(errno.EINVAL, "no file can have such a name", repr(path)) from error
    try:
        _require_regular(os.fstat(number), at_most, path)  # another one may have taken its place
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_regular(path: str | os.PathLike[str], at_most: int) -> bytes:
    """The content of a regular file.

    Args:
        path: see `open_regular`.
        at_most: bytes that it may have, also where it grows meanwhile.

    Raises:
        OSError: see `open_regular`.
    """
    with open_regular(path, at_most) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise _too_large(path, len(content), at_most)
    return content


def _require_regular(found: os.stat_result, at_most: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(found.st_mode):
        sort = _SORTS.get(stat.S_IFMT(found.st_mode), "no regular file")
        raise OSError(errno.EINVAL, f"it is {sort}, not a file", os.fspath(path))
    if found.st_size > at_most:
        raise _too_large(path, found.st_size, at_most)


def _too_large(path: str | os.PathLike[str], size: int, at_most: int) -> OSError:
    sizes = f"it has {size:,} bytes, and at most {at_most:,} are read"
    return OSError(errno.EFBIG, sizes, os.fspath(path))
