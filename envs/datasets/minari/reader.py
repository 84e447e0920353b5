"""`MinariSource`: a Minari dataset as episodes: our own as they were, other people's through the inference of `adapt`.

Everything is read by Minari's library, after a look at what the files hold (checks.py).
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ....perception.checks.plain_json import parse
from ....perception.errors import SenseweaveError
from ....perception.spec import PRESENT, Spec
from ....perception.tokenizer import default_tokenizer
from ...adapters.actions import PlainActions
from ...adapters.converters import Converter, TextConverter
from ...adapters.facts import DEFAULT_STEP_S
from ...adapters.inference import infer
from ...adapters.sources import OwnMask, sources_of
from ...adapters.sources import Source as Leaf
from ...adapters.wishes import Wishes
from ..episode import Episode
from ..episodes import Source
from ..errors import DatasetError, import_of_extra
from ..facts import DatasetFacts
from .checks import read_metadata, require_plain_episode, require_plain_file
from .place import data_folder
from .writer import HAS_FINAL, OWN, SUCCESS


class MinariSource(Source):
    """A local Minari dataset.

    Args:
        path: its folder, or "minari:ID".
        allow_damaged: see `open_dataset`.
        wishes: what its observations are, where that is ambiguous.

    Raises:
        DatasetError: there is none, it is damaged, or its actions are none that a policy can choose.
        SpecError: what an observation is cannot be told without a word.
        MissingExtraError: Minari, or what its file needs, is not installed.
    """

    format = "minari"

    def __init__(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> None:
        self.where = str(path)
        folder = data_folder(path)
        if folder is None:
            raise DatasetError(f"There is no Minari dataset {path}; its folder holds data/metadata.json.")
        metadata = read_metadata(folder)
        self._folder, self._data_format = folder, str(metadata["data_format"])
        require_plain_file(folder, self._data_format)
        import_of_extra("h5py" if self._data_format == "hdf5" else "pyarrow", "A Minari dataset")
        storages = import_of_extra("minari.dataset.minari_storage", "A Minari dataset")
        supported = import_of_extra("minari", "A Minari dataset").supported_dataset_versions
        if metadata.get("minari_version") not in supported:
            raise DatasetError(
                f"{path} was written by Minari {metadata.get('minari_version')!s:.20}, which the installed Minari "
                "cannot read; install another."
            )
        try:
            self._storage: Any = storages.MinariStorage.read(folder)
            found = list(self._storage.get_episode_metadata(range(metadata["total_episodes"])))
            lengths = [int(about["total_steps"]) for about in found]
        except Exception as error:  # whatever a library makes of damaged files
            raise self._damaged(error) from error
        if not lengths:
            raise DatasetError(f"{path} holds no episode; record longer.")
        self.lengths, self._about = np.array(lengths, np.int64), found
        self._conversion: _Conversion | None = None
        if OWN in metadata:
            self.facts = DatasetFacts.from_json(metadata[OWN], str(folder / "metadata.json"))
        else:
            self._conversion = _Conversion(self._storage, wishes)
            env = _env_of(metadata)
            self.facts = DatasetFacts(self._conversion.spec, None, (), DEFAULT_STEP_S, env)
            self.facts = dataclasses.replace(self.facts, action_space=self._conversion.action_space(self._all_actions))
        self.damage = self._look(allow_damaged=allow_damaged)

    def _look(self, *, allow_damaged: bool) -> tuple[str, ...]:
        """Which episodes cannot be read; they are left out where that is allowed."""
        broken: dict[int, str] = {}
        for number in range(len(self.lengths)):
            try:
                require_plain_episode(self._folder, self._data_format, number)
            except Exception as error:  # whatever a library makes of damaged files
                broken[number] = f"{error!s:.200}"
        if broken and not allow_damaged:
            raise DatasetError(f"{self.where} is damaged: {next(iter(broken.values()))}")
        self._numbers = [number for number in range(len(self.lengths)) if number not in broken]
        self.lengths = self.lengths[self._numbers]
        return tuple(broken.values())

    def _damaged(self, error: Exception, number: int | None = None) -> DatasetError:
        of = "" if number is None else f"Episode {number} of "
        return DatasetError(f"{of}{self.where} is damaged ({type(error).__name__}: {error!s:.120}); restore it.")

    def _raw(self, number: int) -> dict[str, Any]:
        try:
            require_plain_episode(self._folder, self._data_format, number)
            return next(iter(self._storage.get_episodes([number])))
        except SenseweaveError:
            raise
        except Exception as error:  # whatever a library makes of damaged files
            raise self._damaged(error, number) from error

    def _all_actions(self) -> list[Any]:
        return [self._raw(number)["actions"] for number in range(len(self.lengths))]

    def read(self, number: int) -> Episode:
        number = self._numbers[number]
        raw = self._raw(number)
        try:
            if self._conversion is None:
                return self._own(raw, self._about[number])
            return self._conversion.episode(self.facts, raw, self._about[number])
        except (SenseweaveError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise self._damaged(error, number) from error

    def _own(self, raw: Mapping[str, Any], about: Mapping[str, Any]) -> Episode:
        """An episode that we wrote."""
        infos = raw["infos"][OWN]
        n = len(raw["rewards"]) + bool(about.get(HAS_FINAL, True))
        success = about.get(SUCCESS)
        return Episode.of(
            self.facts,
            {name: rows[:n] for name, rows in raw["observations"].items()},
            raw["actions"],
            raw["rewards"],
            terminated=bool(raw["terminations"][-1]),
            truncated=bool(raw["truncations"][-1]),
            success=None if success is None else bool(success),
            texts=[_text(text) for text in infos["instruction_text"][:n]],
            times_ns=infos["time_ns"][:n],
            captured_ns=infos["captured_ns"][:n],
            ages_s=infos["age_s"][:n],
            actors=[_text(name) for name in infos["actor"][: len(raw["rewards"])]],
            seed=about.get("seed"),
        )


class _Conversion:
    """How the observations and actions of somebody else's dataset are read.

    Args:
        storage: Minari's.
        wishes: see `MinariSource`.
    """

    def __init__(self, storage: Any, wishes: Wishes) -> None:
        space = storage.observation_space
        self._own_actions: spaces.Space[Any] = storage.action_space
        converters = infer(space, wishes, default_tokenizer()).converters
        leaves = sources_of(space)
        self._senses: dict[str, tuple[Converter, Leaf]] = {
            name: (converter, leaves[converter.source]) for name, converter in sorted(converters.items())
        }
        self.spec = Spec(**{name: converter.kind for name, (converter, _) in self._senses.items()})
        self._mask = OwnMask(space, [leaf for _, leaf in self._senses.values()])

    def action_space(self, all_actions: Any) -> spaces.Space[Any]:
        """What a policy chooses; a box without limits gets those of the actions in the dataset."""
        own = self._own_actions
        if isinstance(own, spaces.Box) and not (np.isfinite(own.low).all() and np.isfinite(own.high).all()):
            done = np.concatenate([np.asarray(rows, np.float32) for rows in all_actions()])
            low, high = done.min(axis=0), done.max(axis=0)
            return spaces.Box(low, np.where(high > low, high, low + 1.0).astype(np.float32))
        space = PlainActions(own).space
        if isinstance(space, spaces.Box) and space.dtype != np.float32:
            return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32))
        return space

    def episode(self, facts: DatasetFacts, raw: Mapping[str, Any], about: Mapping[str, Any]) -> Episode:
        """One episode in the contract's form."""
        columns, t = raw["observations"], len(raw["rewards"])
        n = t + 1
        rows: dict[str, list[Any]] = {name: [] for name in self.spec}
        present = np.ones((n, len(self.spec)), np.int8)
        texts = [""] * n
        for number, (name, (converter, leaf)) in enumerate(self._senses.items()):
            column = leaf.value_in(columns)
            for row in range(n):
                value = column[row]
                reading = converter.convert(value)
                present[row, number] = reading is not None
                rows[name].append(converter.kind.placeholder() if reading is None else reading)
                if isinstance(converter, TextConverter) and not texts[row]:
                    texts[row] = converter.text(value) or ""
        if isinstance(columns, Mapping) and PRESENT in columns:
            masks = [self._mask.of({PRESENT: mask}) for mask in columns[PRESENT]]
            present &= np.array([mask for mask in masks if mask is not None], np.int8).reshape(-1, len(self.spec))
        success = _success(raw["infos"])
        seed = about.get("seed")
        return Episode.of(
            facts,
            {name: np.stack(part) for name, part in rows.items()} | {PRESENT: present},
            self._shown(raw["actions"]),
            raw["rewards"],
            terminated=bool(raw["terminations"][-1]),
            truncated=bool(raw["truncations"][-1]),
            success=success,
            texts=texts,
            seed=int(seed) if isinstance(seed, (int, np.integer)) else None,
        )

    def _shown(self, actions: Any) -> NDArray[Any]:
        """The dataset's own actions as a policy chooses them, see `PlainActions`."""
        own, rows = self._own_actions, np.asarray(actions)
        if isinstance(own, spaces.Box):
            return np.asarray(rows, np.float32)
        start = getattr(own, "start", 0)
        plain = rows - start
        return plain if isinstance(own, spaces.Discrete) else plain.reshape(len(rows), -1)


def _env_of(metadata: Mapping[str, Any]) -> str:
    """The id of the environment, which is told and not opened; "" where the metadata do not say."""
    try:
        env = parse(metadata["env_spec"])["id"]
    except (KeyError, TypeError, ValueError):
        return ""
    return env if isinstance(env, str) else ""


def _success(infos: Any) -> bool | None:
    for name in ("is_success", "success"):
        values = infos.get(name) if isinstance(infos, Mapping) else None
        if values is not None and np.asarray(values).dtype.kind in "biuf" and np.size(values):
            return bool(np.asarray(values).reshape(-1)[-1] > 0)
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
