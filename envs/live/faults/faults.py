"""What goes wrong with cameras, microphones and instructions, as data: lists of these are the scripts of `scripted.py`.

Each fault is on from `at_s` for `for_s` seconds of the script's time. Several may be on at once; they act in the order
of the list. docs/how/faults.md says what a rig must make of each; a test plays every case. A fault of your own is a
subclass that changes a `Take`, refuses to open, or both.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.errors import ConfigError, MissingExtraError
from ..source import SourceEndedError, SourceError


@dataclasses.dataclass
class Take:
    """One piece of content on its way from the scripted device; a fault may change all of it.

    Attributes:
        time_s: when the world was like that, in the script's time.
        content: what the device saw, heard or read.
        number: its number.
        captured_s: the capture time that the device claims.
        arrives_s: when `read` returns it.
        is_blocking: whether `read` does not return before that, as in a driver that hangs.
        is_lost: whether the content comes to nobody.
        notes: what the source tells, as (event kind, detail).
    """

    time_s: float
    content: NDArray[Any]
    number: int
    captured_s: float
    arrives_s: float
    is_blocking: bool = False
    is_lost: bool = False
    notes: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Fault:
    """Base of all faults.

    Args:
        at_s: when it begins, in seconds of the script.
        for_s: for how long; for ever where nothing is said.

    Raises:
        ConfigError: a time is negative or not a number.
    """

    at_s: float = 0.0
    for_s: float = math.inf

    def __post_init__(self) -> None:
        if not (0 <= self.at_s < math.inf and self.for_s >= 0):
            raise ConfigError(
                f"A {type(self).__name__} needs finite at_s >= 0, and for_s >= 0; got {self.at_s!r}, {self.for_s!r}."
            )

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s

    def is_on(self, time_s: float) -> bool:
        """Whether it is on at a time of the script."""
        return self.at_s <= time_s < self.ends_s

    def change(self, take: Take, last: Take | None) -> None:
        """Changes a take that is read while the fault is on.

        Args:
            take: changed in place.
            last: the take that was delivered last; None before the first.

        Raises:
            SourceError: or anything else, if that is the fault.
        """

    def refuse(self) -> None:
        """Raises if the device cannot be opened while the fault is on."""

    def opening_s(self) -> float:
        """How long opening the device takes while the fault is on."""
        return 0.0

    def pace(self) -> float:
        """How many readings come in the time of one."""
        return 1.0


class Stall(Fault):
    """Nothing comes: `read` returns None."""

    def change(self, take: Take, last: Take | None) -> None:
        take.is_lost = True


class Hangs(Fault):
    """The driver does not return from `read` until the fault is over; what happened meanwhile is lost."""

    def change(self, take: Take, last: Take | None) -> None:
        take.is_blocking = True
        take.arrives_s = max(take.arrives_s, self.ends_s)
        take.is_lost = True


@dataclasses.dataclass(frozen=True)
class Frozen(Fault):
    """The old content comes again and again, with its old capture time, or as if it were new.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        looks_new: the capture times go on. Nothing but the content can tell then: `unchanged_s` of the sensor.
    """

    looks_new: bool = False

    def change(self, take: Take, last: Take | None) -> None:
        if last is not None:
            take.content = last.content
            if not self.looks_new:
                take.captured_s = last.captured_s


@dataclasses.dataclass(frozen=True)
class Raises(Fault):
    """Reading raises, once an attempt: the device is opened anew each time.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        is_foreign: a RuntimeError, as drivers raise them, instead of our SourceError.
    """

    is_foreign: bool = False

    def change(self, take: Take, last: Take | None) -> None:
        if self.is_foreign:
            raise RuntimeError("select() timeout")
        raise SourceError("The device failed, by the script.")


class Unplugged(Fault):
    """Reading raises, and the device cannot be opened before it is plugged in again."""

    def change(self, take: Take, last: Take | None) -> None:
        raise SourceError("The device was unplugged, by the script.")

    def refuse(self) -> None:
        raise SourceError("There is no such device, by the script.")


class OpensSlowly(Fault):
    """Opening the device takes as long as the fault lasts."""

    def opening_s(self) -> float:
        return self.for_s


class NotInstalled(Fault):
    """The device's driver is not installed, which no new attempt can fix."""

    def refuse(self) -> None:
        raise MissingExtraError("The script's driver is not installed; there is no cure.")


class Ends(Fault):
    """The file is over, or standard input was closed."""

    def change(self, take: Take, last: Take | None) -> None:
        raise SourceEndedError("The script is over.")


class ChangesSize(Fault):
    """The content is twice as long, as after a camera's mode was changed by somebody else."""

    def change(self, take: Take, last: Take | None) -> None:
        take.content = np.concatenate([take.content, take.content])


class ChangesType(Fault):
    """The content has another dtype, float64."""

    def change(self, take: Take, last: Take | None) -> None:
        take.content = take.content.astype(np.float64)


class NotFinite(Fault):
    """The content holds a NaN; whole numbers become float32 for that."""

    def change(self, take: Take, last: Take | None) -> None:
        take.content = take.content.astype(np.float32)
        take.content.flat[0] = np.nan


@dataclasses.dataclass(frozen=True)
class OutOfRange(Fault):
    """One value is beyond what the kind allows.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        value: that value.
    """

    value: float = 30_000

    def change(self, take: Take, last: Take | None) -> None:
        wide = np.int16 if take.content.dtype == np.uint8 else take.content.dtype
        take.content = take.content.astype(wide)
        take.content.flat[-1] = self.value


class DigitalSilence(Fault):
    """Zeros, bit for bit, that look new: a muted microphone, a covered lens, an empty text."""

    def change(self, take: Take, last: Take | None) -> None:
        take.content = np.zeros_like(take.content)


class Overflows(Fault):
    """Nobody fetched the data in time: what was sensed while the fault is on is lost, which is one event."""

    def change(self, take: Take, last: Take | None) -> None:
        take.is_lost = True
        take.notes.append(("overflow", "The script lost data."))


@dataclasses.dataclass(frozen=True)
class Late(Fault):
    """Readings arrive late, with true capture times.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        by_s: how much later than they were captured.
    """

    by_s: float = 0.1

    def change(self, take: Take, last: Take | None) -> None:
        take.arrives_s += self.by_s


class ComesInBursts(Fault):
    """Readings are held up until the fault is over and then come all at once, with true capture times."""

    def change(self, take: Take, last: Take | None) -> None:
        take.arrives_s = max(take.arrives_s, self.ends_s)


@dataclasses.dataclass(frozen=True)
class ClockJumps(Fault):
    """The capture times jump, back or ahead, and jump again when the fault is over.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        by_s: by how much; negative is back.
    """

    by_s: float = -1.0

    def change(self, take: Take, last: Take | None) -> None:
        take.captured_s += self.by_s


@dataclasses.dataclass(frozen=True)
class ClockDrifts(Fault):
    """The capture times come from a clock that is too fast or too slow.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        ppm: by how many millionths; negative is slow, so that readings look ever older.
    """

    ppm: float = 100.0

    def change(self, take: Take, last: Take | None) -> None:
        take.captured_s += (take.time_s - self.at_s) * self.ppm * 1e-6


class OutOfOrder(Fault):
    """Every second reading claims to have been captured before the one that came before it."""

    def change(self, take: Take, last: Take | None) -> None:
        if take.number % 2 and last is not None:
            take.captured_s = last.captured_s - 1e-3


class Repeats(Fault):
    """Every second reading is the one before it once more, with its capture time."""

    def change(self, take: Take, last: Take | None) -> None:
        if take.number % 2 and last is not None:
            take.content, take.captured_s = last.content, last.captured_s


@dataclasses.dataclass(frozen=True)
class WrongRate(Fault):
    """The device runs at another rate than it should.

    Args:
        at_s: see `Fault`.
        for_s: see `Fault`.
        factor: readings in the time of one; below 1 is slow.

    Raises:
        ConfigError: the factor is not positive.
    """

    factor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.factor < math.inf:
            raise ConfigError(f"`factor` of WrongRate must be above 0 and finite; got {self.factor!r}.")

    def pace(self) -> float:
        return self.factor
