"""A learner's settings as plain JSON values and back. Classes stand there by name, out of the dict below, and no other.

Whatever a file says, nothing is imported and nothing runs for it: a user's own class must be given again by the user.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from torch import nn

from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError, ConfigError, SenseweaveError
from ...perception.spec import Spec
from ..extractor import PerceptionExtractor
from ..presets import Linear

_CLASSES: tuple[type, ...] = (
    *(PerceptionExtractor, CombinedExtractor, FlattenExtractor, NatureCNN),
    *(nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Sigmoid, nn.Identity),
    *(torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Adamax),
    *(torch.optim.SGD, torch.optim.RMSprop, RMSpropTFLike),
)
CLASSES: dict[str, type] = {known.__name__: known for known in _CLASSES}
"""Classes that a saved setting may name."""

_CLASS, _OWN, _SPEC, _PERCEPTION = "$class", "$own", "$spec", "$perception"


def encode(value: Any, where: str, *, names_functions: bool = False) -> Any:
    """A setting as plain JSON values.

    Args:
        value: numbers, texts, None, lists, tuples (which become lists), dicts, classes, specs, perception's settings.
        where: the setting's name, for the error.
        names_functions: whether a function stands there by its name, as a class of the user's does.

    Raises:
        ConfigError: a file cannot hold it.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [encode(part, where, names_functions=names_functions) for part in value]
    if isinstance(value, Spec):
        return {_SPEC: value.to_json()}
    if isinstance(value, PerceptionConfig):
        return {_PERCEPTION: value.to_json()}
    if isinstance(value, Mapping) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: encode(part, f"{where}.{key}", names_functions=names_functions) for key, part in value.items()}
    if isinstance(value, type):
        return {_CLASS if CLASSES.get(value.__name__) is value else _OWN: value.__name__}
    if names_functions and callable(value) and isinstance(getattr(value, "__name__", None), str):
        return {_OWN: value.__name__}
    raise ConfigError(f"`{where}` is {value!r:.60}, which a file without code cannot hold")


def decode(value: Any, where: str) -> Any:
    """What `encode` was given.

    Raises:
        ConfigError: it is a user's own class, which files do not import.
        CheckpointError: it is no value that `encode` makes.
    """
    if isinstance(value, list):
        return [decode(part, where) for part in value]
    if not isinstance(value, dict):
        return value
    tag: str = next(iter(value), "")
    content: Any = value.get(tag)
    if not tag.startswith("$"):
        return {key: decode(part, f"{where}.{key}") for key, part in value.items()}
    try:
        if tag == _SPEC:
            return Spec.from_json(content)
        if tag == _PERCEPTION:
            return PerceptionConfig.from_json(content)
    except (SenseweaveError, TypeError, AttributeError) as error:
        raise CheckpointError(f"`{where}` does not describe a perception of this release: {error}") from error
    if tag == _CLASS and isinstance(content, str) and content in CLASSES:
        return CLASSES[content]
    if tag == _OWN:
        raise ConfigError(
            f"`{where}` is a class of your own, {content}, and files import nothing; give it to `load` again."
        )
    raise CheckpointError(f"`{where}` names {content!r:.60}, which this release does not know; use the one that saved.")


def own_class_name(value: Any) -> str | None:
    """The name of a user's own class in a saved setting; None where it is something else."""
    return value.get(_OWN) if isinstance(value, dict) else None


def encode_schedule(value: Any, where: str) -> Any:
    """A number, or {"linear": [start, end]}; SB3's own linear schedule has the fraction of its end as a third.

    Raises:
        ConfigError: it is another function.
    """
    while isinstance(value, FloatSchedule):
        value = value.value_schedule
    if isinstance(value, ConstantSchedule):
        value = value.val
    if isinstance(value, Linear):
        return {"linear": [float(value.start), float(value.end)]}
    if isinstance(value, LinearSchedule):
        return {"linear": [float(value.start), float(value.end), float(value.end_fraction)]}
    if callable(value):
        raise ConfigError(f"`{where}` is the function {value!r:.60}, and files hold no code")
    return encode(value, where)


def decode_schedule(value: Any, where: str) -> Any:
    """What `encode_schedule` was given, or the same schedule.

    Raises:
        CheckpointError: it is none.
    """
    numbers = value.get("linear") if isinstance(value, dict) else None
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    if not isinstance(numbers, list) or not all(isinstance(number, (int, float)) for number in numbers):
        raise CheckpointError(f"`{where}` is no schedule: {value!r:.60}; use the release that saved it.")
    if len(numbers) == 3:
        return LinearSchedule(*numbers)
    if len(numbers) == 2:
        return Linear(*numbers)
    raise CheckpointError(f"`{where}` must have two or three numbers; got {numbers!r:.60}.")
