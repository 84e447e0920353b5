"""What sensors hand over: `Reading`, one piece of content with its capture time, and `Event`, something worth telling.

`misfit` says in words why content cannot be what a kind of the Spec promises; nothing that does not fit ever reaches an
observation.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...perception.errors import ConfigError, did_you_mean
from ...perception.spec import Kind

EVENT_KINDS = (
    "opened",  # a sensor's device was opened and has given its first reading
    "loading",  # a sensor that needs some seconds before it can sense has begun to prepare itself
    "ready",  # such a sensor senses from now on
    "failed",  # it could not be opened, or reading it raised; it is opened again unless "ended" follows
    "stalled",  # it gave nothing within its deadline and is opened again
    "hung",  # its driver did not come back from a call; the driver's thread is abandoned
    "ended",  # it has nothing more to give, and is not opened again
    "dropped",  # readings are not used (out of order, of another shape, not finite, frozen): once for many
    "overflow",  # the device lost data because nobody fetched it in time
    "warning",  # something that the user should know, once
    "absent",  # a sense's newest reading became older than its `max_age_s`: the agent is without it
    "back",  # the sense is there again
    "unsteady",  # it (or, of the loop, the safe action) comes and goes so often that it is told again when it settled
    "instruction",  # the agent was told something new, the detail; the aligner tells it of every source
    "rejected",  # something was said that was not understood well enough; the old instruction holds
    "stop",  # the agent was told to stop: the safe action is sent until there is a new instruction
    "safe",  # the safe action is sent instead of the policy's from now on; the detail says why
    "resumed",  # the policy's actions are sent again
    "overrun",  # ticks were skipped because the loop came late; the detail says how many
    "unsent",  # an action could not be sent; told once until one can be
    "connected",  # a policy on another machine acts from now on
    "lost",  # the connection to it broke; it is made again, and the safe action is sent when that takes too long
    "late",  # its answer did not come within the tick, and is not acted on; told once until one comes in time
)
"""Every kind that an `Event` may be of, and no other."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """One reading of one sensor, ready for the observation.

    Attributes:
        content: an array of the kind's shape and dtype: a frame, the newest window of sound, token ids. Nobody writes
            into it after it was handed over.
        captured_ns: when the world was like that, in the rig's monotonic clock, as early in the chain as can be known;
            of a window of sound, when its last sample was heard.
        number: what the device counts: frames or texts from 0, of sound the samples up to the end of the window. It
            starts anew when the device is opened anew; gaps are losses.
        text: an instruction's raw text.
    """

    content: NDArray[Any]
    captured_ns: int
    number: int
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a sense or to the loop.

    Attributes:
        time_ns: when, in the rig's monotonic clock.
        sense: the name of the sense; "" for the loop itself.
        kind: one of `EVENT_KINDS`.
        detail: what a person should know, a sentence or a value.

    Raises:
        ConfigError: `kind` is not one of them.
    """

    time_ns: int
    sense: str
    kind: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.kind not in EVENT_KINDS:
            raise ConfigError(f'There is no kind of event "{self.kind}"; {did_you_mean(self.kind, EVENT_KINDS)}')


def misfit(kind: Kind, content: Any) -> str | None:
    """Why `content` cannot be a reading of `kind`, as the end of a sentence; None if it can.

    Compared are type, dtype, shape, finiteness and the limits of the kind's box.
    """
    if not isinstance(content, np.ndarray):
        return f"is {type(content).__name__}, no array"
    shape, dtype, low, high = _limits(kind)
    if content.dtype != dtype or content.shape != shape:
        return f"is {content.dtype} of shape {content.shape} instead of {dtype} of shape {shape}"
    if dtype.kind == "f" and not np.isfinite(content).all():
        return "is not finite"
    if low is not None and ((content < low).any() or (content > high).any()):
        return "is outside the limits of its kind"
    return None


@functools.lru_cache(maxsize=256)
def _limits(kind: Kind) -> tuple[tuple[int, ...], np.dtype[Any], Any, Any]:
    """Shape, dtype, and the least and greatest values where a value of that dtype could be outside them."""
    box = kind.space()
    dtype = np.dtype(kind.dtype)
    if dtype.kind in "iu":
        widest: Any = np.iinfo(dtype.name)
        is_free = bool((box.low == widest.min).all() and (box.high == widest.max).all())
    else:
        is_free = not (np.isfinite(box.low).any() or np.isfinite(box.high).any())
    return box.shape, dtype, None if is_free else box.low, None if is_free else box.high


def without_limit(kind: Kind) -> bool:
    """Whether a reading of this kind holds until there is another one, however old it is: a text does."""
    return kind.is_text
