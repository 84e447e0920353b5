"""What a Minari dataset of somebody else's may hold: spaces in its metadata, and HDF5 without links and surprises.

The library makes an environment where the spaces are missing, which imports what the file names; and HDF5 can point at
other files. Neither happens here.
"""

import json
import os
from pathlib import Path
from typing import Any

from ....perception.checks import shown
from ....perception.checks.files import JSON_BYTES, RECORDING_BYTES, open_regular, read_regular
from ..errors import DatasetError

MAX_EPISODE_BYTES = 4 * 2**30
"""An episode that claims more, unpacked, is damage."""

MAX_DEPTH = 16

FORMATS = ("hdf5", "arrow", "parquet")


def read_metadata(folder: Path) -> dict[str, Any]:
    """The metadata.json of a dataset, after a look at what it says.

    Raises:
        DatasetError: it is damaged, or lacks what is needed to read the dataset without running anything.
    """
    path = folder / "metadata.json"
    try:
        found = json.loads(read_regular(path, JSON_BYTES))  # limits of spaces may be infinite there
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({shown(error, 80)}); restore it or convert again.") from error
    if not isinstance(found, dict) or found.get("data_format") not in FORMATS:
        raise DatasetError(f"{path} is of no Minari dataset in {', '.join(FORMATS)}; name another folder.")
    for name in ("observation_space", "action_space"):
        if not isinstance(found.get(name), str):
            raise DatasetError(
                f"{path} lacks its {name}; Minari would make the environment for it, which a file may not choose. "
                "Add the space to the metadata."
            )
    total = found.get("total_episodes")
    if type(total) is not int or not 0 <= total < 10**9:
        raise DatasetError(f"{path} has {total!r:.40} in the place of its number of episodes; restore it.")
    return found


def require_plain_file(folder: Path, format: str) -> None:
    """Checks that the file with the data is a regular one.

    Raises:
        DatasetError: it is none, or is missing.
    """
    if format != "hdf5":
        return
    path = folder / "main_data.hdf5"
    try:
        open_regular(path, RECORDING_BYTES).close()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}).") from error


def require_plain_episode(folder: Path, format: str, number: int) -> None:
    """Checks that an episode in HDF5 holds arrays alone, in this very file, and no more than memory can.

    Raises:
        DatasetError: it holds links, references or too much.
    """
    if format != "hdf5":
        return
    import h5py

    name = f"episode_{number}"
    with h5py.File(os.fspath(folder / "main_data.hdf5"), "r") as file:
        _require_hard(file, name, number)
        size = _plain_bytes(h5py, file[name], number, 0)
    if size > MAX_EPISODE_BYTES:
        raise DatasetError(f"Episode {number} claims {size:,} bytes, and at most {MAX_EPISODE_BYTES:,} are read.")


def _require_hard(group: Any, name: str, number: int) -> None:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise DatasetError(f'Episode {number} has "{shown(name, 40)}" behind a link or not at all; restore the file.')


def _plain_bytes(h5py: Any, group: Any, number: int, depth: int) -> int:
    if depth > MAX_DEPTH or not isinstance(group, h5py.Group):
        raise DatasetError(f"Episode {number} is no group of arrays; restore the file.")
    total = 0
    for name in group:
        _require_hard(group, name, number)
        part = group[name]
        if isinstance(part, h5py.Group):
            total += _plain_bytes(h5py, part, number, depth + 1)
            continue
        is_text = h5py.check_string_dtype(part.dtype) is not None
        packed = h5py.check_vlen_dtype(part.dtype)
        is_plain = part.dtype.kind in "biufS" or is_text or (packed is not None and packed.kind == "u")
        if not is_plain or part.external or part.is_virtual:
            raise DatasetError(f'Episode {number} has {part.dtype!s:.40} in "{shown(name, 40)}", which is not read.')
        total += int(part.size or 0) * part.dtype.itemsize
    return total
