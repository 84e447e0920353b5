"""`MinariWriter`: episodes as a Minari dataset that its library loads; pictures stay as they are, without loss.

Minari has no place for capture times, ages, actors, and what a sense's sound has as its rate. They stand in the infos
of each step, under "senseweave", and in the metadata, so that we read the same episodes again.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..episode import Episode
from ..errors import DatasetError, import_of_extra
from ..facts import DatasetFacts
from ..registry import Writer

OWN = "senseweave"
"""The key of everything that is ours: in the metadata, in infos, and before the attributes of an episode."""

HAS_FINAL, SUCCESS = f"{OWN}_has_final", f"{OWN}_success"


class MinariWriter(Writer):
    """Writes a Minari dataset.

    Args:
        path: a new or empty folder. Its name is the dataset's id where it is one, such as "goto-v0"; in
            MINARI_DATASETS_PATH, `minari.load_dataset` finds it by that.
        facts: of all episodes.

    Raises:
        DatasetError: there are no actions, or the folder cannot be made.
        MissingExtraError: Minari or h5py is not installed.
    """

    def __init__(self, path: Path, facts: DatasetFacts) -> None:
        if facts.action_space is None:
            raise DatasetError("A Minari dataset needs actions, and these episodes have none; take another format.")
        storages = import_of_extra("minari.dataset.minari_storage", "A Minari dataset")
        import_of_extra("h5py", "A Minari dataset")
        self._buffer: Any = import_of_extra("minari.data_collector", "A Minari dataset").EpisodeBuffer
        version = import_of_extra("minari", "A Minari dataset").__version__
        self.facts, self._count, self._repeated = facts, 0, 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._storage: Any = storages.MinariStorage.new(
                path / "data", facts.spec.space(), facts.action_space, data_format="hdf5", jpeg_encoding=False
            )
            described = {"dataset_id": _id_of(path), "minari_version": version, OWN: facts.to_json()}
            self._storage.update_metadata(described)
        except OSError as error:
            raise DatasetError(f"{path} cannot be written ({error.strerror or error}); choose another.") from error

    def add(self, episode: Episode) -> None:
        if episode.actions is None:
            raise DatasetError("A Minari dataset needs actions, and an episode has none; leave it out.")
        t = len(episode)
        is_last = np.arange(t) == t - 1
        self._repeated += not episode.has_final
        buffer = self._buffer(
            seed=episode.seed,
            observations={name: _with_final(episode, rows) for name, rows in episode.observations.items()},
            actions=episode.actions,
            rewards=episode.rewards,
            terminations=is_last & episode.terminated,
            truncations=is_last & episode.truncated,
            infos={
                OWN: {
                    "time_ns": _with_final(episode, episode.times_ns),
                    "captured_ns": _with_final(episode, episode.captured_ns),
                    "age_s": _with_final(episode, episode.ages_s),
                    "instruction_text": list(_with_final(episode, np.array(episode.texts, object))),
                    "actor": [*episode.actors, ""],
                }
            },
        )
        about: dict[str, Any] = {HAS_FINAL: episode.has_final}
        if episode.success is not None:
            about[SUCCESS] = episode.success
        try:
            self._storage.update_episodes([buffer])
            self._storage.update_episode_metadata([about], [self._count])
        except (OSError, ValueError) as error:
            raise DatasetError(f"Minari could not write episode {self._count} ({error!s:.120}).") from error
        self._count += 1

    def finish(self) -> None:
        if not self._count:
            raise DatasetError("A dataset needs at least one episode; got none.")

    def losses(self) -> list[str]:
        if not self._repeated:
            return []
        return [
            f"Minari ends each episode with an observation; {self._repeated:,} lack one, and repeat the one before it."
        ]


def _with_final(episode: Episode, rows: np.ndarray) -> np.ndarray:
    """T + 1 rows: Minari has an observation after the last action."""
    return rows if episode.has_final else np.concatenate([rows, rows[-1:]])


def _id_of(path: Path) -> str:
    plain = re.sub(r"[^-_\w]+", "-", path.name, flags=re.ASCII).strip("-") or "dataset"
    return plain if re.search(r"-v\d+$", plain) else f"{plain}-v0"
