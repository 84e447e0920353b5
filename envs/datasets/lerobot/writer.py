"""`LeRobotWriter`: episodes as a LeRobotDataset v3, with pyarrow and PyAV alone.

Episodes are collected until they are worth a file; then their rows become one parquet file and their pictures one mp4
for each camera, which is read back and compared before the next ones are taken.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ....perception.spec import PRESENT as MASK
from ....perception.spec import Camera
from ..episode import Episode
from ..errors import DatasetError, import_of_extra
from ..facts import DatasetFacts
from ..registry import Writer
from . import columns
from .stats import Stats
from .video import encode, least_psnr_db, video_info

FILE_BYTES = 64 * 2**20
"""Episodes of so many bytes in memory make a file of their own."""

OWN = "senseweave"
"""Our key in info.json, and before our columns of meta/episodes."""

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
CHUNK = 1000
"""Files of a chunk."""


class LeRobotWriter(Writer):
    """Writes a LeRobotDataset.

    Args:
        path: a new or empty folder.
        facts: of all episodes.
        video: "lossless" or "small".

    Raises:
        DatasetError: the folder cannot be made.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, path: Path, facts: DatasetFacts, *, video: str) -> None:
        self._pa, self._pq = (import_of_extra(name, "A LeRobotDataset") for name in ("pyarrow", "pyarrow.parquet"))
        self.path, self.facts, self._video = path, facts, video
        self.fps = max(1, round(1 / facts.step_s))
        self._keys = columns.keys_of(facts.spec)
        self._cameras = [name for name, kind in facts.spec.items() if isinstance(kind, Camera)]
        self._features = columns.features_of(facts, self.fps, video_info(video))
        self._tasks: dict[str, int] = {}
        self._stats = Stats()
        self._waiting: list[Episode] = []
        self._about: list[dict[str, Any]] = []
        self._files = self._frames = self._finals = 0
        self._psnr_db = dict.fromkeys(self._cameras, math.inf)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"{path} cannot be made ({error.strerror}); choose another folder.") from error

    def add(self, episode: Episode) -> None:
        self._waiting.append(episode)
        self._finals += episode.has_final
        size = sum(rows.nbytes for each in self._waiting for rows in each.observations.values())
        if size >= FILE_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Makes files of the episodes that wait."""
        chunk, file = divmod(self._files, CHUNK)
        places = {"chunk_index": chunk, "file_index": file}
        tables, first = [], self._frames
        for episode in self._waiting:
            tables.append(self._pa.table(self._columns(episode)))
            about = self._describe(episode, places)
            for name in self._cameras:
                start_s = (self._frames - first) / self.fps
                key = f"videos/{self._keys[name]}"
                about |= {f"{key}/{part}": number for part, number in places.items()}
                about |= {f"{key}/from_timestamp": start_s, f"{key}/to_timestamp": start_s + len(episode) / self.fps}
            self._about.append(about)
            self._frames += len(episode)
        path = self.path / DATA.format(**places)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._pq.write_table(self._pa.concat_tables(tables), path, compression="zstd", write_page_checksum=True)
        for name in self._cameras:
            frames = [frame for each in self._waiting for frame in each.observations[name][: len(each)]]
            self._film(name, self.path / VIDEO.format(video_key=self._keys[name], **places), frames)
        self._files, self._waiting = self._files + 1, []

    def _film(self, name: str, path: Path, frames: list[NDArray[np.uint8]]) -> None:
        encode(path, frames, self.fps, self._video)
        psnr_db = least_psnr_db(path, frames, self.fps)
        if self._video == "lossless" and psnr_db != math.inf:
            raise DatasetError(f'The encoder of this machine changes the pictures of "{name}"; take video=small.')
        self._psnr_db[name] = min(self._psnr_db[name], psnr_db)
        self._stats.add_pictures(self._keys[name], frames)

    def _columns(self, episode: Episode) -> dict[str, Any]:
        """The rows of an episode, column by column."""
        t, number = len(episode), len(self._about)
        steps = np.arange(t)
        values: dict[str, NDArray[Any]] = {
            key: episode.observations[name][:t] for name, key in self._keys.items() if name not in self._cameras
        }
        if episode.actions is not None and self.facts.action_space is not None:
            values[columns.ACTION] = episode.actions.reshape(t, -1)
        values |= {
            columns.REWARD: episode.rewards,
            columns.DONE: steps == t - 1,
            columns.SUCCESS: (steps == t - 1) & bool(episode.success),
            columns.PRESENT: episode.observations[MASK][:t],
            columns.CAPTURED: episode.captured_ns[:t],
            columns.AGE: episode.ages_s[:t],
            columns.TIME: episode.times_ns[:t],
            columns.ACTOR: np.array(episode.actors, object),
            columns.TIMESTAMP: (steps / self.fps).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full(t, number),
            "index": self._frames + steps,
            columns.TASK: np.array([self._task(text) for text in episode.texts[:t]], np.int64),
        }
        for key, rows in values.items():
            if not key.startswith(columns.AUDIO):  # a mean of each place in a window says nothing
                self._stats.add(key, rows)
        return {
            key: columns.to_column(rows, self._features[key]["dtype"], tuple(self._features[key]["shape"]))
            for key, rows in values.items()
        }

    def _task(self, text: str) -> int:
        return self._tasks.setdefault(text, len(self._tasks))

    def _describe(self, episode: Episode, places: dict[str, int]) -> dict[str, Any]:
        """A row of meta/episodes."""
        texts = list(dict.fromkeys(episode.texts[: len(episode)]))
        return {
            "episode_index": len(self._about),
            "tasks": texts,
            "length": len(episode),
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + len(episode),
            **{f"data/{part}": number for part, number in places.items()},
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            f"{OWN}/terminated": episode.terminated,
            f"{OWN}/truncated": episode.truncated,
            f"{OWN}/success": episode.success,
            f"{OWN}/seed": episode.seed,
        }

    def finish(self) -> None:
        if self._waiting:
            self._flush()
        if not self._about:
            raise DatasetError("A dataset needs at least one episode; got none.")
        pa, total = self._pa, len(self._about)
        typed = {f"{OWN}/success": pa.bool_(), f"{OWN}/seed": pa.int64(), "tasks": pa.list_(pa.string())}
        table = {name: pa.array([row[name] for row in self._about], typed.get(name)) for name in self._about[0]}
        (self.path / EPISODES).parent.mkdir(parents=True, exist_ok=True)
        self._pq.write_table(pa.table(table), self.path / EPISODES, compression="zstd")
        self._pq.write_table(self._task_table(), self.path / "meta/tasks.parquet", compression="zstd")
        info = {
            "codebase_version": "v3.0",
            "robot_type": None,
            "total_episodes": total,
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{total}"},
            "data_path": DATA,
            "video_path": VIDEO if self._cameras else None,
            "features": self._features,
            OWN: self.facts.to_json() | {"keys": self._keys},
        }
        for name, content in (("info", info), ("stats", self._stats.to_json(self._features))):
            (self.path / f"meta/{name}.json").write_text(json.dumps(content, indent=4, allow_nan=False), "utf-8")

    def _task_table(self) -> Any:
        """The tasks as pandas would write them: their texts are the index of a frame."""
        pa = self._pa
        index = "__index_level_0__"
        table = pa.table({"task_index": pa.array(list(self._tasks.values()), pa.int64()), index: list(self._tasks)})
        kinds = {"task_index": ("int64", "int64"), index: ("unicode", "object")}
        described = {
            "index_columns": [index],
            "column_indexes": [
                {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
            ],
            "columns": [
                {
                    "name": None if name == index else name,
                    "field_name": name,
                    "pandas_type": kind,
                    "numpy_type": numpy_kind,
                    "metadata": None,
                }
                for name, (kind, numpy_kind) in kinds.items()
            ],
        }
        return table.replace_schema_metadata({"pandas": json.dumps(described)})

    def losses(self) -> list[str]:
        told = [
            f'The pictures of "{name}" have lost something: a peak signal-to-noise ratio of at least {psnr_db:.1f} dB; '
            "video=lossless keeps them."
            for name, psnr_db in self._psnr_db.items()
            if psnr_db != math.inf
        ]
        if self._finals:
            told.append(
                f"LeRobot has an observation for each action; those after the last action of {self._finals:,} episodes "
                "are left out."
            )
        if abs(self.fps * self.facts.step_s - 1) > 1e-6:
            told.append(
                f"LeRobot counts whole frames a second: {self.fps} stand for steps of {self.facts.step_s:g} s; our own "
                "reader knows the true times."
            )
        if isinstance(self.facts.action_space, (spaces.Discrete, spaces.MultiDiscrete)):
            told.append("LeRobot's policies expect actions of numbers; these are numbered choices, as whole numbers.")
        return told
