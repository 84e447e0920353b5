"""`LeRobotSource`: a LeRobotDataset v3 as episodes: our own as they were, other people's by what info.json says."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.checks import shown
from ....perception.checks.files import DESCRIPTION_BYTES, RECORDING_BYTES, open_regular, read_regular
from ....perception.errors import SenseweaveError
from ....perception.spec import PRESENT as MASK
from ....perception.spec import Camera
from ...adapters.wishes import Wishes
from ..episode import Episode
from ..episodes import Source
from ..errors import DatasetError, import_of_extra
from ..facts import DatasetFacts
from . import columns
from .foreign import Foreign
from .video import decode
from .writer import OWN


class LeRobotSource(Source):
    """A LeRobotDataset.

    Args:
        path: its folder.
        allow_damaged: see `open_dataset`.
        wishes: `size` of pictures, and what to ignore, where it is not ours.

    Raises:
        DatasetError: it is damaged, of another version, or holds nothing.
        MissingExtraError: pyarrow is not installed.
    """

    format = "lerobot"

    def __init__(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> None:
        self.where, self.path = str(path), path
        self._pq = import_of_extra("pyarrow.parquet", "A LeRobotDataset")
        self.info = _object(path / "meta/info.json")
        if self.info.get("codebase_version") != "v3.0":
            raise DatasetError(
                f"{path} is a LeRobotDataset of version {shown(self.info.get('codebase_version'), 20)}, and v3.0 is "
                "read; convert it with LeRobot's own script."
            )
        try:
            self.fps = float(self.info["fps"])
            self.features = {
                str(key): (str(each["dtype"]), tuple(int(side) for side in each["shape"]), each)
                for key, each in self.info["features"].items()
            }
            self._data, self._videos = (_pattern(self.info.get(name)) for name in ("data_path", "video_path"))
            if not 0 < self.fps < 1e6:
                raise ValueError(f"{self.fps} frames a second")
            files = sorted((path / "meta/episodes").glob("*/*.parquet"))
            self._about = [row for file in files for row in self._table(file).to_pylist() if row.get("length")]
            lengths = [int(row["length"]) for row in self._about]
            self.tasks = _tasks(self._table(path / "meta/tasks.parquet"))
        except SenseweaveError:
            raise
        except Exception as error:  # whatever a library makes of damaged files
            raise self._damaged(error) from error
        if not lengths:
            raise DatasetError(f"{path} holds no episode; record longer.")
        self._foreign: Foreign | None = None
        if OWN in self.info:
            self.facts = DatasetFacts.from_json(self.info[OWN], str(path / "meta/info.json"))
            self._keys = columns.keys_of(self.facts.spec)
        else:
            stats = _object(path / "meta/stats.json") if (path / "meta/stats.json").is_file() else {}
            self._foreign = Foreign(self.features, self.fps, stats, wishes)
            self.facts, self._keys = self._foreign.facts, self._foreign.keys
        self.lengths = np.array(lengths, np.int64)
        self._kept: tuple[Path, Any] | None = None
        self.damage = self._look(allow_damaged=allow_damaged)

    def _look(self, *, allow_damaged: bool) -> tuple[str, ...]:
        """Whether the files of each episode are there; those that lack one are left out where that is allowed."""
        broken: dict[int, str] = {}
        for number, row in enumerate(self._about):
            try:
                for file in self._files(row):
                    open_regular(file, RECORDING_BYTES).close()
            except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
                broken[number] = f"Episode {number} of {self.where} lacks a file ({error!s:.160})."
        if broken and not allow_damaged:
            raise DatasetError(f"{next(iter(broken.values()))} Restore it, or read the others with --allow-damaged.")
        self._numbers = [number for number in range(len(self._about)) if number not in broken]
        if not self._numbers:
            raise DatasetError(f"{self.where} has no episode that is whole; restore it.")
        self.lengths = self.lengths[self._numbers]
        return tuple(broken.values())

    def _files(self, row: Mapping[str, Any]) -> list[Path]:
        return [self._data_file(row), *(self._video_file(row, key) for key in self._video_keys())]

    def _video_keys(self) -> list[str]:
        return [key for key in self._keys.values() if self.features.get(key, ("",))[0] == "video"]

    def _data_file(self, row: Mapping[str, Any]) -> Path:
        return self._inside(
            self._data.format(chunk_index=int(row["data/chunk_index"]), file_index=int(row["data/file_index"]))
        )

    def _video_file(self, row: Mapping[str, Any], key: str) -> Path:
        places = {part: int(row[f"videos/{key}/{part}"]) for part in ("chunk_index", "file_index")}
        return self._inside(self._videos.format(video_key=key, **places))

    def _inside(self, name: str) -> Path:
        """A file of the dataset; info.json cannot name any other.

        Raises:
            ValueError: it would be outside of the folder.
        """
        path = (self.path / name).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise ValueError(f"it names {name!r:.80}, which is outside of its folder")
        return path

    def _table(self, path: Path) -> Any:
        open_regular(path, RECORDING_BYTES).close()
        if self._kept_is(path):
            return self._kept[1]  # type: ignore[index]
        table = self._pq.ParquetFile(path, page_checksum_verification=True).read()
        self._kept = (path, table)
        return table

    def _kept_is(self, path: Path) -> bool:
        kept = getattr(self, "_kept", None)
        return kept is not None and kept[0] == path

    def _damaged(self, error: Exception, number: int | None = None) -> DatasetError:
        of = "" if number is None else f"Episode {number} of "
        return DatasetError(f"{of}{self.where} is damaged ({type(error).__name__}: {error!s:.120}); restore it.")

    def read(self, number: int) -> Episode:
        number = self._numbers[number]
        row = self._about[number]
        try:
            length = int(row["length"])
            rows = self._rows(row, number, length)
            if self._foreign is not None:
                return self._foreign.episode(rows, lambda key, shape: self._pictures(row, key, shape, length))
            return self._own(row, rows, length)
        except SenseweaveError:
            raise
        except Exception as error:  # whatever a library makes of damaged files
            raise self._damaged(error, number) from error

    def _rows(self, row: Mapping[str, Any], number: int, length: int) -> dict[str, Any]:
        """The columns of an episode: arrays, texts as lists, and the task of each row under "task"."""
        compute: Any = import_of_extra("pyarrow.compute", "A LeRobotDataset")
        table = self._table(self._data_file(row))
        table = table.filter(compute.equal(table["episode_index"], int(row["episode_index"])))
        if len(table) != length:
            raise DatasetError(
                f"Episode {number} of {self.where} has {len(table):,} rows of {length:,}; restore its parquet file."
            )
        rows: dict[str, Any] = {}
        for key in table.column_names:
            dtype, shape, _ = self.features.get(key, ("", (), None))
            if dtype in columns.NUMBERS:
                rows[key] = columns.from_column(table[key], dtype, shape, key)
            elif dtype:
                rows[key] = table[key].to_pylist()
        numbers = rows[columns.TASK].reshape(-1).tolist()
        rows["task"] = [self.tasks.get(each, "") for each in numbers]
        return rows

    def _pictures(self, row: Mapping[str, Any], key: str, shape: tuple[int, ...], length: int) -> NDArray[np.uint8]:
        """The frames of an episode, (n, h, w, 3)."""
        start_s = float(row[f"videos/{key}/from_timestamp"])
        frames = np.empty((length, *shape), np.uint8)
        for place, frame in enumerate(decode(self._video_file(row, key), shape, start_s, length, self.fps)):
            frames[place] = frame
        return frames

    def _own(self, row: Mapping[str, Any], rows: Mapping[str, Any], length: int) -> Episode:
        """An episode that we wrote."""
        facts, space = self.facts, self.facts.action_space
        seen = {
            name: self._pictures(row, key, facts.spec[name].shape, length)
            if isinstance(facts.spec[name], Camera)
            else rows[key]
            for name, key in self._keys.items()
        }
        actions = None if space is None else rows[columns.ACTION].reshape(length, *(space.shape or ()))
        success, seed = row[f"{OWN}/success"], row[f"{OWN}/seed"]
        return Episode.of(
            facts,
            seen | {MASK: rows[columns.PRESENT].reshape(length, -1)},
            actions,
            rows[columns.REWARD].reshape(-1),
            terminated=bool(row[f"{OWN}/terminated"]),
            truncated=bool(row[f"{OWN}/truncated"]),
            success=None if success is None else bool(success),
            texts=rows["task"],
            times_ns=rows[columns.TIME].reshape(-1),
            captured_ns=rows[columns.CAPTURED].reshape(length, -1),
            ages_s=rows[columns.AGE].reshape(length, -1),
            actors=[str(name) for name in rows[columns.ACTOR]],
            seed=None if seed is None else int(seed),
        )


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, DESCRIPTION_BYTES))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({shown(error, 80)}); restore it or convert again.") from error
    if not isinstance(found, dict):
        raise DatasetError(f"{path} must hold a JSON object; restore it.")
    return found


def _pattern(value: Any) -> str:
    """How the files are called, with places for numbers and no surprises: whatever else a format could do is refused.

    Raises:
        ValueError: it is no such pattern.
    """
    pattern = "" if value is None else str(value)
    if re.search(r"[{}]", re.sub(r"\{(video_key|(chunk|file)_index(:0\dd)?)\}", "", pattern)):
        raise ValueError(f"files called {pattern!r:.60}")
    return pattern


def _tasks(table: Any) -> dict[int, str]:
    """Number -> text; the text is the index of a pandas frame, whatever that is called."""
    (texts,) = [name for name in table.column_names if name != "task_index"][:1]
    return dict(zip(table["task_index"].to_pylist(), map(str, table[texts].to_pylist()), strict=True))
