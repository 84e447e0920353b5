"""`Hello`: what a server says of its policy before anything else; and whether that fits a rig."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import gymnasium
import numpy as np

from ....perception.errors import ConfigError, SenseweaveError, TokenizerMismatchError, did_you_mean
from ....perception.spec import Spec
from ....perception.tokenizer import default_tokenizer
from .messages import (
    MAX_NUMBER,
    PROTOCOL,
    RemoteError,
    field,
    observation_bytes,
    pack,
    pack_array,
    require_keys,
    unpack_array,
)


@dataclasses.dataclass(frozen=True)
class Hello:
    """A policy as its server describes it.

    Attributes:
        run: the random name of the run, which tells two policies apart.
        senses: what it perceives.
        tokenizer: identity of the tokenizer; None where no sense is a text.
        action_names: of the actions 0, 1, 2...; empty where they have none.
        action_space: a `Discrete` or a `Box`.
        step_s: how long a step was in training.
        max_age_s: sense -> how old a reading may be.
        memory: shapes of what is remembered for one client; empty without a memory.
        is_greedy: whether the most probable action is taken instead of a sampled one.
    """

    run: str
    senses: Spec
    tokenizer: str | None
    action_names: tuple[str, ...]
    action_space: gymnasium.Space[Any]
    step_s: float
    max_age_s: Mapping[str, float]
    memory: tuple[tuple[int, ...], ...] = ()
    is_greedy: bool = False

    def packed(self) -> bytes:
        """As a message."""
        return pack(
            {
                "protocol": PROTOCOL,
                "run": self.run,
                "senses": self.senses.to_json(),
                "tokenizer": self.tokenizer,
                "action_names": list(self.action_names),
                "actions": _pack_space(self.action_space),
                "step_s": self.step_s,
                "max_age_s": dict(self.max_age_s),
                "memory": [list(shape) for shape in self.memory],
                "greedy": self.is_greedy,
                "max_bytes": observation_bytes(self.senses),
            }
        )

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Self:
        """What a message says.

        Raises:
            RemoteError: it is none of this version, or cannot be meant.
        """
        if "error" in message:
            raise RemoteError(f"The server refuses: {field(message, 'error', str):.240}")
        if message.get("protocol") != PROTOCOL:
            raise RemoteError(
                f"The server speaks version {message.get('protocol')!r:.20} of the protocol, and this "
                f"release {PROTOCOL}; take one release on both sides."
            )
        known = ["protocol", "run", "senses", "tokenizer", "action_names", "actions", "step_s", "max_age_s"]
        require_keys(message, *known, "memory", "greedy", "max_bytes")
        try:
            senses = Spec.from_json(field(message, "senses", dict))
        except (SenseweaveError, TypeError, ValueError, OverflowError) as error:
            raise RemoteError(f"The server's senses are not known here: {error!s:.240}") from error
        ages = field(message, "max_age_s", dict)
        numbers = {"step_s": message["step_s"]} | ages
        if ages.keys() - set(senses) or not all(0 < field(numbers, name, float) < MAX_NUMBER for name in numbers):
            raise RemoteError("The server's `step_s` and `max_age_s` must be seconds above 0, of its senses.")
        names, tokenizer = field(message, "action_names", list), message["tokenizer"]
        if not all(isinstance(name, str) for name in (*names, tokenizer or "")):
            raise RemoteError("The server's action names and its tokenizer must be strings.")
        space = _read_space(field(message, "actions", dict))
        if names and getattr(space, "n", None) != len(names):
            raise RemoteError(f"The server has {len(names)} action names for {space}.")
        memory = tuple(tuple(shape) if isinstance(shape, list) else () for shape in field(message, "memory", list))
        return cls(
            run=field(message, "run", str),
            senses=senses,
            tokenizer=tokenizer,
            action_names=tuple(names),
            action_space=space,
            step_s=field(message, "step_s", float),
            max_age_s={name: float(age_s) for name, age_s in ages.items()},
            memory=memory,
            is_greedy=field(message, "greedy", bool),
        )

    def require_fit(
        self, senses: Spec, action_names: tuple[str, ...], action_space: gymnasium.Space[Any], where: str
    ) -> list[str]:
        """Checks that a rig can be driven by this policy.

        Args:
            senses: the rig's.
            action_names: the rig's.
            action_space: the rig's.
            where: the server's address, for the error's sentence.

        Returns:
            The policy's senses that the rig lacks: they are absent.

        Raises:
            ConfigError: a sense is of another kind, none is there, or the actions are others.
            TokenizerMismatchError: its texts are encoded in another way.
        """
        for name, kind in self.senses.items():
            if name in senses and senses[name] != kind:
                raise ConfigError(f'"{name}" is {senses[name]} here, but the policy at {where} has {kind}; change one.')
        lacking = [name for name in self.senses if name not in senses]
        if len(lacking) == len(self.senses):
            hint = did_you_mean(lacking[0], senses)
            raise ConfigError(f"None of the senses of the policy at {where} is here, {', '.join(lacking)}; {hint}")
        if (action_names or self.action_names) and action_names != self.action_names:
            raise ConfigError(
                f"The actions here are {', '.join(action_names) or action_space}, but those of the policy at {where} "
                f"are {', '.join(self.action_names) or self.action_space}; choose another body or another policy."
            )
        if not action_names and action_space != self.action_space:
            raise ConfigError(f"The actions here are {action_space}, but at {where} {self.action_space}; change one.")
        own = default_tokenizer().identity
        if any(name in senses for name in self.senses.texts()) and self.tokenizer != own:
            raise TokenizerMismatchError(
                f"The policy at {where} was trained with tokenizer {self.tokenizer!s:.60}, but this release has "
                f"{own}; take one release on both sides."
            )
        return lacking


def require_plain_space(space: gymnasium.Space[Any]) -> None:
    """Checks that a policy's actions can travel.

    Raises:
        ConfigError: they are neither numbered nor a box of numbers.
    """
    if not isinstance(space, gymnasium.spaces.Discrete | gymnasium.spaces.Box) or getattr(space, "start", 0):
        raise ConfigError(f"Actions that are served count from 0 or are a box of numbers; got {space}.")


def _pack_space(space: gymnasium.Space[Any]) -> dict[str, Any]:
    if isinstance(space, gymnasium.spaces.Box):
        limits = {"low": pack_array(space.low), "high": pack_array(space.high)}
        return {"dtype": space.dtype.str, "shape": list(space.shape)} | limits
    return {"n": int(getattr(space, "n"))}  # noqa: B009  (the type of a Discrete is not narrowed here)


def _read_space(packed: Mapping[str, Any]) -> gymnasium.Space[Any]:
    """The space that `_pack_space` wrote.

    Raises:
        RemoteError: it is none.
    """
    if "n" in packed:
        require_keys(packed, "n")
        if not 1 <= field(packed, "n", int) <= 2**31:
            raise RemoteError("The server's number of actions must be at least 1.")
        return gymnasium.spaces.Discrete(field(packed, "n", int))
    require_keys(packed, "dtype", "shape", "low", "high")
    shape, name = field(packed, "shape", list), field(packed, "dtype", str)
    is_shape = len(shape) <= 8 and all(type(size) is int and 0 < size <= 2**20 for size in shape)
    if name not in ("<f4", "<f8", "<i4", "<i8") or not is_shape or math.prod(shape) > 2**20:
        raise RemoteError("The server's actions must be a small box of numbers.")
    low, high = (unpack_array(packed[side], side, name, tuple(shape)) for side in ("low", "high"))
    if np.isnan(low).any() or np.isnan(high).any() or (low > high).any():
        raise RemoteError("The server's actions must have limits, the lower ones first.")
    return gymnasium.spaces.Box(low, high, tuple(shape), np.dtype(name).type)
