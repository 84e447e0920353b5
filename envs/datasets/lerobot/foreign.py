"""`Foreign`: how a LeRobotDataset of somebody else's is read: its cameras, numbers, actions and tasks as ours.

n rows
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ....perception.spec import PRESENT, Camera, Kind, Spec, Vector
from ....perception.tokenizer import default_tokenizer
from ...adapters.wishes import Wishes
from ...live.clock import NS_PER_S
from ...opencv import import_cv2
from ..episode import Episode
from ..errors import DatasetError
from ..facts import DatasetFacts
from . import columns

Pictures = Callable[[str, tuple[int, ...]], NDArray[np.uint8]]
"""The frames of a video feature, given its key and the shape of a frame."""

Features = Mapping[str, tuple[str, tuple[int, ...], Mapping[str, Any]]]
"""Key -> type, shape, and everything else that info.json says."""


class Foreign:
    """What is read of a dataset.

    Args:
        features: of info.json.
        fps: of info.json.
        stats: of stats.json; {} where there are none.
        wishes: `size` of the pictures, and names to `ignore`.

    Attributes:
        facts: what holds for all episodes; actions that are numbers have the limits of stats.json.
        keys: sense -> feature.

    Raises:
        DatasetError: there is nothing to sense, or actions have no limits.
    """

    def __init__(self, features: Features, fps: float, stats: Mapping[str, Any], wishes: Wishes) -> None:
        self._features, self._size = features, wishes.size
        self._tokenizer = default_tokenizer()
        cameras = [key for key, (dtype, _, _) in features.items() if dtype in ("video", "image")]
        kinds: dict[str, Kind] = {}
        self.keys: dict[str, str] = {}
        for key, (dtype, shape, about) in features.items():
            is_picture = dtype in ("video", "image")
            if not is_picture and not (key.startswith(columns.OTHERS) and dtype in columns.NUMBERS):
                continue
            name = "camera" if is_picture and len(cameras) == 1 else _name_of(key)
            if name in wishes.ignore or key in wishes.ignore:
                continue
            if name in kinds:
                raise DatasetError(f'"{key}" and "{self.keys[name]}" would both be "{name}"; ignore one of them.')
            self.keys[name] = key
            kinds[name] = self._camera(shape, about) if is_picture else Vector(max(1, math.prod(shape)))
        if "instruction" not in kinds:
            kinds["instruction"] = self._tokenizer.instruction(wishes.max_tokens)
        self._spec = Spec(**kinds)
        names = ()
        space = self._actions(stats)
        if isinstance(space, spaces.Box):
            told = _flat_names(features[columns.ACTION][2].get("names"))
            names = told if len(told) == space.shape[0] else ()
        self.facts = DatasetFacts(self._spec, space, names, 1 / fps)

    def _camera(self, shape: tuple[int, ...], about: Mapping[str, Any]) -> Camera:
        return Camera(*(self._size or _height_width(shape, about)))

    def _actions(self, stats: Mapping[str, Any]) -> spaces.Space[Any] | None:
        if columns.ACTION not in self._features:
            return None
        dtype, shape, _ = self._features[columns.ACTION]
        try:
            low, high = (np.array(stats[columns.ACTION][edge], np.float32).reshape(shape) for edge in ("min", "max"))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                "meta/stats.json lacks the least and the greatest action, which are the limits; compute the statistics."
            ) from error
        if dtype.startswith(("int", "uint")) and shape == (1,) and low[0] >= 0:
            return spaces.Discrete(int(high[0]) + 1)
        if dtype not in columns.NUMBERS or not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise DatasetError(f"The actions are {dtype} within {low.min()}..{high.max()}, which no policy can choose.")
        return spaces.Box(low.reshape(-1), np.where(high > low, high, low + 1).astype(np.float32).reshape(-1))

    def episode(self, rows: Mapping[str, Any], pictures: Pictures) -> Episode:
        """One episode in the contract's form.

        Args:
            rows: the columns, and the texts under "task".
            pictures: see there.
        """
        texts = rows["task"]
        n = len(texts)
        seen: dict[str, Any] = {}
        for name, key in self.keys.items():
            if key in rows and not isinstance(self._spec[name], Camera):
                seen[name] = np.asarray(rows[key]).reshape(n, -1).astype(np.float32)
            else:
                seen[name] = self._frames(name, key, rows, pictures)
        present = np.ones((n, len(self._spec)), np.int8)
        if "instruction" not in self.keys:
            number, kind = self._spec.names.index("instruction"), self._spec["instruction"]
            seen["instruction"] = np.stack([self._tokenizer.encode(text, kind.shape[0])[0] for text in texts])
            present[:, number] = [bool(text) for text in texts]
        space = self.facts.action_space
        actions = None if space is None else np.asarray(rows[columns.ACTION]).reshape(n, *(space.shape or ()))
        succeeded = rows.get(columns.SUCCESS)
        stamps = np.asarray(rows[columns.TIMESTAMP], np.float64).reshape(-1)
        return Episode.of(
            self.facts,
            seen | {PRESENT: present},
            actions,
            None if columns.REWARD not in rows else np.asarray(rows[columns.REWARD], np.float64).reshape(-1),
            truncated=True,
            success=None if succeeded is None else bool(np.asarray(succeeded).any()),
            texts=texts,
            times_ns=np.rint(stamps * NS_PER_S).astype(np.int64),
        )

    def _frames(self, name: str, key: str, rows: Mapping[str, Any], pictures: Pictures) -> NDArray[np.uint8]:
        dtype, shape, about = self._features[key]
        height, width = _height_width(shape, about)
        if dtype == "video":
            frames = pictures(key, (height, width, 3))
        else:
            frames = np.stack([_decoded(each, key) for each in rows[key]])
        wanted = self._spec[name].shape
        if frames.shape[1:] == wanted:
            return frames
        if self._size is None:
            raise DatasetError(f'The pictures of "{key}" are {frames.shape[1:]}, and not {wanted}, as info.json says.')
        cv2 = import_cv2("Pictures of another size")
        return np.stack([cv2.resize(each, wanted[1::-1], interpolation=cv2.INTER_AREA) for each in frames])


def _decoded(stored: Any, key: str) -> NDArray[np.uint8]:
    """A picture that stands in a column, as bytes of PNG or JPEG."""
    data = stored.get("bytes") if isinstance(stored, Mapping) else None
    cv2 = import_cv2("A dataset with pictures")
    picture = None if not data else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(f'A picture of "{key}" is damaged, or not in the parquet file; restore it.')
    return np.ascontiguousarray(picture[..., ::-1])


def _name_of(key: str) -> str:
    """The sense of a feature: "observation.images.top" is "top"."""
    name = key.removeprefix(columns.IMAGES).removeprefix(columns.OTHERS)
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"_{plain}" if not plain or plain[0].isdigit() or plain == PRESENT else plain


def _height_width(shape: tuple[int, ...], about: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of a picture, whose channels stand first or last.

    Raises:
        DatasetError: it has no three channels.
    """
    names = about.get("names")
    if len(shape) == 3 and isinstance(names, list) and str(names[0]).startswith("c"):
        channels, height, width = shape
    elif len(shape) == 3:
        height, width, channels = shape if shape[2] == 3 else (shape[1], shape[2], shape[0])
    else:
        channels, height, width = 0, 0, 0
    if channels != 3:
        raise DatasetError(f"A picture must have three channels; got the shape {shape}. Ignore that feature.")
    return height, width


def _flat_names(names: Any) -> tuple[str, ...]:
    """Names of the numbers of an action, however they are listed."""
    if isinstance(names, Mapping):
        names = [each for part in names.values() for each in (part if isinstance(part, list) else [part])]
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
