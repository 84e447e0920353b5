"""Which column or video of a LeRobotDataset holds what, and how arrays become columns and back.

LeRobot's own names are kept where it has one. What it does not know has a column of ours: sound ("observation.audio.*",
as no release of LeRobot has any), which senses were there, how old they were, and when they were captured.

n rows
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.spec import Camera, Microphone, Spec, Vector
from ..errors import DatasetError, import_of_extra
from ..facts import DatasetFacts

ACTION, TASK, TIMESTAMP = "action", "task_index", "timestamp"
REWARD, DONE, SUCCESS = "next.reward", "next.done", "next.success"

PRESENT, CAPTURED, AGE = "observation.present", "observation.captured_ns", "observation.age_s"
TIME, ACTOR = "time_ns", "actor"

STATE, IMAGES, AUDIO, OTHERS = "observation.state", "observation.images.", "observation.audio.", "observation."

COUNTED = {
    TIMESTAMP: "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    TASK: "int64",
}
"""Columns that every LeRobotDataset has -> their types."""

NUMBERS = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


def keys_of(spec: Spec) -> dict[str, str]:
    """Sense -> the name of its feature; the only vector is LeRobot's state."""
    vectors, keys = spec.of_kind(Vector), dict[str, str]()
    for name, kind in spec.items():
        if isinstance(kind, Camera):
            keys[name] = IMAGES + name
        elif isinstance(kind, Microphone):
            keys[name] = AUDIO + name
        else:
            keys[name] = STATE if name in vectors and len(vectors) == 1 else OTHERS + name
    return keys


def features_of(facts: DatasetFacts, fps: int, video_info: dict[str, Any]) -> dict[str, Any]:
    """The `features` of info.json: what each column and video holds."""
    features: dict[str, Any] = {}
    for name, key in keys_of(facts.spec).items():
        kind = facts.spec[name]
        if isinstance(kind, Camera):
            about = {"video.fps": fps, "video.height": kind.height, "video.width": kind.width, "video.channels": 3}
            about |= video_info | {"video.is_depth_map": False, "has_audio": False}
            features[key] = feature("video", kind.shape, ["height", "width", "channels"]) | {"info": about}
        else:
            names = ["channels", "samples"] if isinstance(kind, Microphone) else None
            features[key] = feature(np.dtype(kind.dtype).name, kind.shape, names)
    space = facts.action_space
    if space is not None:
        size = math.prod(space.shape or ()) or 1
        names = list(facts.action_names) if len(facts.action_names) == size else None
        features[ACTION] = feature(np.dtype(space.dtype).name, (size,), names)
    senses = list(facts.spec)
    for key, dtype, shape, names in (
        (REWARD, "float64", (1,), None),
        (DONE, "bool", (1,), None),
        (SUCCESS, "bool", (1,), None),
        (PRESENT, "int8", (len(senses),), senses),
        (CAPTURED, "int64", (len(senses),), senses),
        (AGE, "float64", (len(senses),), senses),
        (TIME, "int64", (1,), None),
        (ACTOR, "string", (1,), None),
    ):
        features[key] = feature(dtype, shape, names)
    return features | {key: feature(dtype, (1,), None) for key, dtype in COUNTED.items()}


def feature(dtype: str, shape: tuple[int, ...], names: list[str] | None) -> dict[str, Any]:
    """One entry of `features`."""
    return {"dtype": dtype, "shape": list(shape), "names": names}


def to_column(values: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> Any:
    """Rows as an arrow array: plain values where a row is one, lists of a fixed length, lists of lists beyond.

    Args:
        values: (n, *shape).
        dtype: as the feature has it.
        shape: the same.
    """
    pa = import_of_extra("pyarrow", "A LeRobotDataset")
    kind = ({"string": pa.string, "bool": pa.bool_}.get(dtype) or getattr(pa, dtype))()
    if shape == (1,):
        return pa.array(values.reshape(len(values)).tolist() if dtype == "string" else values.reshape(-1), kind)
    column = pa.array(np.ascontiguousarray(values).reshape(-1), kind)
    if len(shape) == 1:
        return pa.FixedSizeListArray.from_arrays(column, shape[0])
    for length in reversed(shape):
        offsets = np.arange(0, len(column) + 1, length, dtype=np.int32)
        column = pa.ListArray.from_arrays(pa.array(offsets), column)
    return column


def from_column(column: Any, dtype: str, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """The rows of an arrow column, (n, *shape).

    Raises:
        DatasetError: it holds something else than its feature says.
    """
    if dtype not in NUMBERS:
        raise DatasetError(f'The column "{name}" is of {dtype!s:.40}, which is no number; leave it out.')
    n, flat = len(column), column.combine_chunks()
    pa = import_of_extra("pyarrow", "A LeRobotDataset")
    while pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type) or pa.types.is_large_list(flat.type):
        if flat.null_count:
            raise DatasetError(f'The column "{name}" has rows without a value; convert it without them.')
        flat = flat.flatten()
    if flat.null_count or len(flat) != n * math.prod(shape):
        raise DatasetError(f'The column "{name}" does not hold rows of {shape}, as meta/info.json says; restore it.')
    values = flat.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf":
        raise DatasetError(f'The column "{name}" holds {values.dtype}, and not {dtype}; restore it.')
    return values.astype(dtype).reshape(n, *shape)
